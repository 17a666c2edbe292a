/** One connection of the lane by itself; what it does in a listener is in test/system/fast-lane.test.ts. */

import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { socketModes } from '../../../test/harness/sockets.ts';
import { Pressure } from '../../gateway/pressure.ts';
import type { UpstreamHandler } from '../../outbound/upstream.ts';
import { LaneConnection } from './connection.ts';
import type { ConnectionServices } from './services.ts';

const guid = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const request = `GET /t/${guid}/devices/${guid}/compliance HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\n\r\n`;

let asked = 0;
/** More than the kernel takes for a caller that reads nothing. */
const large = Buffer.alloc(20_000_000, 'x');
const services: Omit<ConnectionServices, 'sockets'> = {
  calls: {
    hashToken: undefined,
    done: () => undefined,
    warm: () => {
      asked += 1;
      return { kind: 'ready', instance: {}, target: { jamfComputerId: 1 }, instanceToken: 't' };
    },
  },
  pressure: new Pressure(),
  targetOf: () => ({ origin: 'http://a', basePath: '' }),
  traced: () => undefined,
  observe: () => undefined,
  onForward: () => undefined,
  onAnswer: () => undefined,
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
    asked = 0;
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
});
