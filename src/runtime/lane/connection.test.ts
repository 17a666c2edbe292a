/** One connection of the lane by itself; what it does in a listener is in test/system/fast-lane.test.ts. */

import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { socketModes } from '../../../test/harness/sockets.ts';
import { Pressure } from '../../gateway/pressure.ts';
import type { UpstreamHandler } from '../../outbound/upstream.ts';
import { problem } from '../../problems.ts';
import type { Refused } from '../node-refusal-turns.ts';
import { LaneConnection } from './connection.ts';
import type { ConnectionServices } from './services.ts';

const guid = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const request = `GET /t/${guid}/devices/${guid}/compliance HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\n\r\n`;

const withoutToken = request.replace(/Authorization: [^\r]*\r\n/, '');
const refusal = { kind: 'refuse', problem: problem('unauthenticated', 'No.'), routed: false };

let asked = 0;
let prepared = 0;
/** What `warm` and `prepare` say. */
let isKnown = true;
/** Those that wait for their turn, until a test gives it. */
let turns: { readonly of: Refused; readonly run: () => void }[] = [];
const statuses: number[] = [];
/** More than the kernel takes for a caller that reads nothing. */
const large = Buffer.alloc(20_000_000, 'x');
const services: Omit<ConnectionServices, 'sockets'> = {
  calls: {
    hashToken: undefined,
    done: () => undefined,
    prepare: async () => {
      prepared += 1;
      return refusal;
    },
    warm: () => {
      asked += 1;
      if (!isKnown) return { kind: 'cold' };
      return { kind: 'ready', instance: {}, target: { jamfComputerId: 1 }, instanceToken: 't' };
    },
  },
  pressure: new Pressure(),
  callerOf: () => '203.0.113.7',
  refusals: { add: (of: Refused, run: () => void) => turns.push({ of, run }), waiting: () => turns.length },
  targetOf: () => ({ origin: 'http://a', basePath: '' }),
  traced: () => undefined,
  observe: () => undefined,
  onForward: () => undefined,
  onAnswer: (_: unknown, status: number) => statuses.push(status),
  keepAliveSeconds: 5,
  activityOf: () => ({ begins: () => undefined, ends: () => undefined }),
  // An instance whose answer is there at once.
  upstream: (_call: unknown, handler: UpstreamHandler) => {
    setImmediate(() => {
      handler.head({
        status: 200,
        contentLength: large.length,
        header: () => 'application/json',
        eachHeader: () => undefined,
      });
      handler.data(large);
      handler.end();
    });
    return { resume: () => undefined, abort: () => undefined };
  },
} as never;

describe.each(socketModes)('a connection %s', (_, sockets) => {
  let caller: Socket;
  let lane: LaneConnection;
  let stop: () => Promise<unknown>;
  beforeEach(async () => {
    [asked, prepared, isKnown, turns] = [0, 0, true, []];
    statuses.length = 0;
    const opened = Promise.withResolvers<LaneConnection>();
    const server = createServer({ allowHalfOpen: true }, (socket) =>
      opened.resolve(
        new LaneConnection(
          socket,
          { ...services, sockets },
          { handOver: () => socket.destroy(), left: () => undefined },
        ),
      ),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const address = server.address();
    caller = connect({ port: typeof address === 'object' && address ? address.port : 0, host: '127.0.0.1' });
    caller.on('error', () => undefined);
    lane = await opened.promise;
    stop = () => new Promise((resolve) => server.close(resolve));
  });
  afterEach(async () => {
    caller.destroy();
    lane.socket.destroy();
    await stop();
  });

  const closed = (): Promise<void> => new Promise((resolve) => lane.socket.once('close', () => resolve()));

  test('a request that comes after the last answer of a connection that ends is not begun', async () => {
    caller.pause();
    caller.write(request);
    await eventually(() => expect(asked).toBe(1));
    lane.drain();
    await eventually(() => expect(lane.socket.writableEnded).toBe(true));
    // The caller takes nothing yet, so the connection stays for a while.
    caller.write(request);
    await eventually(() => expect(lane.socket.bytesRead).toBe(2 * request.length));
    expect(lane.socket.destroyed).toBe(false);
    let size = 0;
    caller.on('data', (chunk: Buffer) => {
      size += chunk.length;
    });
    caller.resume();
    await closed();
    expect(asked).toBe(1);
    await eventually(() => expect(size).toBeGreaterThan(large.length));
  });

  const told = (): string[] => text.match(/(?<=HTTP\/1\.1 )\d{3}/g) ?? [];
  let text = '';
  const listen = (): void => {
    text = '';
    caller.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1').slice(0, 2_000);
    });
  };
  const waits = (count: number) => eventually(() => expect(turns).toHaveLength(count));

  test('a refusal waits for its turn, and what the caller sends meanwhile for the refusal', async () => {
    listen();
    caller.write(withoutToken);
    await waits(1);
    caller.write(withoutToken.replace('Host', 'Accept: a\r\nHost'));
    await eventually(() => expect(lane.socket.bytesRead).toBeGreaterThan(withoutToken.length));
    expect([told(), statuses, turns.map(({ of }) => of)]).toEqual([[], [], ['stranger']]);
    turns.shift()?.run();
    await eventually(() => expect(told()).toEqual(['401']));
    await waits(1);
    turns.shift()?.run();
    await eventually(() => expect(told()).toEqual(['401', '401']));
    expect([asked, statuses]).toEqual([0, [401, 401]]);
  });

  test('after a refusal nothing is looked up for the next request before its turn, but a known one goes on at once', async () => {
    listen();
    isKnown = false;
    caller.write(request);
    await waits(1);
    expect(prepared).toBe(1);
    turns.shift()?.run();
    await eventually(() => expect(told()).toEqual(['401']));
    caller.write(request);
    await waits(1);
    expect(prepared).toBe(1);
    turns.shift()?.run();
    // Its answer is one more.
    await waits(1);
    expect(prepared).toBe(2);
    turns.shift()?.run();
    await eventually(() => expect(told()).toEqual(['401', '401']));
    isKnown = true;
    caller.write(request);
    await eventually(() => expect(told()).toEqual(['401', '401', '200']));
    expect(turns).toHaveLength(0);
  });

  test('a caller that went away while it waited is counted as refused, and told nothing', async () => {
    caller.write(withoutToken);
    await waits(1);
    caller.resetAndDestroy();
    await closed();
    expect(statuses).toEqual([401]);
    turns.shift()?.run();
    expect(statuses).toEqual([401]);
  });

  test('a caller that ends behind its request has its answer', async () => {
    listen();
    caller.end(withoutToken);
    await eventually(() => expect(told()).toEqual(['401']));
    turns.shift()?.run();
    expect(statuses).toEqual([401]);
  });

  test('a connection that ends meanwhile is told so with the refusal', async () => {
    listen();
    caller.write(withoutToken);
    await waits(1);
    lane.drain();
    expect(lane.socket.writableEnded).toBe(false);
    turns.shift()?.run();
    await closed();
    await eventually(() => expect(text).toContain('Connection: close'));
    expect(told()).toEqual(['401']);
  });
});
