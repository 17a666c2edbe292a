import { z } from 'zod';
import { groupPaths } from '../connection/subscriptions/notification-settings.ts';
import { parsePassThroughEntry } from '../forwarding/pass-through.ts';
import { acmeNames } from '../limits.ts';
import { parseNoProxy, parseProxyUrl } from '../outbound/proxies.ts';
import { defaultDatabaseConnections, minDatabaseConnections } from '../store/connection-budget.ts';
import { databaseUrlProblem } from '../store/database-url.ts';
import { challengeKinds, massChangeModes, subscribable } from '../store/row-types.ts';
import { parseProxyRange, trustsEverybody } from './balancer/trusted-proxies.ts';

/**
 * Every environment variable that Espalier reads (contract section 3), declared once as a schema of its text: types,
 * defaults, faults, masking and docs/settings.md come from here.
 */

interface Facts {
  readonly name: string;
  readonly meaning: string;
  /** Default as the documentation shows it. */
  readonly defaultText: string;
  readonly example: string;
  /** Masked wherever Espalier shows its configuration. */
  readonly secret?: boolean;
  /** The name in lower case is read, too, and first: as curl reads the variables of proxies. */
  readonly lowerCaseToo?: boolean;
  /** A cloud suffix may follow the name (`…_USGOV`), an application being registered per cloud. */
  readonly perCloud?: boolean;
}

export interface Setting<T> extends Facts {
  /** Undefined is an absent variable; an empty one counts as absent. */
  readonly schema: z.ZodType<T, string | undefined>;
}

/** The default's text is the schema's, and the example the default, unless `more` says otherwise. */
function setting<T>(
  name: string,
  meaning: string,
  schema: z.ZodType<T, string | undefined>,
  more: Partial<Facts> = {},
): Setting<T> {
  const { defaultText, example, ...marks } = more;
  return {
    ...marks,
    name,
    meaning,
    schema,
    // Only a fault, a description and the documentation ask for both, so they are computed late.
    get defaultText() {
      return defaultText ?? String(z.toJSONSchema(schema, { io: 'input' }).default ?? 'unset');
    },
    get example() {
      return example ?? this.defaultText;
    },
  };
}

/** The text is checked where it is read. */
const text = z.string().optional();

/** The value of a setting among variables, under its own name or another of its names. */
export function givenValue(
  { lowerCaseToo, name }: Setting<unknown>,
  variables: Readonly<Record<string, string | undefined>>,
  as: string = name,
): string | undefined {
  const lower = lowerCaseToo ? variables[as.toLowerCase()]?.trim() || undefined : undefined;
  return lower ?? (variables[as]?.trim() || undefined);
}

const isNot = (what: string) => ({ error: ({ input }: { input?: unknown }) => `'${input}' is ${what}` });

/** Where what holds without it depends on more than the variable. */
const numberOrUnset = (low: number, high: number) =>
  z
    .string()
    .optional()
    .refine((given) => given === undefined || (Number(given) >= low && Number(given) <= high), {
      ...isNot(`not a number from ${low} to ${high}`),
      abort: true,
    })
    .transform((given) => (given === undefined ? undefined : Number(given)));

const numberThat =
  (is: (value: number) => boolean, kind: string) => (fallback: number, low: number, high: number) =>
    z
      .string()
      .default(String(fallback))
      .refine((given) => is(Number(given)) && Number(given) >= low && Number(given) <= high, {
        ...isNot(`not ${kind} from ${low} to ${high}`),
        abort: true,
      })
      .transform(Number);

const wholeNumberOrUnset = (low: number, high: number) =>
  z
    .string()
    .optional()
    .refine((given) => given === undefined || isWholeNumber(given, low, high), {
      ...isNot(`not a whole number from ${low} to ${high}`),
      abort: true,
    })
    .transform((given) => (given === undefined ? undefined : Number(given)));

/** Beyond this a machine has more processes than any that was measured. */
const maxProcesses = 64;
const isWholeNumber = (given: string, low: number, high: number): boolean =>
  Number.isInteger(Number(given)) && Number(given) >= low && Number(given) <= high;

const number = numberThat(Number.isFinite, 'a number');
const wholeNumber = numberThat(Number.isInteger, 'a whole number');

