import type { Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PressureLevel } from '../../src/gateway/pressure.ts';
import { eventually } from '../harness/eventually.ts';
import { type LaneScene, openCaller, parseAnswers, startLaneScene } from '../harness/lane-scene.ts';

/** The fast lane gives the answers of the ordinary way, and what it does not take gets there whole (docs/forwarding.md). */
describe('the fast lane', () => {
  let scene: LaneScene;
  let device: string;
  beforeAll(async () => {
    scene = await startLaneScene();
    device = await scene.device();
  });
  afterAll(() => scene?.close());
  const json = (body: string, status = '200 OK', more = ''): string =>
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;
  beforeEach(() => {
    scene.answer = (socket) => socket.write(json('{"ok":true}'));
  });

  interface Parts {
    readonly method?: string;
    readonly path?: string;
    readonly call?: string;
    readonly tenantId?: string;
    readonly deviceId?: string;
    readonly token?: string;
    readonly more?: readonly string[];
  }
  const raw = (parts: Parts = {}): string => {
    const {
      call = 'compliance',
      deviceId = device,
      method = 'GET',
      more = [],
      tenantId = scene.tenantId,
    } = parts;
    const path = parts.path ?? `/t/${tenantId}/devices/${deviceId}/${call}`;
    return [
      `${method} ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      `Authorization: Bearer ${parts.token ?? scene.token()}`,
      'X-Request-Id: the-request',
      ...more,
      '\r\n',
    ].join('\r\n');
  };

  /** Everything that comes until nothing more does, the date left out. */
  const exchange = async (port: number, bytes: string, quietMs = 250) => {
    const caller = await openCaller(port);
    caller.socket.write(bytes, 'latin1');
    const patienceMs = () => (caller.text() === '' ? 5_000 : quietMs);
    for (let [seen, at] = [-1, Date.now()]; !caller.isClosed() && Date.now() - at < patienceMs(); ) {
      if (caller.text().length !== seen) [seen, at] = [caller.text().length, Date.now()];
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const closed = caller.isClosed();
    caller.socket.destroy();
    return {
      closed,
      answers: caller.answers().map((one) => {
        if (!('headers' in one)) return one;
        const { date, ...headers } = one.headers;
        return { ...one, headers, dated: date !== undefined };
      }),
    };
  };

  const otherTenant = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
  const html = 'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<a/>';
  const chunked =
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: "1"\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n';
  type Case = [
    name: string,
    byLane: boolean,
    bytes: () => string,
    answer?: (socket: Socket, head: string) => void,
  ];
  it.each<Case>([
    ['a call', true, () => raw()],
    [
      'inventory',
      false,
      () => raw({ call: 'inventory', more: ['Cookie: a=b'] }),
      (socket) => socket.write(json('{"totalCount":0,"results":[]}')),
    ],
    [
      'inventory by the lane',
      true,
      () => raw({ call: 'inventory' }),
      (socket) => socket.write(json('{"totalCount":0,"results":[]}')),
    ],
    ['recalculate', true, () => raw({ method: 'POST', call: 'recalculate', more: ['Content-Length: 0'] })],
    [
      'recalculate with a body',
      false,
      () => `${raw({ method: 'POST', call: 'recalculate', more: ['Content-Length: 2'] })}{}`,
    ],
    [
      'headers that cross',
      true,
      () => raw({ more: ['Accept: application/xml', 'Accept-Language: fr', 'tracestate: a=b'] }),
    ],
    ['no answer body', true, () => raw(), (socket) => socket.write('HTTP/1.1 204 No Content\r\n\r\n')],
    ['an answer in chunks', true, () => raw(), (socket) => socket.write(chunked)],
    [
      'an error of the instance',
      true,
      () => raw(),
      (socket) =>
        socket.write(json('{"httpStatus":404}', '404 Not Found', 'Retry-After: 3\r\nSet-Cookie: a=b\r\n')),
    ],
    ['HTML', true, () => raw(), (socket) => socket.write(html)],
    ['an answer that is no HTTP', true, () => raw(), (socket) => socket.write('hello\r\n\r\n')],
    ['a refused token', false, () => raw(), (socket) => socket.write(json('{}', '401 Unauthorized'))],
    ['a missing privilege', true, () => raw(), (socket) => socket.write(json('{}', '403 Forbidden'))],
    ['a broken connection', true, () => raw(), (socket) => socket.destroy()],
    [
      'half an answer',
      true,
      () => raw(),
      (socket) =>
        socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"a":'),
    ],
    ['a forged token', true, () => raw({ token: `${scene.token()}x` })],
    ['a token of another tenant', true, () => raw({ tenantId: otherTenant })],
    ['a token without the role', true, () => raw({ token: scene.token({ roles: [] }) })],
    ['an expired token', true, () => raw({ token: scene.token({ exp: 1 }) })],
    ['a device that nobody has', true, () => raw({ deviceId: otherTenant })],
    ['no token', true, () => raw().replace(/Authorization: [^\r]*\r\n/, '')],
    [
      'no token, and a method of another call',
      false,
      () => raw({ method: 'POST' }).replace(/Authorization: [^\r]*\r\n/, ''),
    ],
    ['a password', true, () => raw().replace('Bearer ', 'Basic ')],
    ['a scheme without a token', true, () => raw().replace(/Bearer [^\r]*/, 'Bearer')],
    ['an empty token', false, () => raw().replace(/Bearer [^\r]*/, 'Bearer ')],
    ['a scheme in lower case', false, () => raw().replace('Bearer ', 'bearer ')],
    ['a token with a comma', false, () => raw({ token: 'a,b' })],
    ['two tokens', false, () => raw({ more: ['Authorization: Bearer x'] })],
    ['two hosts', false, () => raw({ more: ['Host: b'] })],
    ['capitals in the path', false, () => raw({ deviceId: device.toUpperCase() })],
    ['a query', false, () => raw({ path: `/t/${scene.tenantId}/devices/${device}/compliance?a=1` })],
    ['HEAD', false, () => raw({ method: 'HEAD' })],
    ['DELETE', false, () => raw({ method: 'DELETE' })],
    ['another path', false, () => raw({ path: '/nothing' })],
    ['a close', false, () => raw({ more: ['Connection: close'] })],
    ['a space before a colon', false, () => raw({ more: ['Accept : a'] })],
    ['a zero byte', false, () => raw({ more: ['Accept: a\0'] })],
    ['a lone line feed', false, () => raw({ more: ['Accept: a\nX: b'] })],
    ['a folded line', false, () => raw({ more: ['Accept: a', ' b'] })],
    [
      'length and chunks',
      false,
      () =>
        raw({
          method: 'POST',
          call: 'recalculate',
          more: ['Content-Length: 0', 'Transfer-Encoding: chunked'],
        }),
    ],
    ['no HTTP', false, () => 'hello\r\n\r\n'],
    ['a head over the limit', false, () => raw({ more: [`Accept: ${'a'.repeat(20_000)}`] })],
    ['two requests at once', false, () => raw() + raw({ deviceId: otherTenant })],
  ])('%s: the same answer with and without it', async (_name, byLane, bytes, answer) => {
    // What the circuit and the caches know is the same for both, for each is asked in its turn.
    scene.answer = answer ?? scene.answer;
    const sent = bytes();
    const [before, at] = [scene.taken(), scene.counted.length];
    const withLane = await exchange(scene.lane, sent);
    const taken = scene.taken() - before;
    const countedByLane = scene.counted.slice(at);
    const without = await exchange(scene.plain, sent);
    expect(withLane).toEqual(without);
    expect(withLane.answers.length).toBeGreaterThan(0);
    expect(taken > 0).toBe(byLane);
    // Node serves two requests of one connection at the same time.
    expect(countedByLane.sort()).toEqual(scene.counted.slice(at + countedByLane.length).sort());
  });

  it('what the instance is told is the same with and without it', async () => {
    const heads: string[] = [];
    scene.answer = (socket, head) => {
      heads.push(head);
      socket.write(json('{}'));
    };
    const sent = raw({
      more: [
        'accept-language: fr',
        'Accept: a/b',
        'tracestate: x=y',
        'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
      ],
    });
    await exchange(scene.lane, sent, 100);
    await exchange(scene.plain, sent, 100);
    expect(heads).toHaveLength(2);
    expect(heads[0]?.split('\r\n').sort()).toEqual(heads[1]?.split('\r\n').sort());
    expect(heads[0]).not.toContain(scene.token().slice(0, 40));
  });

  it('a connection stays in it for call after call, warm or not', async () => {
    const before = scene.taken();
    const caller = await openCaller(scene.lane);
    for (let nth = 1; nth <= 5; nth += 1) {
      caller.socket.write(raw({ deviceId: await scene.device() }));
      await caller.until(nth);
    }
    expect(scene.taken() - before).toBe(5);
    expect(caller.answers()).toHaveLength(5);
    caller.socket.destroy();
  });

  it('a call sent before the last answer waits for it', async () => {
    const waiting: Socket[] = [];
    scene.answer = (socket) => waiting.push(socket);
    const before = scene.taken();
    const caller = await openCaller(scene.lane);
    caller.socket.write(raw());
    await eventually(() => expect(waiting).toHaveLength(1));
    caller.socket.write(raw({ token: scene.token({ roles: [] }) }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(caller.text()).toBe('');
    waiting[0]?.write(json('{"first":1}'));
    await caller.until(2);
    expect(caller.answers()).toMatchObject([{ status: 200, body: '{"first":1}' }, { status: 403 }]);
    expect(scene.taken() - before).toBe(2);
    caller.socket.destroy();
  });

  it('hands a connection over in the middle, without losing or doubling a byte', async () => {
    const before = scene.taken();
    const caller = await openCaller(scene.lane);
    caller.socket.write(raw());
    await caller.until(1);
    for (const byte of raw({ more: ['X-Other: 1'] })) {
      caller.socket.write(byte, 'latin1');
      if (byte === '\n') await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await caller.until(2);
    caller.socket.write(raw());
    await caller.until(3);
    expect(caller.answers()).toMatchObject([{ status: 200 }, { status: 200 }, { status: 200 }]);
    expect(scene.taken() - before).toBe(1);
    caller.socket.destroy();
  });

  it('decides anew for every call of a connection whose requests are all alike', async () => {
    const own = await scene.device();
    const caller = await openCaller(scene.lane);
    let answered = 0;
    let body = '';
    const call = async (token: string, deviceId = own): Promise<number> => {
      caller.socket.write(raw({ deviceId, token }), 'latin1');
      answered += 1;
      await caller.until(answered);
      const last = caller.answers().at(-1);
      if (!last || !('status' in last)) throw new Error(caller.text());
      body = last.body;
      return last.status;
    };
    const before = scene.taken();
    const good = scene.token();
    // The leeway is a minute: valid for some seconds more.
    const ending = scene.token({ exp: Math.floor(Date.now() / 1_000) - 50 });
    for (let number = 1; number < 5; number += 1) {
      scene.answer = (socket) => socket.write(json(`{"n":${number}}`));
      expect([await call(good), body]).toEqual([200, `{"n":${number}}`]);
    }
    expect(await call(ending)).toBe(200);
    expect(await call(scene.token({ roles: [] }))).toBe(403);
    expect(await call(scene.token({ exp: 1 }))).toBe(401);
    expect(await call(`${good.slice(0, -4)}AAAA`)).toBe(401);
    expect(await call(good, otherTenant)).toBe(404);
    expect(await call(good)).toBe(200);

    const paused = (is: boolean) => scene.sql`update instances set paused = ${is}`;
    await paused(true);
    await eventually(async () => expect(await call(good)).toBe(503));
    await paused(false);
    await eventually(async () => expect(await call(good)).toBe(200));
    await scene.sql`delete from routes where device_id = ${own}`;
    await eventually(async () => expect(await call(good)).toBe(404));
    await eventually(async () => expect(await call(ending, device)).toBe(401));
    expect(await call(good, device)).toBe(200);
    expect(scene.taken() - before).toBe(answered);
    caller.socket.destroy();
  });

  it('takes a new instance token by the ordinary way when the instance refuses the old one', async () => {
    const tokens: string[] = [];
    scene.answer = (socket, head) => {
      const token = /authorization: Bearer (\S+)/.exec(head)?.[1] ?? '';
      tokens.push(token);
      socket.write(token === tokens[0] ? json('{}', '401 Unauthorized') : json('{"fresh":true}'));
    };
    const caller = await openCaller(scene.lane);
    caller.socket.write(raw());
    await caller.until(1);
    expect(caller.answers()).toMatchObject([{ status: 200, body: '{"fresh":true}' }]);
    caller.socket.destroy();
  });

  it('ends the exchange when the caller goes away', async () => {
    const waiting: Socket[] = [];
    let isClosed = false;
    scene.answer = (socket) => {
      socket.once('close', () => {
        isClosed = true;
      });
      waiting.push(socket);
    };
    const caller = await openCaller(scene.lane);
    caller.socket.write(raw());
    await eventually(() => expect(waiting).toHaveLength(1));
    caller.socket.destroy();
    await eventually(() => expect(isClosed).toBe(true));
  });

  it.each([
    ['closes', (socket: Socket) => socket.end()],
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
  ])('ends it also when a caller with another request on the way %s its connection', async (_, leave) => {
    const begun: Socket[] = [];
    let closed = 0;
    scene.answer = (socket) => {
      socket.once('close', () => {
        closed += 1;
      });
      begun.push(socket);
    };
    const caller = await openCaller(scene.lane);
    caller.socket.write(raw());
    await eventually(() => expect(begun).toHaveLength(1));
    caller.socket.write(raw());
    await new Promise((resolve) => setTimeout(resolve, 50));
    leave(caller.socket);
    await eventually(() => expect(closed).toBe(1));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(begun).toHaveLength(1);
    caller.socket.destroy();
  });

  it('answers what a caller sends ahead, in its order and in the lane, and hands on what is none of its own', async () => {
    const waiting: Socket[] = [];
    scene.answer = (socket) => waiting.push(socket);
    const caller = await openCaller(scene.lane);
    const before = scene.taken();
    caller.socket.write(raw());
    for (let number = 0; number < 4; number += 1) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      caller.socket.write(number === 3 ? 'GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n' : raw());
    }
    for (let number = 0; number < 4; number += 1) {
      await eventually(() => expect(waiting).toHaveLength(number + 1));
      waiting.at(-1)?.write(json(`{"n":${number}}`));
    }
    await caller.until(5);
    expect(caller.answers()).toMatchObject([
      ...[0, 1, 2, 3].map((n) => ({ status: 200, body: `{"n":${n}}` })),
      { status: 404 },
    ]);
    expect(scene.taken() - before).toBe(4);
    caller.socket.destroy();
  });

  it.each([
    ['of one length', false],
    ['in small chunks', true],
  ])(
    'reads no faster from the instance than the caller from it, and loses nothing of a large answer %s',
    async (_how, inChunks) => {
      const part = Buffer.alloc(4_096, 'abcdefghijklmnopqrstuvwxyz');
      const parts = 7_500;
      const framed = inChunks ? Buffer.concat([Buffer.from('1000\r\n'), part, Buffer.from('\r\n')]) : part;
      const framing = inChunks ? 'transfer-encoding: chunked' : `content-length: ${parts * part.byteLength}`;
      let upstream: Socket | undefined;
      scene.answer = (socket) => {
        upstream = socket;
        socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`);
        socket.write(Buffer.concat(new Array<Buffer>(parts).fill(framed)));
        if (inChunks) socket.write('0\r\n\r\n');
      };
      const caller = await openCaller(scene.lane);
      caller.socket.pause();
      caller.socket.write(raw());
      await eventually(() => expect(upstream).toBeDefined());
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(upstream?.writableLength).toBeGreaterThan(0);
      const chunks: Buffer[] = [];
      let size = 0;
      caller.socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.byteLength;
      });
      caller.socket.resume();
      await eventually(() => expect(size).toBeGreaterThan(parts * part.byteLength));
      await eventually(() => {
        const [answer] = parseAnswers(Buffer.concat(chunks).toString('latin1'));
        expect(answer && 'body' in answer && answer.body.length).toBe(parts * part.byteLength);
      });
      const [answer] = parseAnswers(Buffer.concat(chunks).toString('latin1'));
      expect(answer && 'body' in answer && answer.body.replaceAll(part.toString('latin1'), '')).toBe('');
      caller.socket.destroy();
    },
  );

  it('keeps the limits of the listener', { timeout: 30_000 }, async () => {
    const [silent, slow, idle] = [
      await openCaller(scene.lane),
      await openCaller(scene.lane),
      await openCaller(scene.lane),
    ];
    const started = Date.now();
    const closedAfter: number[] = [0, 0, 0];
    for (const [index, { socket }] of [silent, slow, idle].entries()) {
      socket.once('close', () => {
        closedAfter[index] = Date.now() - started;
      });
    }
    slow.socket.write(raw().slice(0, 60));
    idle.socket.write(raw());
    await eventually(() => expect(closedAfter.every((ms) => ms > 0)).toBe(true), 20_000);
    expect(silent.answers()).toMatchObject([{ status: 408 }]);
    expect(slow.answers()).toMatchObject([{ status: 408 }]);
    expect(idle.answers()).toMatchObject([{ status: 200, headers: { 'keep-alive': 'timeout=5' } }]);
    expect(closedAfter[2]).toBeGreaterThan(4_900);
  });
});

