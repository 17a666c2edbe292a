import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTrustedProxies, parseProxyRange } from '../../src/runtime/balancer/trusted-proxies.ts';
import { factsBehindBalancers } from '../../src/runtime/node-balancer.ts';
import type { ConnectionBounds } from '../../src/runtime/node-connections.ts';
import type { Listener } from '../../src/runtime/node-http.ts';
import { createPreface } from '../../src/runtime/node-proxy-protocol.ts';
import { createAuthority } from '../../src/simulator/authority.ts';
import { presenting } from '../harness/certificates.ts';
import { eventually } from '../harness/eventually.ts';
import { type LaneScene, parseAnswers, startLaneScene } from '../harness/lane-scene.ts';
import { v2Header, v4Addresses } from '../harness/proxy-header.ts';
import { testedSockets } from '../harness/sockets.ts';

/** Connections that begin with a PROXY header (ESPALIER_PROXY_PROTOCOL), before TLS and before the lane. */
describe.concurrent.each([
  ['with the lane', true, false],
  ['with the lane over TLS', true, true],
  ['without the lane', false, false],
  ['without the lane over TLS', false, true],
])('PROXY headers %s', (_, hasLane, isTls) => {
  // The balancers: one, and one behind it.
  const ranges = ['127.0.0.8', '10.9.9.9'].map(parseProxyRange).filter((range) => range !== undefined);
  const trusted = createTrustedProxies(ranges);
  let scene: LaneScene;
  let pair: { readonly cert: string; readonly key: string };
  let callBytes: string;
  const held: Socket[] = [];
  beforeAll(async () => {
    scene = await startLaneScene({
      addRoutes: (app) => {
        const { remoteAddress } = factsBehindBalancers({
          trusted,
          log: { warn: () => undefined },
          metrics: { clientCertificateRefused: () => undefined },
        });
        app.get('/caller', (c) => c.json(remoteAddress(c) ?? null));
      },
    });
    scene.answer = (socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    callBytes = `GET /t/${scene.tenantId}/devices/${await scene.device()}/compliance HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${scene.token()}\r\n\r\n`;
    const issued = await (await createAuthority()).issue(['127.0.0.1']);
    pair = { cert: issued.certificatePem, key: issued.keyPem };
  });
  afterAll(async () => {
    for (const socket of held) socket.destroy();
    await scene?.close();
  });

  const open = async (bounds: Partial<ConnectionBounds> = {}) => {
    const refused: string[] = [];
    const logged: unknown[] = [];
    const listener = await scene.listen({
      callerIdleMs: 60_000,
      ...(hasLane ? { sockets: testedSockets } : {}),
      ...(isTls ? { certificates: presenting(pair) } : {}),
      connections: {
        ...{ inAll: 1_000, perAddress: 1_000, isShared: trusted.has, ...bounds },
        preface: createPreface({
          ...{ listener: 'data', trusted },
          log: { warn: (event, fields) => logged.push({ event, ...fields }) },
          metrics: { proxyProtocolRefused: (_listener, reason) => refused.push(reason) },
        }),
      },
    });
    return { listener, refused, logged };
  };

  const dial = async ({ origin }: Listener, from = '127.0.0.8'): Promise<Socket> => {
    const port = Number(new URL(origin).port);
    const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true });
    held.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  const watch = (socket: Socket) => {
    let text = '';
    let closed = false;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        closed = true;
      });
    return { socket, text: () => text, isClosed: () => closed };
  };
  /** A connection after its header, with TLS where the listener has it. */
  const relayed = async (listener: Listener, header: Buffer) => {
    const raw = await dial(listener);
    raw.write(header);
    if (!isTls) return watch(raw);
    const socket = tlsConnect({ socket: raw, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return watch(socket);
  };
  const v1 = (source: string): Buffer => Buffer.from(`PROXY TCP4 ${source} 10.0.0.9 51234 443\r\n`);
  const v2 = (source: string): Buffer => v2Header({ addresses: v4Addresses(source) });
  const askCaller = async (caller: ReturnType<typeof watch>, headers = ''): Promise<unknown> => {
    const before = caller.text().length;
    caller.socket.write(`GET /caller HTTP/1.1\r\nHost: a\r\n${headers}\r\n`);
    await eventually(() =>
      expect(parseAnswers(caller.text().slice(before))).toMatchObject([{ status: 200 }]),
    );
    const [answer] = parseAnswers(caller.text().slice(before));
    return JSON.parse((answer as { body: string }).body);
  };

  it.each<[string, Buffer, string]>([
    ['version 1', v1('203.0.113.7'), '203.0.113.7'],
    ['version 2', v2('203.0.113.7'), '203.0.113.7'],
    ['no known caller', Buffer.from('PROXY UNKNOWN\r\n'), '127.0.0.8'],
    ['the balancer itself', v2Header({ command: 0x20, family: 0, addresses: Buffer.alloc(0) }), '127.0.0.8'],
  ])('name the caller: %s', async (_name, header, expected) => {
    const { listener, refused } = await open();
    const caller = await relayed(listener, header);
    expect(await askCaller(caller)).toBe(expected);
    // The bytes are the caller's: so is whatever they say of it.
    expect(await askCaller(caller, 'X-Forwarded-For: 6.6.6.6\r\n')).toBe(expected);
    caller.socket.write(callBytes);
    await eventually(() =>
      expect(parseAnswers(caller.text()).at(-1)).toMatchObject({ status: 200, body: '{}' }),
    );
    expect(refused).toEqual([]);
  });

  it('of a balancer before the balancer let it name its caller', async () => {
    const { listener } = await open();
    const caller = await relayed(listener, v2('10.9.9.9'));
    expect(await askCaller(caller, 'X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n')).toBe('203.0.113.7');
  });

  it('may come in one piece with what follows, or byte by byte', { timeout: 20_000 }, async () => {
    const { listener, refused } = await open();
    const before = scene.taken();
    for (const header of [v1('203.0.113.7'), v2('203.0.113.7')]) {
      const dripped = await dial(listener);
      for (const byte of header) {
        dripped.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      const whole = await dial(listener);
      if (!isTls) {
        const [first, second] = [watch(dripped), watch(whole)];
        dripped.write(callBytes);
        whole.write(Buffer.concat([header, Buffer.from(callBytes)]));
        for (const one of [first, second])
          await eventually(() =>
            expect(parseAnswers(one.text())).toMatchObject([{ status: 200, body: '{}' }]),
          );
        continue;
      }
      // The first flight of TLS leaves together with the header.
      whole.cork();
      whole.write(header);
      const secured = [dripped, whole].map((socket) => tlsConnect({ socket, rejectUnauthorized: false }));
      process.nextTick(() => whole.uncork());
      for (const socket of secured) {
        const caller = watch(socket);
        caller.socket.write(callBytes);
        await eventually(() =>
          expect(parseAnswers(caller.text())).toMatchObject([{ status: 200, body: '{}' }]),
        );
      }
    }
    expect(refused).toEqual([]);
    expect(scene.taken() - before).toBe(0);
  });

  it('that are missing, wrong, or a stranger’s close without a word', { timeout: 20_000 }, async () => {
    const { listener, logged, refused } = await open({ headMs: 1_000 });
    const refusedFor = async (bytes: Buffer | undefined, reason: string, from?: string): Promise<void> => {
      const count = refused.length;
      const caller = watch(await dial(listener, from));
      if (bytes) caller.socket.write(bytes);
      await eventually(() => expect([caller.isClosed(), caller.text()]).toEqual([true, '']));
      await eventually(() => expect(refused.slice(count)).toEqual([reason]));
    };
    await refusedFor(Buffer.from(callBytes), 'missing');
    await refusedFor(Buffer.from('1603010200010001fc0303', 'hex'), 'missing');
    await refusedFor(Buffer.from('PROXY TCP4 203.0.113.7 10.0.0.9 1\r\n'), 'malformed');
    await refusedFor(v2Header({ length: 521 }), 'oversized');
    await refusedFor(v1('203.0.113.7'), 'untrusted', '127.0.0.1');
    // Within the time of the handshake.
    await refusedFor(Buffer.from('PROXY TCP4 '), 'unfinished');
    await refusedFor(undefined, 'unfinished');
    expect(logged).toEqual([
      { event: 'proxy-protocol.refused', listener: 'data', address: '127.0.0.8', reason: 'missing' },
    ]);
    // A balancer that only looks whether the port is open is no refusal.
    const count = refused.length;
    const probe = watch(await dial(listener));
    probe.socket.end();
    await eventually(() => expect(probe.isClosed()).toBe(true));
    expect(refused).toHaveLength(count);
  });

  it('make the bound of an address the caller’s', { timeout: 20_000 }, async () => {
    const { listener } = await open({ perAddress: 2 });
    const crowd: ReturnType<typeof watch>[] = [];
    const other = await relayed(listener, v2('203.0.113.8'));
    expect(await askCaller(other)).toBe('203.0.113.8');
    for (let count = 0; count < 4; count += 1) {
      const one = await relayed(listener, v2('203.0.113.7'));
      expect(await askCaller(one)).toBe('203.0.113.7');
      crowd.push(one);
    }
    await eventually(() => expect(crowd.map((one) => one.isClosed())).toEqual([true, true, false, false]));
    const own = [];
    for (let count = 0; count < 5; count += 1)
      own.push(await relayed(listener, Buffer.from('PROXY UNKNOWN\r\n')));
    for (const one of own) await askCaller(one);
    expect([other, ...own].some((one) => one.isClosed())).toBe(false);
  });

  it('that are awaited do not hold the end of the listener', async () => {
    const { listener } = await open();
    const silent = watch(await dial(listener));
    const ended = listener.drain(30_000).then(() => true);
    await eventually(() => expect(silent.isClosed()).toBe(true));
    expect(await ended).toBe(true);
  });
});