const choice = <const T extends readonly [string, ...string[]]>(fallback: T[number], ...values: T) =>
  z.enum(values, isNot(`none of ${values.join(', ')}`)).default(fallback as never);

const split = (given: string): string[] =>
  given
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

/** One that has no entry counts as absent. */
const list = (fallback = '') =>
  z
    .string()
    .default(fallback)
    .transform((given) => (split(given).length > 0 ? split(given) : split(fallback)));

/** Ends the conversion of a setting's text; `problem` is what the fault says. */
function refuse(context: z.RefinementCtx, problem: string): never {
  context.addIssue(problem);
  return z.NEVER;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const listen = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((given, context): ListenAddress => {
      const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(given);
      const host = match?.[1] ?? match?.[2];
      const port = Number(match?.[3]);
      return host !== undefined && host !== '' && port <= 65_535
        ? { host, port }
        : refuse(context, `'${given}' is not host:port`);
    });

const guid = z
  .string()
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, isNot('not a GUID'))
  .toLowerCase();

function isHttpsUrl(given: string): boolean {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  return url?.protocol === 'https:' && url.search === '' && url.hash === '' && url.username === '';
}

const httpsUrl = z.string().refine(isHttpsUrl, { ...isNot('not an https URL without query'), abort: true });

function readPassThrough(given: string, context: z.RefinementCtx) {
  let entries: unknown;
  try {
    entries = JSON.parse(given);
  } catch {
    return refuse(context, `'${given}' is not JSON`);
  }
  if (!Array.isArray(entries)) return refuse(context, 'is not a JSON list of "METHOD /path"');
  return entries.map(
    (entry: unknown) =>
      (typeof entry === 'string' ? parsePassThroughEntry(entry) : undefined) ??
      refuse(context, `has ${JSON.stringify(entry)}, which is not "METHOD /path" of plain words and {id}`),
  );
}

function readResources(names: readonly string[], context: z.RefinementCtx) {
  if (names.length === 1 && names[0] === 'none') return [];
  const unknown = names.find((name) => !subscribable.some((one) => one === name));
  return unknown === undefined
    ? subscribable.filter((one) => names.includes(one))
    : refuse(context, `'${unknown}' is none of ${subscribable.join(', ')}`);
}

/** A name that the public DNS can have, in the form in which it stands in a certificate. */
const dnsName = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/;

function readAcmeNames(given: readonly string[], context: z.RefinementCtx): readonly string[] {
  if (given.length > acmeNames) refuse(context, `has ${given.length} names, ${acmeNames} are the most`);
  const names = given.map((name) => name.toLowerCase());
  for (const name of names)
    if (!dnsName.test(name))
      refuse(
        context,
        name.startsWith('*.')
          ? `has '${name}': names with * are proved by DNS alone, which is not offered`
          : `has '${name}', which is no host name of the public DNS in its ASCII form`,
      );
  return [...new Set(names)];
}

const readSecretsKeys = (entries: readonly string[], context: z.RefinementCtx) =>
  entries.map((entry) => {
    const bytes = Buffer.from(entry, 'base64');
    return bytes.byteLength === 32
      ? new Uint8Array(bytes)
      : refuse(context, `has an entry of ${bytes.byteLength} bytes, 32 are needed`);
  });

/** Headers that have a meaning of their own. */
const takenHeaders =
  /^(?:accept.*|authorization|client-cert-chain|connection|content-.*|cookie|expect|forwarded|host|keep-alive|proxy-.*|te|trace.*|trailer|transfer-encoding|upgrade|user-agent|x-api-key|x-forwarded-(?:for|host|port|proto)|x-request-id)$/;

function readCertificateHeaderName(given: string | undefined, context: z.RefinementCtx) {
  const name = given?.toLowerCase();
  if (name === undefined) return undefined;
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name))
    return refuse(context, `'${given}' is not a header's name of letters, digits and hyphens`);
  return takenHeaders.test(name) ? refuse(context, `'${given}' is a header with another meaning`) : name;
}

function readProxy(given: string | undefined, context: z.RefinementCtx) {
  if (given === undefined) return undefined;
  return parseProxyUrl(given) ?? refuse(context, 'is not http://host:port or https://host:port');
}

