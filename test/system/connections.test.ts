import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { type ConnectionBounds, callerAddress } from '../../src/runtime/node-connections.ts';
import { type Listener, nodeRequestFacts } from '../../src/runtime/node-http.ts';
import { createAuthority } from '../../src/simulator/authority.ts';
import { presenting } from '../harness/certificates.ts';
import { eventually } from '../harness/eventually.ts';
import { type LaneScene, parseAnswers, startLaneScene } from '../harness/lane-scene.ts';
import { testedSockets } from '../harness/sockets.ts';

test.each([
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2:ffff::', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('%s counts as %s', (address, counted) => {
  expect(callerAddress(address)).toBe(counted);
});

/** What callers can hold, and how long, without asking for anything (contract section 8). */
// Most of their time is that of the bounds, and each has a listener of its own.
describe.concurrent.each([
  ['with the lane', true, false],
  ['with the lane over TLS', true, true],
  ['without the lane', false, false],
  ['without the lane over TLS', false, true],
])('connections %s', (_, hasLane, isTls) => {
  let scene: LaneScene;
  let request: (id?: string) => string;
  let pair: { readonly cert: string; readonly key: string };
  const held: Socket[] = [];
  beforeAll(async () => {
    scene = await startLaneScene({
      addRoutes: (app) => {
        app.get('/large', (c) => c.body('x'.repeat(40_000_000)));
        app.post('/body', async (c) =>
          c.json({ bytes: (await nodeRequestFacts.readBody(c, 100)).byteLength }),
        );
      },
    });
    const device = await scene.device();
    const token = scene.token();
    request = (id = 'quick') =>
      `GET /t/${scene.tenantId}/devices/${device}/compliance HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nX-Request-Id: ${id}\r\n\r\n`;
    scene.answer = (socket, head) => {
      if (head.includes('never')) return;
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    };
    const issued = await (await createAuthority()).issue(['127.0.0.1']);
    pair = { cert: issued.certificatePem, key: issued.keyPem };
  });
  afterAll(async () => {
    for (const socket of held) socket.destroy();
    await scene?.close();
  });

  const open = (bounds: Partial<ConnectionBounds> = {}): Promise<Listener> =>
    scene.listen({
      callerIdleMs: 60_000,
      ...(hasLane ? { sockets: testedSockets } : {}),
      ...(isTls ? { certificates: presenting(pair) } : {}),
      connections: { inAll: 1_000, perAddress: 1_000, ...bounds },
    });
  const portOf = ({ origin }: Listener): number => Number(new URL(origin).port);

  interface Caller {
    readonly socket: Socket;
    text(): string;
    isClosed(): boolean;
    ask(id?: string): Promise<void>;
  }
  const watch = (socket: Socket): Caller => {
    held.push(socket);
    let text = '';
    let closed = false;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.on('close', () => {
      closed = true;
    });
    socket.on('end', () => {
      closed = true;
    });
    const caller: Caller = {
      socket,
      text: () => text,
      isClosed: () => closed,
      ask: async (id) => {
        const before = text.length;
        socket.write(request(id));
        await eventually(() => expect(parseAnswers(text.slice(before))).toMatchObject([{ status: 200 }]));
      },
    };
    return caller;
  };
  /** Without a handshake. */
  const bare = async (listener: Listener, from = '127.0.0.1'): Promise<Caller> => {
    const socket = connect({ port: portOf(listener), host: '127.0.0.1', localAddress: from, noDelay: true });
    await once(socket, 'connect');
    return watch(socket);
  };
  const ready = async (listener: Listener, from = '127.0.0.1'): Promise<Caller> => {
    const below = await bare(listener, from);
    if (!isTls) return below;
    below.socket.removeAllListeners('data');
    const socket = tlsConnect({ socket: below.socket, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return watch(socket);
  };
  /** The first bytes of a ClientHello, and of nothing else. */
  const halfHello = Buffer.from('1603010200010001fc0303', 'hex');
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  it.runIf(isTls)('that end or break before a first byte are closed, and leave nothing', async () => {
    const listener = await open();
    for (const leave of [
      (socket: Socket) => socket.end(),
      (socket: Socket) => socket.resetAndDestroy(),
      (socket: Socket) => socket.write(halfHello.subarray(0, 1), () => socket.resetAndDestroy()),
      (socket: Socket) => socket.end(halfHello),
    ]) {
      const { isClosed, socket } = await bare(listener);
      leave(socket);
      await eventually(() => expect(isClosed()).toBe(true));
    }
    await (await ready(listener)).ask();
  });

  it.runIf(isTls)('may send the first bytes of a handshake one by one', async () => {
    const listener = await open();
    const below = await bare(listener);
    below.socket.removeAllListeners('data');
    let sent = 0;
    const oneByOne = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        const split = sent < 40 ? Math.min(40 - sent, chunk.length) : 0;
        sent += split;
        for (const byte of chunk.subarray(0, split)) below.socket.write(Buffer.of(byte));
        if (split === chunk.length) done();
        else below.socket.write(chunk.subarray(split), () => done());
      },
    });
    below.socket.on('data', (chunk: Buffer) => oneByOne.push(chunk));
    const socket = tlsConnect({ socket: oneByOne, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    await watch(socket).ask();
  });

  it('that bring no request are closed, whatever they do instead', async () => {
    const listener = await open({ headMs: 1_500 });
    const silent = await bare(listener);
    const half = await bare(listener);
    half.socket.write(isTls ? halfHello : 'GET / HT');
    const shaken = await ready(listener);
    const drip = await ready(listener);
    const bytes = request();
    let at = 0;
    const dripping = setInterval(() => {
      if (!drip.socket.destroyed) drip.socket.write(bytes[at] ?? '');
      at += 1;
    }, 50);
    const garbage = await bare(listener);
    garbage.socket.write(isTls ? 'GET / HTTP/1.1\r\n\r\n' : '\x16\x03\x01');
    const user = await ready(listener);
    await user.ask();
    await pause(700);
    expect([silent, half, shaken, drip].map((one) => one.isClosed())).toEqual([false, false, false, false]);
    await eventually(() =>
      expect([silent, half, shaken, drip, garbage].map((one) => one.isClosed())).toEqual(
        Array.from({ length: 5 }, () => true),
      ),
    );
    clearInterval(dripping);
    // Who has a connection that HTTP can be spoken on is told why.
    expect(parseAnswers(shaken.text())).toMatchObject([{ status: 408, headers: { connection: 'close' } }]);
    expect(half.text() === '' || !isTls).toBe(true);
    await user.ask();
    expect(user.isClosed()).toBe(false);
  });

  it('of one address are bounded, and go in their order', async () => {
    const listener = await open({ perAddress: 4 });
    const busy = await ready(listener);
    busy.socket.write(request('never'));
    const idle = await ready(listener);
    await idle.ask();
    const unused = [await bare(listener), await bare(listener)];
    const other = await ready(listener, '127.0.0.2');
    await other.ask();
    const crowd: Caller[] = [];
    for (let count = 0; count < 10; count += 1) crowd.push(await bare(listener));
    await eventually(() => expect(unused.map((one) => one.isClosed())).toEqual([true, true]));
    // Those that brought a request stay before those that did not.
    await idle.ask();
    const late = await ready(listener);
    await late.ask();
    const last = await ready(listener);
    await last.ask();
    expect([busy, other].map((one) => one.isClosed())).toEqual([false, false]);
    await eventually(() => expect(crowd.every((one) => one.isClosed())).toBe(true));
    const [next] = [await ready(listener)];
    await next?.ask();
    // The one that was idle for longest.
    await eventually(() => expect(idle.isClosed()).toBe(true));
    await other.ask();
    expect(busy.isClosed()).toBe(false);
  });

  it('in all are bounded: room is made by the address with most', async () => {
    const told: unknown[] = [];
    const listener = await open({ inAll: 8, onFull: (what) => told.push(what) });
    const one = await ready(listener, '127.0.0.3');
    await one.ask();
    const many: Caller[] = [];
    for (let count = 0; count < 6; count += 1) {
      const made = await ready(listener, '127.0.0.2');
      await made.ask();
      many.push(made);
    }
    const unused = await bare(listener, '127.0.0.4');
    const next = await ready(listener, '127.0.0.5');
    await next.ask();
    await eventually(() => expect(unused.isClosed()).toBe(true));
    const more = await ready(listener, '127.0.0.6');
    await more.ask();
    await eventually(() => expect(many[0]?.isClosed()).toBe(true));
    await one.ask();
    expect(told).toMatchObject([{ address: '127.0.0.5', refused: false, open: 8 }]);
  });

  it('with requests under way are never closed for another, which is refused', async () => {
    const listener = await open({ inAll: 3 });
    const busy = [await ready(listener), await ready(listener), await ready(listener)];
    for (const { socket } of busy) socket.write(request('never'));
    await pause(100);
    const refused = await bare(listener, '127.0.0.2');
    await eventually(() => expect(refused.isClosed()).toBe(true));
    expect(busy.map((one) => one.isClosed())).toEqual([false, false, false]);
    busy[0]?.socket.destroy();
    await pause(100);
    await (await ready(listener, '127.0.0.2')).ask();
  });

  it('of shared addresses are bounded in all only', async () => {
    const listener = await open({ perAddress: 2, isShared: (address) => address === '127.0.0.9' });
    const behind: Caller[] = [];
    for (let count = 0; count < 5; count += 1) behind.push(await ready(listener, '127.0.0.9'));
    for (const one of behind) await one.ask();
    expect(behind.some((one) => one.isClosed())).toBe(false);
  });

  it('whose caller takes nothing of its answer are closed', async () => {
    const listener = await open({ stalledMs: 1_500 });
    const slow = await ready(listener);
    slow.socket.pause();
    slow.socket.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
    await pause(4_500);
    slow.socket.resume();
    await eventually(() => expect(slow.isClosed()).toBe(true), 40_000);
    expect(slow.text().length).toBeLessThan(40_000_000);
    // One that takes it is given all of it, and the connection serves on.
    const quick = await ready(listener);
    quick.socket.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => expect(quick.text().length).toBeGreaterThan(40_000_000), 40_000);
    await quick.ask();
  });

  // Its time is that of Node's server, which tests cannot shorten: once with the lane and once without.
  it.runIf(hasLane === isTls)(
    'that never finish a later head or a body are closed as told',
    { timeout: 30_000 },
    async () => {
      const listener = await open();
      const [head, body] = [await ready(listener), await ready(listener)];
      for (const one of [head, body]) await one.ask();
      head.socket.write('GET /half HTTP/1.1\r\nHo');
      body.socket.write('POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf');
      const from = performance.now();
      while (!(head.isClosed() && body.isClosed()) && performance.now() - from < 20_000) await pause(50);
      expect([head.isClosed(), body.isClosed()]).toEqual([true, true]);
      expect(performance.now() - from).toBeGreaterThan(9_000);
      const close = { connection: 'close' };
      expect(parseAnswers(head.text())).toMatchObject([{ status: 200 }, { status: 408, headers: close }]);
      expect(parseAnswers(body.text())).toMatchObject([
        { status: 200 },
        { status: 400, headers: close, body: expect.stringContaining('BODY_TIMEOUT') },
      ]);
    },
  );

  it('without a request do not hold the end of the listener', async () => {
    const listener = await open();
    const silent = await bare(listener);
    const half = await bare(listener);
    half.socket.write(isTls ? halfHello : 'GET / HT');
    const idle = await ready(listener);
    await idle.ask();
    const from = performance.now();
    await listener.drain(30_000);
    expect(performance.now() - from).toBeLessThan(5_000);
    await eventually(() =>
      expect([silent, half, idle].map((one) => one.isClosed())).toEqual([true, true, true]),
    );
  });
});
