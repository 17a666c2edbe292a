import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConnectProxy,
  type ConnectProxyOptions,
  startConnectProxy,
} from '../../test/harness/connect-proxy.ts';
import { eventually } from '../../test/harness/eventually.ts';
import { type Authority, createAuthority } from '../simulator/authority.ts';
import { createAddressPolicy, parseAllowEntry } from './addresses.ts';
import { createNodeSend } from './node.ts';
import { createNodeUpstream } from './node-upstream.ts';
import type { OutboundRequest } from './port.ts';
import { createOutgoingProxies, parseNoProxy, parseProxyUrl } from './proxies.ts';
import type { UpstreamTarget } from './upstream.ts';

/** What leaves goes through the outgoing proxy, with TLS end to end and the address rule kept before it. */
describe('the outgoing proxy', () => {
  let authority: Authority;
  let origin: number;
  const heads: string[] = [];
  const ends: (() => unknown)[] = [];
  let close: () => void;
  beforeAll(async () => {
    authority = await createAuthority();
    const { certificatePem, keyPem } = await authority.issue(['localhost', 'instance.test', '127.0.0.1']);
    const server = createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
      heads.push(`${request.method} ${request.headers.host}`);
      response.end('{"ok":true}');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    origin = (server.address() as AddressInfo).port;
    close = () => {
      server.closeAllConnections();
      server.close();
    };
  });
  afterAll(() => close());
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  const start = async ({
    allow = ['127.0.0.0/8'],
    noProxy = '',
    scheme = 'http',
    shown = '',
    ...options
  }: ConnectProxyOptions & {
    readonly allow?: readonly string[];
    readonly noProxy?: string;
    readonly scheme?: string;
    /** User and password as the gateway gives them. */
    readonly shown?: string;
  } = {}) => {
    const proxy = await startConnectProxy(options);
    ends.push(proxy.close);
    const upstreamAllow = allow.map(parseAllowEntry).filter((entry) => entry !== undefined);
    const policy = createAddressPolicy(upstreamAllow);
    const proxies = createOutgoingProxies({
      httpsProxy: parseProxyUrl(`${scheme}://${shown}localhost:${proxy.port}`),
      noProxy: parseNoProxy(noProxy),
      upstreamAllow,
    });
    const sender = createNodeSend(policy, proxies);
    const upstream = createNodeUpstream({ policy, proxies, timeoutMs: 2_000, sweepMs: 10, connectMs: 500 });
    ends.push(sender.close, upstream.close);
    return { proxy, send: sender.send, upstream: upstream.upstream };
  };
  type Started = Awaited<ReturnType<typeof start>>;
  const targets = new Map<string, UpstreamTarget>();
  /** The same object for a host, as an instance has it: it names the pool. */
  const targetOf = (host: string): UpstreamTarget => {
    const made = {
      origin: `https://${host}:${origin}`,
      basePath: '',
      caCertificate: authority.certificatePem,
    };
    const target = targets.get(host) ?? made;
    targets.set(host, target);
    return target;
  };

  const ask = async ({ send }: Started, host: string, more: Partial<OutboundRequest> = {}) => {
    const answer = await send({
      method: 'GET',
      url: `https://${host}:${origin}/`,
      timeoutMs: 2_000,
      addresses: 'checked',
      caCertificate: authority.certificatePem,
      ...more,
    });
    return answer.ok ? await answer.text(100) : `${answer.failure}: ${answer.detail}`;
  };
  const forward = ({ upstream }: Started, host: string): Promise<string> =>
    new Promise((resolve) => {
      let body = '';
      upstream(
        {
          target: targetOf(host),
          ...{ method: 'GET', path: '/', headerLines: '', body: undefined },
        },
        {
          head: () => undefined,
          data: (chunk) => {
            body += Buffer.from(chunk).toString();
            return true;
          },
          end: () => resolve(body),
          fail: ({ detail, kind }) => resolve(`${kind}: ${detail}`),
        },
      );
    });
  const both = (started: Started, host: string): Promise<string[]> =>
    Promise.all([ask(started, host), forward(started, host)]);
  const served = '{"ok":true}';

  it('is asked for the address that was checked, and TLS goes through it', async () => {
    const started = await start();
    expect(await both(started, 'localhost')).toEqual([served, served]);
    expect(await both(started, '127.0.0.1')).toEqual([served, served]);
    expect(new Set(started.proxy.asked)).toEqual(new Set([`127.0.0.1:${origin}`]));
    expect(started.proxy.faults).toEqual([]);
    expect(heads).toContain(`GET localhost:${origin}`);
  });

  it('resolves the names that the operator vouches for', async () => {
    const started = await start({ allow: ['instance.test'] });
    started.proxy.decide = () => ({ host: '127.0.0.1', port: origin });
    expect(await both(started, 'instance.test')).toEqual([served, served]);
    expect(new Set(started.proxy.asked)).toEqual(new Set([`instance.test:${origin}`]));
  });

  it('resolves the names of the clouds, which are the operator’s own', async () => {
    const started = await start({ allow: [] });
    started.proxy.decide = () => ({ host: '127.0.0.1', port: origin });
    // Our own trust does not hold the authority of this test: the tunnel is what counts.
    const refused = /unreachable: (UNABLE_TO|SELF_SIGNED)/;
    expect(
      await ask(started, 'login.cloud.test', { addresses: 'configured', caCertificate: undefined } as never),
    ).toMatch(refused);
    expect(
      await ask(started, 'intune.cloud.test', { sharedHost: true, caCertificate: undefined } as never),
    ).toMatch(refused);
    expect(started.proxy.asked).toEqual([`login.cloud.test:${origin}`, `intune.cloud.test:${origin}`]);
    // One that is known here to be private is refused all the same.
    expect(await ask(started, 'localhost', { sharedHost: true, caCertificate: undefined } as never)).toMatch(
      /^refused-address/,
    );
  });

  it('hears nothing of a target that is refused', async () => {
    const started = await start({ allow: [] });
    for (const host of ['localhost', '127.0.0.1', '[::1]', '169.254.169.254', '[::ffff:10.0.0.1]'])
      for (const answer of await both(started, host)) expect(answer).toMatch(/^refused-address/);
    expect([started.proxy.asked, started.proxy.faults]).toEqual([[], []]);
  });

  it('is not asked for hosts that are exempt', async () => {
    const started = await start({ noProxy: `localhost:${origin}` });
    expect(await both(started, 'localhost')).toEqual([served, served]);
    expect(started.proxy.asked).toEqual([]);
    expect(await both(started, '127.0.0.1')).toEqual([served, served]);
    expect(started.proxy.asked).toHaveLength(2);
  });

  it('is shown user and password, which no failure repeats', async () => {
    const good = await start({ credentials: 'user:p@ss', shown: 'user:p%40ss@' });
    expect(await both(good, 'localhost')).toEqual([served, served]);
    const wrong = await start({ credentials: 'user:p@ss', shown: 'user:secret-word@' });
    for (const answer of await both(wrong, 'localhost')) {
      expect(answer).toContain('PROXY_407: the outgoing proxy refused the connection (HTTP 407)');
      expect(answer).not.toMatch(/secret-word|user/);
    }
  });

  it('may speak TLS itself', async () => {
    const { certificatePem: cert, keyPem: key } = await authority.issue(['localhost']);
    const started = await start({ tls: { cert, key }, scheme: 'https' });
    // Its certificate is of an authority that nobody here trusts, and it is told nothing.
    for (const answer of await both(started, 'localhost'))
      expect(answer).toMatch(/UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET/);
    expect(started.proxy.asked).toEqual([]);
  });

  it('does not take away from the verification of the host', async () => {
    const started = await start({ allow: ['other.test'] });
    started.proxy.decide = () => ({ host: '127.0.0.1', port: origin });
    for (const answer of await both(started, 'other.test'))
      expect(answer).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  it.each<[string, ConnectProxy['decide'], RegExp]>([
    ['refuses', () => 403, /PROXY_403/],
    ['cannot reach it', () => 502, /PROXY_502/],
    ['leads nowhere', () => ({ host: '127.0.0.1', port: 1 }), /PROXY_CLOSED/],
    ['is silent', () => 'silence', /PROXY_TIMEOUT|connect-timeout/],
  ])('that %s ends a call and leaves no connection', { timeout: 20_000 }, async (_, decide, expected) => {
    const started = await start();
    started.proxy.decide = decide;
    expect(await forward(started, 'localhost')).toMatch(expected);
    if (expected.source.includes('TIMEOUT')) return;
    expect(await ask(started, 'localhost')).toMatch(expected);
    await eventually(() => expect(started.proxy.open()).toBe(0));
  });

  it('keeps a connection for the next call', async () => {
    const started = await start();
    for (let call = 0; call < 3; call += 1) expect(await forward(started, 'localhost')).toBe(served);
    expect(started.proxy.asked).toHaveLength(1);
  });

  it('is let go by a call that is aborted meanwhile', async () => {
    const started = await start();
    started.proxy.decide = () => 'silence';
    const exchange = started.upstream(
      {
        target: targetOf('localhost'),
        ...{ method: 'GET', path: '/', headerLines: '', body: undefined },
      },
      { head: () => undefined, data: () => true, end: () => undefined, fail: () => undefined },
    );
    await eventually(() => expect(started.proxy.asked).toHaveLength(1));
    exchange.abort();
    await eventually(() => expect(started.proxy.open()).toBe(0));
  });
});