function readTrustedProxies(entries: readonly string[], context: z.RefinementCtx) {
  const ranges = entries.map(
    (entry) => parseProxyRange(entry) ?? refuse(context, `'${entry}' is neither a CIDR nor an address`),
  );
  return context.issues.length === 0 && trustsEverybody(ranges)
    ? refuse(context, 'trusts every address, and so what any caller says of itself: name the balancers only')
    : ranges;
}

export const settings = {
  databaseUrl: setting(
    'DATABASE_URL',
    'PostgreSQL 15 or newer; unset: an embedded one in the data directory',
    text.superRefine((given, context) => {
      const problem = given === undefined ? undefined : databaseUrlProblem(given);
      if (problem !== undefined) context.addIssue(problem);
    }),
    { defaultText: 'unset: embedded', example: 'postgres://espalier:…@db:5432/espalier', secret: true },
  ),
  databaseConnections: setting(
    'ESPALIER_DATABASE_CONNECTIONS',
    `connections to the database, at most, of all processes of this \`serve\` or \`worker\`; each needs ${minDatabaseConnections}, so fewer allow fewer processes`,
    wholeNumberOrUnset(minDatabaseConnections, 1_000),
    {
      defaultText: `${defaultDatabaseConnections}, or ${minDatabaseConnections} for each process where that is more`,
      example: '48',
    },
  ),
  dataDir: setting(
    'ESPALIER_DATA_DIR',
    'embedded database, development certificate, made keys',
    z.string().default('.espalier'),
    { example: '/var/lib/espalier' },
  ),
  publicUrl: setting(
    'ESPALIER_PUBLIC_URL',
    'base URL given to Microsoft and Jamf',
    httpsUrl.default('https://localhost:8443').transform((url) => url.replace(/\/+$/, '')),
    { example: 'https://gateway.example.com' },
  ),
  dataListen: setting(
    'ESPALIER_DATA_LISTEN',
    'where Jamf Pro, Microsoft and browsers come in; port 0 picks a free one',
    listen('0.0.0.0:8443'),
  ),
  adminListen: setting('ESPALIER_ADMIN_LISTEN', 'where operators come in', listen('127.0.0.1:9443')),
  adminUrl: setting(
    'ESPALIER_ADMIN_URL',
    "origin of the admin listener as operators' browsers see it; sign-in returns there",
    httpsUrl
      .refine((url) => /^\/*$/.test(new URL(url).pathname), {
        error: ({ input }) => `'${input}' has a path: the admin listener answers at the root of its origin`,
      })
      .transform((url) => new URL(url).origin)
      .optional(),
    {
      defaultText: 'https://localhost and the port of ESPALIER_ADMIN_LISTEN',
      example: 'https://espalier-admin.example.com',
    },
  ),
  opsListen: setting(
    'ESPALIER_OPS_LISTEN',
    'plain HTTP for probes and scrapers, also of `espalier worker`; a worker beside a `serve` on one machine needs a port of its own',
    listen('127.0.0.1:9464'),
  ),
  drainDelaySeconds: setting(
    'ESPALIER_DRAIN_DELAY_SECONDS',
    'at SIGTERM: how long `/health/ready` is 503 while everything is served, so that a balancer sends calls elsewhere before the listeners close',
    numberOrUnset(0, 600),
    { defaultText: '5; 0 on a terminal, in the demo, at SIGINT and for `worker`', example: '15' },
  ),
  tls: setting('ESPALIER_TLS', '`off` only where a load balancer terminates TLS', choice('on', 'on', 'off')),
  connections: setting(
    'ESPALIER_CONNECTIONS',
    'connections to one listener at a time; to make room those that never brought a request go first, then the one that is idle for longest, of the address that has most; never one with a request under way',
    number(10_000, 1, 1_000_000),
  ),
  connectionsPerAddress: setting(
    'ESPALIER_CONNECTIONS_PER_ADDRESS',
    'the same from one address (IPv6: from one /64); hosted instances share addresses; a balancer of `ESPALIER_TRUSTED_PROXIES` has no such bound of its own',
    number(4_000, 1, 1_000_000),
  ),
  trustedProxies: setting(
    'ESPALIER_TRUSTED_PROXIES',
    "CIDRs and addresses of the balancers whose `Forwarded` or `X-Forwarded-For` names the caller; comma list; everybody else's is ignored (docs/network.md)",
    list().transform(readTrustedProxies),
    { defaultText: 'unset: nobody', example: '10.20.0.0/24,fd00:20::/64' },
  ),
  proxyProtocol: setting(
    'ESPALIER_PROXY_PROTOCOL',
    '`required`: each connection of the data and admin listeners begins with a PROXY header, version 1 or 2, of a balancer of `ESPALIER_TRUSTED_PROXIES`, or is closed',
    choice('off', 'off', 'required'),
    { example: 'required' },
  ),
  processes: setting(
    'ESPALIER_PROCESSES',
    'processes of `serve` on this machine, which share its listeners; `auto`: 1 below 4 cores, else one less than the cores; 1 with the embedded database and in the demo (docs/processes.md)',
    z
      .string()
      .default('auto')
      .refine((given) => given === 'auto' || isWholeNumber(given, 1, maxProcesses), {
        ...isNot(`neither 'auto' nor a whole number from 1 to ${maxProcesses}`),
        abort: true,
      })
      .transform((given) => (given === 'auto' ? 'auto' : Number(given))),
    { example: '3' },
  ),
  fastLane: setting(
    'ESPALIER_FAST_LANE',
    "`on`: device calls are answered before Node's HTTP server, past its streams where that is known to be safe; `public`: never past its streams; `off`: every request takes the ordinary way (docs/forwarding.md)",
    choice('on', 'on', 'public', 'off'),
  ),
  tlsCertFile: setting(
    'ESPALIER_TLS_CERT_FILE',
    'certificate chain of the data and admin listeners, PEM; reloaded when it changes',
    text,
    { defaultText: 'self-signed, made in the data directory', example: '/etc/espalier/tls.crt' },
  ),
  tlsKeyFile: setting('ESPALIER_TLS_KEY_FILE', 'its key, PEM', text, {
    defaultText: 'self-signed, made in the data directory',
    example: '/etc/espalier/tls.key',
  }),
  tlsCertDir: setting(
    'ESPALIER_TLS_CERT_DIR',
    'directory with a folder for each further certificate, `fullchain.pem` and `privkey.pem` in it; presented to callers that ask for one of its names (docs/tls.md); reloaded when it changes',
    text,
    { defaultText: 'unset: one certificate for every name', example: '/etc/espalier/certificates' },
  ),
  acmeDirectory: setting(
    'ESPALIER_ACME_DIRECTORY',
    'directory of the authority that certificates come from by ACME; unset: none (docs/tls.md)',
    httpsUrl.optional(),
    { example: 'https://acme-v02.api.letsencrypt.org/directory' },
  ),
  acmeNames: setting(
    'ESPALIER_ACME_NAMES',
    'names that certificates are fetched for, each with one of its own; comma list',
    list().transform(readAcmeNames),
    { defaultText: 'unset', example: 'gateway.example.com' },
  ),
  acmeTerms: setting(
    'ESPALIER_ACME_TERMS',
    '`accepted`: you agree to the terms of service of that authority; without it nothing is fetched',
    z.enum(['accepted'], isNot('not accepted')).optional(),
    { defaultText: 'unset: not accepted', example: 'accepted' },
  ),
  acmeEmail: setting(
    'ESPALIER_ACME_EMAIL',
    'address that the authority may write to',
    z.email(isNot('no address of e-mail')).max(254).optional(),
    { defaultText: 'unset: none', example: 'operators@example.com' },
  ),
  acmeChallenge: setting(
    'ESPALIER_ACME_CHALLENGE',
    'how names are proved: `http-01` on port 80 of the name, or `tls-alpn-01` on port 443, which the data listener answers',
    choice('http-01', ...challengeKinds),
  ),
  acmeListen: setting(
    'ESPALIER_ACME_LISTEN',
    'where `http-01` is answered, and nothing else; the authority asks on port 80 of the name',
    listen('0.0.0.0:80'),
  ),
  clientCaFile: setting(
    'ESPALIER_CLIENT_CA_FILE',
    "CA of the instances' client certificates (mTLS), PEM",
    text,
    { example: '/etc/espalier/clients-ca.crt' },
  ),
  clientCertHeader: setting(
    'ESPALIER_CLIENT_CERT_HEADER',
    'header in which a balancer of `ESPALIER_TRUSTED_PROXIES` hands over the client certificate of an instance, as `client-cert`, `x-client-cert` or `x-forwarded-client-cert`; verified against `ESPALIER_CLIENT_CA_FILE`; the balancer has to overwrite it (docs/network.md)',
    text.transform(readCertificateHeaderName),
    { example: 'x-client-cert' },
  ),
  cloudsFile: setting('ESPALIER_CLOUDS_FILE', 'JSON that adds or overrides clouds', text, {
    example: '/etc/espalier/clouds.json',
  }),
  entraClientId: setting(
    'ESPALIER_ENTRA_CLIENT_ID',
    'the connector application; required to talk to Microsoft',
    guid.optional(),
    { example: '6fa3…-…', perCloud: true },
  ),
  entraCertFile: setting(
    'ESPALIER_ENTRA_CERT_FILE',
    'its certificate, PEM (preferred); `…_NEXT` for rotation',
    text,
    { example: '/etc/espalier/connector.crt', perCloud: true },
  ),
  entraKeyFile: setting('ESPALIER_ENTRA_KEY_FILE', "the certificate's key, PEM", text, {
    example: '/etc/espalier/connector.key',
    perCloud: true,
  }),
  entraClientSecret: setting(
    'ESPALIER_ENTRA_CLIENT_SECRET',
    'its secret, where there is no certificate; `…_NEXT` for rotation',
    text,
    { example: '…', perCloud: true, secret: true },
  ),
  userAppClientId: setting(
    'ESPALIER_USER_APP_CLIENT_ID',
    'the user-registration application, second consent',
    guid.optional(),
    { example: 'b1d2…-…', perCloud: true },
  ),
  diagnosticClientId: setting(
    'ESPALIER_DIAGNOSTIC_CLIENT_ID',
    'optional third application that may read what the fixed two must not',
    guid.optional(),
    { example: 'c0de…-…', perCloud: true },
  ),
  diagnosticCertFile: setting('ESPALIER_DIAGNOSTIC_CERT_FILE', 'its certificate, PEM', text, {
    example: '/etc/espalier/diagnostic.crt',
    perCloud: true,
  }),
  diagnosticKeyFile: setting('ESPALIER_DIAGNOSTIC_KEY_FILE', "the certificate's key, PEM", text, {
    example: '/etc/espalier/diagnostic.key',
    perCloud: true,
  }),
  diagnosticClientSecret: setting('ESPALIER_DIAGNOSTIC_CLIENT_SECRET', 'or its secret', text, {
    example: '…',
    perCloud: true,
    secret: true,
  }),
  audience: setting(
    'ESPALIER_AUDIENCE',
    '`aud` that calls from the Microsoft side must carry; comma list',
    list(),
    { defaultText: "the connector's client id", example: 'api://espalier,6fa3…-…' },
  ),
  secretsKey: setting(
    'ESPALIER_SECRETS_KEY',
    '32 bytes base64 that seal instance secrets; comma list, the first seals, all open',
    list().transform(readSecretsKeys),
    {
      defaultText: 'made in the data directory for the embedded database, else required',
      example: 'openssl rand -base64 32',
      secret: true,
    },
  ),
  secretsDir: setting(
    'ESPALIER_SECRETS_DIR',
    'the only directory that `secretRef: file:…` may read from; unset: no file',
    text,
    { example: '/run/secrets' },
  ),
  bootstrapKey: setting(
    'ESPALIER_BOOTSTRAP_KEY',
    'admin API key that works until the first admin key is made',
    z.string().min(16, 'is shorter than 16 characters').optional(),
    { example: 'esp_…', secret: true },
  ),
  approvals: setting(
    'ESPALIER_APPROVALS',
    '`on`: disconnects, moves and deletes of more than 100 devices wait for a second operator',
    choice('off', 'on', 'off'),
  ),
  massChange: setting(
    'ESPALIER_MASS_CHANGE',
    '`hold-unmanaged`: when too many Macs of a tenant change for the worse within an hour, those that would become unmanaged wait for a person; `hold-all`: also those that would become not compliant; `alert`: nothing waits, it is only told (docs/mass-changes.md)',
    choice('hold-unmanaged', ...massChangeModes),
  ),
  massChangePercent: setting(
    'ESPALIER_MASS_CHANGE_PERCENT',
    'share of the Macs of a tenant, in percent, above which that is too many; never fewer than 50 Macs',
    wholeNumber(30, 1, 100),
  ),
  operatorTenants: setting(
    'ESPALIER_OPERATOR_TENANTS',
    'Entra tenants whose users may sign in as operators',
    list().pipe(z.array(guid)),
    { defaultText: 'unset: nobody, only keys', example: '72f9…-…' },
  ),
  operatorCloud: setting(
    'ESPALIER_OPERATOR_CLOUD',
    'cloud in which these tenants are (docs/sign-in.md)',
    z.string().default('public'),
    { example: 'usgov' },
  ),
  operatorClientId: setting(
    'ESPALIER_OPERATOR_CLIENT_ID',
    'the application that operators sign in to',
    guid.optional(),
    { defaultText: "the connector's, with its credential", example: '0a17…-…', perCloud: true },
  ),
  operatorCertFile: setting(
    'ESPALIER_OPERATOR_CERT_FILE',
    'its certificate, PEM (preferred); `…_NEXT` for rotation',
    text,
    { example: '/etc/espalier/operators.crt', perCloud: true },
  ),
  operatorKeyFile: setting('ESPALIER_OPERATOR_KEY_FILE', "the certificate's key, PEM", text, {
    example: '/etc/espalier/operators.key',
    perCloud: true,
  }),
  operatorClientSecret: setting(
    'ESPALIER_OPERATOR_CLIENT_SECRET',
    'its secret, where there is no certificate; `…_NEXT` for rotation',
    text,
    { example: '…', perCloud: true, secret: true },
  ),
  operatorAudience: setting(
    'ESPALIER_OPERATOR_AUDIENCE',
    "`aud` that operators' tokens on the admin API must carry; comma list",
    list(),
    {
      defaultText: "the operators' application: its client id, and api:// before it",
      example: 'api://espalier-operators',
    },
  ),
  upstreamAllow: setting(
    'ESPALIER_UPSTREAM_ALLOW',
    'CIDRs and hosts that instance URLs may resolve to although private; comma list',
    list(),
    { defaultText: 'unset', example: '10.20.0.0/16,jamf.corp.example' },
  ),
  httpsProxy: setting(
    'HTTPS_PROXY',
    'the outgoing proxy for everything that leaves for Microsoft and instances, `http://user:password@host:port` or `https://…`; `https_proxy` counts first (docs/network.md)',
    text.transform(readProxy),
    { example: 'http://proxy.example.com:3128', secret: true, lowerCaseToo: true },
  ),
  noProxy: setting(
    'NO_PROXY',
    'hosts that are reached without it: names with what is below them, addresses, CIDRs, each with or without a port, or `*`; comma list; `no_proxy` counts first',
    z.string().default('').transform(parseNoProxy),
    { defaultText: 'unset', example: 'jamf.corp.example,10.0.0.0/8', lowerCaseToo: true },
  ),
  logLevel: setting(
    'ESPALIER_LOG_LEVEL',
    'least level that is written',
    choice('info', 'debug', 'info', 'warn', 'error'),
    { example: 'debug' },
  ),
  logFormat: setting(
    'ESPALIER_LOG_FORMAT',
    '`json`, or `pretty` for people',
    z.enum(['json', 'pretty'], isNot('none of json, pretty')).optional(),
    { defaultText: 'json (pretty on a terminal)', example: 'json' },
  ),
  migrate: setting(
    'ESPALIER_MIGRATE',
    '`auto`: pending migrations run at start under an advisory lock; `off`',
    choice('auto', 'auto', 'off'),
  ),
  pollSeconds: setting(
    'ESPALIER_POLL_SECONDS',
    'between two polls of an instance by report date; 0: none',
    number(900, 0, 86_400),
  ),
  checkInSeconds: setting(
    'ESPALIER_CHECK_IN_SECONDS',
    'a `ComputerCheckIn` within so long after the last read is folded into one read at the end of the period; 0: off',
    number(900, 0, 86_400),
  ),
  reconcileSeconds: setting(
    'ESPALIER_RECONCILE_SECONDS',
    'between two full reconciliations of an instance; 0: only when asked for',
    number(86_400, 0, 604_800),
  ),
  heartbeatSeconds: setting(
    'ESPALIER_HEARTBEAT_SECONDS',
    'between two heartbeats of a tenant',
    number(3_600, 1, 43_200),
  ),
  metricsNames: setting(
    'ESPALIER_METRICS_NAMES',
    '`on`: the metric `espalier_instance_info` carries the names of tenants and instances beside their ids, for whoever reads the ops listener',
    choice('off', 'on', 'off'),
    { example: 'on' },
  ),
  alertSeconds: setting(
    'ESPALIER_ALERT_SECONDS',
    'between two looks at what needs a person, for the targets of alerts',
    number(30, 1, 3_600),
  ),
  uploadMaxDevices: setting(
    'ESPALIER_UPLOAD_MAX_DEVICES',
    'devices in one upload, at most',
    number(1, 1, 50),
  ),
  uploadStatusSeconds: setting(
    'ESPALIER_UPLOAD_STATUS_SECONDS',
    "until the first look at an upload's status",
    number(5, 0.05, 3_600),
  ),
  verifySample: setting(
    'ESPALIER_VERIFY_SAMPLE',
    'share of completed uploads looked up in Entra',
    number(0.05, 0, 1),
  ),
  retryBaseSeconds: setting(
    'ESPALIER_RETRY_BASE_SECONDS',
    'first back-off of a failed try',
    number(2, 0.05, 3_600),
  ),
  retryMaxSeconds: setting('ESPALIER_RETRY_MAX_SECONDS', 'longest back-off', number(300, 1, 86_400)),
  holdRecheckSeconds: setting(
    'ESPALIER_HOLD_RECHECK_SECONDS',
    'between two looks at a held report',
    number(60, 1, 86_400),
  ),
  shards: setting(
    'ESPALIER_SHARDS',
    'on Workers: Durable Objects that deliver, each for its part of the tenants',
    number(4, 1, 64),
  ),
  jamfConcurrency: setting(
    'ESPALIER_JAMF_CONCURRENCY',
    'requests to one instance at a time',
    number(5, 1, 50),
  ),
  forwardTimeoutSeconds: setting(
    'ESPALIER_FORWARD_TIMEOUT_SECONDS',
    'wait for an instance when a call is forwarded',
    number(10, 0.1, 300),
  ),
  microsoftTimeoutSeconds: setting(
    'ESPALIER_MICROSOFT_TIMEOUT_SECONDS',
    'wait for a Microsoft service',
    number(30, 0.1, 300),
  ),
  routeHistoryDays: setting(
    'ESPALIER_ROUTE_HISTORY_DAYS',
    'how long the history of routes is kept, for explain, diff and rollback; 0: for ever',
    number(400, 0, 36_500),
  ),
  historyDays: setting(
    'ESPALIER_HISTORY_DAYS',
    'how long the history of what operators and the gateway do is kept; 0: for ever',
    number(730, 0, 36_500),
  ),
  goneDays: setting(
    'ESPALIER_GONE_DAYS',
    'how long reports, computers, links and directory rows of Macs are kept that are gone, and confirmed as such by Intune; at most 1 % of an instance ends in a day; 0: for ever',
    number(180, 0, 36_500),
  ),
  timelineDays: setting(
    'ESPALIER_TIMELINE_DAYS',
    'how long the timelines of devices are kept at least; they go a month at a time',
    number(90, 1, 360),
  ),
  routeCacheEntries: setting(
    'ESPALIER_ROUTE_CACHE_ENTRIES',
    'routes kept in memory',
    number(1_000_000, 0, 100_000_000),
  ),
  routePreload: setting(
    'ESPALIER_ROUTE_PRELOAD',
    '`auto`: all routes are read at start, in the background, where they fit into memory; `off`',
    choice('auto', 'auto', 'off'),
  ),
  jwksCooldownSeconds: setting(
    'ESPALIER_JWKS_COOLDOWN_SECONDS',
    'between refreshes of keys for an unknown kid, per issuer',
    number(300, 1, 86_400),
  ),
  ratePerInstance: setting(
    'ESPALIER_RATE_PER_INSTANCE',
    'requests per second from one instance, burst twice that',
    number(200, 1, 1_000_000),
  ),
  ratePerTenant: setting(
    'ESPALIER_RATE_PER_TENANT',
    'device calls per second for one tenant, burst twice that',
    number(1_000, 1, 1_000_000),
  ),
  passThrough: setting(
    'ESPALIER_PASS_THROUGH',
    'JSON list of `"GET /api/v1/…/{id}"` that may be forwarded as they are; `{id}` becomes the computer id (docs/forwarding.md)',
    z.string().default('[]').transform(readPassThrough),
    { defaultText: 'empty', example: '["GET /api/v1/computers-inventory/{id}"]' },
  ),
  partnerApiVersions: setting(
    'ESPALIER_PARTNER_API_VERSIONS',
    'JSON object, api-version per Intune partner resource',
    text,
    { defaultText: '1.6, DataUploadMessages 1.2', example: '{"DataUploadMessages":"1.2"}' },
  ),
  intuneVocabulary: setting(
    'ESPALIER_INTUNE_VOCABULARY',
    'JSON, words and entity types of conditional-access mode that the sources leave open',
    text,
    { defaultText: 'built in', example: '{"complianceEntityType":2,"sip":{"ENABLED":"ENABLED"}}' },
  ),
  intuneContent: setting(
    'ESPALIER_INTUNE_CONTENT',
    'form of `Content` in an upload: `array`, `string`, or by the api-version',
    choice('auto', 'auto', 'array', 'string'),
  ),
  expectedPermissions: setting(
    'ESPALIER_EXPECTED_PERMISSIONS',
    'JSON, the permissions that the applications must hold per mode, where they differ from the default',
    text,
    {
      defaultText: 'the fixed sets',
      example: '{"device-compliance":{"connector":{"application":["graph:Directory.Read.All"]}}}',
    },
  ),
  notificationResources: setting(
    'ESPALIER_NOTIFICATION_RESOURCES',
    "what of a tenant's directory Graph is asked to notify of, where the diagnostic application may: `groups`, `users`, `devices`; `none`",
    list(subscribable.join()).transform(readResources),
    { example: 'groups,users' },
  ),
  notificationMinutes: setting(
    'ESPALIER_NOTIFICATION_MINUTES',
    "lifetime that is asked for a Graph subscription, an hour below Graph's limit for clocks that differ; it is renewed before it ends",
    number(41_700, 45, 43_200),
  ),
  notificationGroupPath: setting(
    'ESPALIER_NOTIFICATION_GROUP_PATH',
    "what Graph is asked to watch for the tenant's group: that group, or all `groups`",
    choice('groups/{id}', ...groupPaths),
    { example: 'groups' },
  ),
  landingDeviceParams: setting(
    'ESPALIER_LANDING_DEVICE_PARAMS',
    'query names that may hold the device id on landing pages, compared without case',
    list('deviceId,device_id,aadDeviceId,mdmDeviceId'),
    { example: 'deviceId' },
  ),
  landingPaths: setting(
    'ESPALIER_LANDING_PATHS',
    "JSON, where an instance's own pages for registration and enrolment are, and what opens Self Service on a Mac",
    text,
    {
      defaultText: '/DeviceRegistration.html, /enroll, no link to Self Service',
      example: '{"enrolment":"/enroll","selfService":"jamfselfservice://"}',
    },
  ),
  snapshotMaxAgeSeconds: setting(
    'ESPALIER_SNAPSHOT_MAX_AGE_SECONDS',
    'how old what device calls and landing pages are answered from may be while the database is away',
    number(86_400, 60, 2_592_000),
  ),
} as const;

export type Settings = { readonly [K in keyof typeof settings]: z.output<(typeof settings)[K]['schema']> };
