/**
 * What Espalier claims of its safety, and how each claim is known; docs/claims.md is made of it, and
 * test/checks/threat-model.test.ts holds that the tests that are named are there.
 */

/** A file, and the names of tests in it that fail when the claim is no longer true. */
export type Evidence = readonly [file: string, ...names: string[]];

export type Claim =
  | { readonly claim: string; readonly tested: readonly Evidence[] }
  /** A page says how it works; no test shows it alone. */
  | { readonly claim: string; readonly documented: string }
  /** Espalier relies on it and cannot see to it. */
  | { readonly claim: string; readonly assumed: string };

export const claims: Readonly<Record<string, readonly Claim[]>> = {
  'Callers and tenants': [
    {
      claim: 'A token is taken only with signature, issuer, audience, time, tenant and role right',
      tested: [
        ['test/hostile/tokens.test.ts', '$attack: $outcome'],
        ['src/entra/verify.test.ts', 'another signer, a changed payload, a cut signature'],
      ],
    },
    {
      claim: 'A token that was verified before is verified no less when it comes again',
      tested: [
        [
          'src/entra/verified-tokens.test.ts',
          'with and without the cache every answer is the same, whatever happens to times, keys and audiences',
        ],
      ],
    },
    {
      claim: 'An invented tenant costs no request to Microsoft',
      tested: [
        ['test/system/strangers.test.ts', 'costs no request to Microsoft, and the keys of customers stay'],
      ],
    },
    {
      claim: "Another tenant's object is answered as one that does not exist, on every operation",
      tested: [
        [
          'test/system/api-isolation.test.ts',
          'tenant is not found, in the very words of one that does not exist, on every operation and with every role',
        ],
      ],
    },
    {
      claim: 'Two instances with the same computer id are kept apart',
      tested: [['test/system/main-job.test.ts', 'keeps two instances with the same Jamf id apart']],
    },
    {
      claim: "The caller's credentials never reach an instance; only listed headers cross",
      tested: [
        ['test/system/fast-lane.test.ts', 'what the instance is told is the same with and without it'],
        ['test/system/balancer.test.ts', 'and the rest of what balancers write go to no instance'],
      ],
    },
    {
      claim: 'Landing pages repeat nothing of their address and tell nothing of a Mac',
      tested: [
        [
          'test/system/landing.test.ts',
          'tell the person at a Mac that fails what to do, and nothing of the Mac',
        ],
      ],
    },
    {
      claim: 'A Graph notification with a wrong client state has no effect',
      tested: [
        [
          'test/system/notifications.test.ts',
          'a wrong client state, an unknown subscription and a tenant that is not its own: 202, no effect',
        ],
      ],
    },
  ],
  'The wire': [
    {
      claim: 'What two parsers could read differently is refused before any work, on every listener',
      tested: [['test/hostile/requests.test.ts', '$attack: $outcome']],
    },
    {
      claim:
        'What is taken, HAProxy takes too and in the same reading, whatever the bytes and wherever they are cut',
      tested: [
        ['test/fuzz/wire.fuzz.ts', 'nothing is taken that HAProxy refuses, and nothing is read otherwise'],
      ],
    },
    {
      claim: "The fast lane reads a request as Node's parser does, or leaves it",
      tested: [
        ['src/runtime/lane/request.test.ts', 'whatever the lane takes, Node reads as the same one request'],
      ],
    },
    {
      claim: 'Answers come in the order of their requests, on the connection of their requests',
      tested: [['test/system/pipelining.test.ts', 'any mixture, cut into pieces anywhere']],
    },
    {
      claim: 'A read of one connection never shows on another',
      tested: [
        [
          'src/runtime/lane/node-internals.test.ts',
          'no read of another connection shows in what was taken, nor after a rest',
        ],
      ],
    },
    {
      claim:
        'Connections are bounded in all and of one address; none is held without a request, or by a caller that takes nothing',
      tested: [
        [
          'test/system/connections.test.ts',
          'that bring no request are closed, whatever they do instead',
          'of one address are bounded, and go in their order',
          'whose caller takes nothing of its answer are closed',
        ],
      ],
    },
    {
      claim: 'Slow heads, bodies, reads and ranges of a thousand connections stop no device call',
      tested: [
        [
          'test/edge/slow-callers.edge.ts',
          'device calls are answered all the while, and everything is let go',
        ],
      ],
    },
    {
      claim: '5,000 idle TLS connections are held in bounded memory',
      tested: [['test/edge/idle-connections.edge.ts', 'of them are held in bounded memory, and are let go']],
    },
    {
      claim:
        'TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only; no known attack on them',
      tested: [['test/edge/tls.edge.ts', 'no finding that applies is above LOW']],
    },
    {
      claim: 'Each name has its own certificate, and one is reloaded without a lost connection',
      tested: [
        [
          'test/system/server-names.test.ts',
          'change for those who come next, and not for a connection that is there',
        ],
      ],
    },
    {
      claim:
        'Certificates by ACME are for the names of the setting alone, and a connection that proves a name carries nothing else',
      tested: [
        [
          'test/acme/acme.test.ts',
          'are issued by http-01 to one of two replicas',
          'are issued by tls-alpn-01 on the data listener, whose validation carries nothing',
        ],
      ],
    },
    {
      claim: 'The port of `http-01` answers open challenges and nothing else',
      tested: [
        [
          'test/hostile/acme-port.test.ts',
          'answers an open challenge and closes, with the headers of every answer',
        ],
      ],
    },
    {
      claim: 'HTTP/2 is not offered, so its resets are no way in',
      tested: [['test/system/server-names.test.ts', 'offers HTTP/1.1 alone']],
    },
    {
      claim: 'Every answer that a browser may meet has its protective headers',
      tested: [['test/hostile/answer-headers.test.ts', 'headers of every answer']],
    },
    {
      claim: 'Deep, wide, packed and endless bodies end nothing but their own request',
      tested: [['test/hostile/large-bodies.test.ts', 'others are answered while large bodies are read']],
    },
    {
      claim:
        "A small packed push holds no more memory than its instance's share, and leaving one in the middle ends nothing else",
      tested: [
        [
          'test/system/fair-intake.test.ts',
          'hears 429 when its share is held by what they unpacked to, another tenant’s does not',
        ],
        ['src/gateway/unpacked-chunks.test.ts', 'that is left while more of it is ready ends nothing else'],
      ],
    },
    {
      claim: 'Every reader of what strangers send ends, with an answer or a fault of theirs',
      tested: [
        [
          'test/fuzz/parsers.fuzz.ts',
          'a webhook in',
          'an RSQL filter is a condition or faults that name what is wrong',
          'YAML of apply is a declaration or faults with their places',
        ],
      ],
    },
  ],
  'Behind a balancer': [
    {
      claim: "An address is believed of trusted proxies alone, by the socket's other end",
      tested: [['test/system/balancer.test.ts', 'is believed of nobody else']],
    },
    {
      claim: 'A connection without a PROXY header, where one is required, closes without a word',
      tested: [
        [
          'test/system/proxy-protocol.test.ts',
          'that are missing, wrong, or a stranger’s close without a word',
        ],
      ],
    },
    {
      claim:
        'A client certificate in a header proves nothing by itself: it is verified, refused where it can be read in two ways, and gone from everybody else',
      tested: [
        [
          'test/system/balancer.test.ts',
          'proves nothing by itself',
          'is refused where it can be read in two ways, on every path',
          'is as if it had not come, from anybody else',
        ],
      ],
    },
    {
      claim: 'The balancer overwrites the header of the certificate, and callers cannot have its address',
      assumed: '[network.md](network.md) says how to set it up',
    },
  ],
  'The way out': [
    {
      claim:
        "No instance URL, landing URL or discovered address leads into the gateway's own network, at any connection",
      tested: [
        [
          'test/hostile/addresses.test.ts',
          'is no instance and no landing page',
          'what was stored is looked at again where a connection is made',
        ],
      ],
    },
    {
      claim: 'Microsoft tokens go to the hosts that the cloud lists, and to no redirect',
      tested: [['src/graph/allowed-hosts.test.ts', 'refused']],
    },
    {
      claim: "An instance's answer is read as Node reads it, or is none; it never goes to another caller",
      tested: [
        [
          'src/outbound/node-upstream-differential.test.ts',
          'what is read whole here is read whole there, and the same',
        ],
        [
          'test/fuzz/instances.fuzz.ts',
          'no answer reaches another caller, and what cannot be read is a problem',
        ],
      ],
    },
    {
      claim:
        'What is no answer, or more than one, is a problem for its caller and ends that connection to the instance',
      tested: [['test/hostile/instance-answers.test.ts', '$attack: $outcome']],
    },
    {
      claim: 'An answer that breaks breaks its own call alone',
      tested: [
        [
          'test/system/forwarding.test.ts',
          'breaks the connection to the caller where an answer breaks in the middle',
        ],
      ],
    },
    {
      claim: 'The password of an outgoing proxy is shown nowhere',
      tested: [['test/system/outgoing-proxy.test.ts', 'shows user and password nowhere']],
    },
    {
      claim: 'What a proxy that `HTTPS_PROXY` names does with the connections it opens for us is right',
      assumed: 'TLS goes through it, end to end',
    },
    { claim: 'What an instance or Intune says of its own devices is true', assumed: '' },
  ],
  Operators: [
    {
      claim: 'Every operation needs its role',
      tested: [
        [
          'test/system/api-isolation.test.ts',
          '403 below the role that the document names, on every operation',
        ],
      ],
    },
    {
      claim: 'A sign-in belongs to the browser that began it, and is good once',
      tested: [
        [
          'test/system/sign-in.test.ts',
          'a sign-in that another browser began is not finished, and is used up',
          'the address that brought the code is good for one time',
        ],
      ],
    },
    {
      claim: "No script can read a session's cookie, and no other host can set it",
      tested: [
        ['test/system/sign-in.test.ts', 'sets cookies that only this host can set and no script can read'],
      ],
    },
    {
      claim: 'Wrong keys are bounded by address, and a right key of the same address is not held up',
      tested: [
        [
          'test/system/strangers.test.ts',
          'are told to wait on the admin listener, and a correct key of the same address never is',
        ],
      ],
    },
    {
      claim: 'A change and its entry in the history are written together or not at all',
      tested: [
        ['test/system/history-chains.test.ts', 'writes a change and its entry together or not at all'],
      ],
    },
    {
      claim: 'What was answered 202 is in the database, whatever was sent',
      tested: [
        ['test/fuzz/gateway.fuzz.ts', 'a webhook that is accepted is stored', 'a push counts what it stored'],
      ],
    },
    {
      claim: 'A chain of the history that was made anew shows against an end that was held elsewhere',
      tested: [
        [
          'test/system/history-chains.test.ts',
          'does not show a chain that was made anew as a whole, but an end that was held elsewhere does',
        ],
      ],
    },
    {
      claim: 'With approvals on, nobody approves what he asked for',
      tested: [
        [
          'test/system/approvals.test.ts',
          '403 for who asked, for a lower role; 404 for another tenant, as for an unknown one',
        ],
      ],
    },
    {
      claim: 'The one-time link of the demo is of no use to others, and `serve` cannot make one',
      tested: [
        [
          'test/system/demo-link.test.ts',
          'is nothing for other names, proxies and other sites, and stays good',
          'cannot be made for serve, whatever its environment and its parent say',
        ],
      ],
    },
    {
      claim: 'The admin and ops listeners are reached by those alone who are meant to',
      assumed: 'both listen on the loopback address unless they are told otherwise',
    },
  ],
  'What is stored': [
    {
      claim: 'No token, key or secret can be read in the database, the snapshot, a log, a metric or a trace',
      tested: [
        [
          'test/system/secrets-at-rest.test.ts',
          'are in no table, file, log, metric or trace after a life of many kinds',
          'would be found in each form',
        ],
      ],
    },
    {
      claim: 'A sealed value opens in its own row only',
      tested: [['src/secrets/secrets.test.ts', 'opens what it sealed, for the same row only']],
    },
    {
      claim: 'The snapshot is for its owner alone, shows nothing, and holds no token, session or key',
      tested: [
        [
          'test/system/snapshot-content.test.ts',
          'shows no name, id, token, key or secret',
          'opened holds what serves, and no token, session, key or readable secret',
        ],
      ],
    },
    {
      claim: 'A snapshot that was cut or altered anywhere does not open',
      tested: [
        [
          'src/runtime/node-snapshot/snapshot.test.ts',
          'is refused when it is cut at',
          'random bytes are altered',
        ],
      ],
    },
    {
      claim:
        'The snapshot that Workers keep in R2 shows nothing, holds no token, session or key, and does not open where it was cut, altered or exchanged',
      tested: [
        [
          'test/conformance/snapshot-bucket.test.ts',
          'can be read by nobody without the key, and its names say nothing',
          'is not served where it was cut or altered anywhere',
          'does not open under another name, nor as part of another deployment',
        ],
        [
          'test/conformance/worker-snapshot.test.ts',
          'nothing in the bucket can be read, and opened it holds no token, key or readable secret',
        ],
      ],
    },
    {
      claim:
        "What isolates of Workers share through Cloudflare's cache shows nothing, is reached by no address, holds no token or opened secret, and is not believed where it was altered, cut, exchanged, or is older than the tenant's version",
      tested: [
        [
          'test/conformance/shared-rows.test.ts',
          'show nothing, nor do their names',
          'are not opened where they were altered or cut anywhere, or stand in the place of another',
          'are not believed where they were put back in place of newer ones',
          'are those of one deployment, build, key and history of the database',
        ],
        [
          'test/conformance/worker-shared-rows.test.ts',
          'leaves nothing in the cache that can be read',
          'no address of either Worker leads to what is shared',
          'is seen within two seconds: a Mac that moves, and one that goes',
        ],
      ],
    },
    {
      claim: 'A support bundle holds no secret and names nobody',
      tested: [
        [
          'test/system/bundle.test.ts',
          'holds no secret in any form',
          'holds nothing that names a person or a Mac',
        ],
      ],
    },
    {
      claim:
        'Whoever can write into the data directory, or into the bucket of Workers, can put an older snapshot back, for as long as it is not too old',
      documented: '[snapshot.md](snapshot.md#how-it-is-protected)',
    },
    { claim: 'The keys that seal are kept apart from the database and its backups', assumed: '' },
  ],
  'Staying there': [
    {
      claim:
        'Without the database known devices are served, nothing is answered 202, and everything else is answered in 2 s',
      tested: [
        [
          'test/system/outage.test.ts',
          'stopped for 30 s under traffic: every answer within 2 s, known devices served, nothing accepted lost',
        ],
        [
          'test/system/static-stability.test.ts',
          'answers 503 to what needs the database, within 2 s and with a time to come again, and never 202',
        ],
        [
          'test/conformance/worker-snapshot.test.ts',
          'what needs it is 503 with Retry-After, never 202, and so is what the snapshot does not have',
        ],
      ],
    },
    {
      claim: 'The snapshot serves where the database cannot be reached, and never where it refuses',
      tested: [
        [
          'test/system/static-stability-safety.test.ts',
          'does not serve where the database refuses: the start ends in one line',
        ],
        ['test/conformance/worker-snapshot.test.ts', 'a database that refuses is not hidden'],
      ],
    },
    {
      claim:
        "A permission that was taken away during an outage still holds until the database is back, at most for the snapshot's greatest age",
      documented: '[snapshot.md](snapshot.md)',
    },
    {
      claim: 'Under pressure what can wait is refused first, and a refused webhook is made up for',
      tested: [
        [
          'test/system/overload.test.ts',
          'refuses what can wait, in its order, answers device calls and operators, and makes up for webhooks',
        ],
      ],
    },
    {
      claim:
        'One caller does not use up what belongs to the others, and strangers push out nothing of a customer',
      tested: [
        [
          'test/system/fair-calls.test.ts',
          'strangers push out no verified token, and take nothing of a tenant’s rate',
          'strangers push out no key of an instance',
        ],
        ['test/system/intake-turns.test.ts', 'is committed within a few statements'],
      ],
    },
    {
      claim: 'What is shipped has no known vulnerability that is high or critical, where a registry tells',
      tested: [['test/checks/audit.test.ts', 'a vulnerability that is %s fails']],
    },
  ],
};