describe('the fast lane of a listener that ends', () => {
  it('closes idle connections at once, and the others after their answer', async () => {
    const scene = await startLaneScene();
    const waiting: Socket[] = [];
    const device = await scene.device();
    const raw = `GET /t/${scene.tenantId}/devices/${device}/compliance HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${scene.token()}\r\n\r\n`;
    const [silent, idle, busy] = [
      await openCaller(scene.lane),
      await openCaller(scene.lane),
      await openCaller(scene.lane),
    ];
    idle.socket.write(raw);
    await idle.until(1);
    scene.answer = (socket) => waiting.push(socket);
    busy.socket.write(raw);
    await eventually(() => expect(waiting).toHaveLength(1));
    let isDrained = false;
    const drained = scene.listener.drain(10_000).then(() => {
      isDrained = true;
    });
    await eventually(() => expect([silent.isClosed(), idle.isClosed()]).toEqual([true, true]));
    expect(isDrained).toBe(false);
    waiting[0]?.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    await drained;
    await eventually(() => expect(busy.isClosed()).toBe(true));
    expect(busy.answers()).toMatchObject([{ status: 200, body: '{}', headers: { connection: 'close' } }]);
    await scene.close();
  });

  it('limits each tenant as the ordinary way does, in the lane', async () => {
    const scene = await startLaneScene({ ratePerTenant: 2 });
    const device = await scene.device();
    const raw = `GET /t/${scene.tenantId}/devices/${device}/compliance HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${scene.token()}\r\n\r\n`;
    const caller = await openCaller(scene.lane);
    for (let nth = 1; nth <= 6; nth += 1) {
      caller.socket.write(raw);
      await caller.until(nth);
    }
    const statuses = caller.answers().map((one) => ('status' in one ? one.status : 0));
    expect(statuses.slice(0, 4)).toEqual([200, 200, 200, 200]);
    expect(statuses.at(-1)).toBe(429);
    expect(caller.answers().at(-1)).toMatchObject({ headers: { 'retry-after': '1' } });
    expect(scene.taken()).toBe(6);
    caller.socket.destroy();
    await scene.close();
  });

  it('refuses device calls last, half of them and then most, in both ways alike', async () => {
    const scene = await startLaneScene();
    const device = await scene.device();
    const raw = `GET /t/${scene.tenantId}/devices/${device}/compliance HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${scene.token()}\r\n\r\n`;
    const statusesAt = async (port: number, level: PressureLevel): Promise<number[]> => {
      const caller = await openCaller(port);
      scene.pressure.level = level;
      for (let nth = 1; nth <= 16; nth += 1) {
        caller.socket.write(raw);
        await caller.until(nth);
      }
      caller.socket.destroy();
      const answers = caller.answers().map((one) => ('status' in one ? one : undefined));
      for (const refused of answers.filter((one) => one?.status === 503)) {
        expect(Number(refused?.headers['retry-after'])).toBeGreaterThanOrEqual(5);
        expect(JSON.parse(refused?.body ?? '')).toMatchObject({
          httpStatus: 503,
          title: 'Espalier is shedding load',
        });
      }
      return answers.map((one) => one?.status ?? 0);
    };
    for (const port of [scene.lane, scene.plain]) {
      const answered = async (level: PressureLevel): Promise<number> =>
        (await statusesAt(port, level)).filter((status) => status === 200).length;
      expect([await answered(3), await answered(4), await answered(5)]).toEqual([16, 8, 2]);
    }
    expect(scene.counted.filter((one) => one === 'shed call')).toHaveLength(2 * (8 + 14));
    // In the lane nothing of it went elsewhere.
    expect(scene.taken()).toBe(48);
    await scene.close();
  });
});
