import { randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { areInternalsKnown } from '../../../test/harness/sockets.ts';
import type { SocketWriter } from '../../outbound/node-sockets.ts';
import { openInternals } from './node-internals.ts';

describe.runIf(areInternalsKnown)('writing past the stream', () => {
  let server: Server;
  let peer: Socket;
  let socket: Socket;
  let writer: SocketWriter;
  let received: Buffer[] = [];

  beforeEach(async () => {
    received = [];
    const accepted = Promise.withResolvers<Socket>();
    server = createServer((made) => accepted.resolve(made));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const address = server.address();
    peer = connect({ port: typeof address === 'object' && address ? address.port : 0, host: '127.0.0.1' });
    peer.on('data', (chunk) => received.push(chunk));
    socket = await accepted.promise;
    writer = openInternals().writer(socket);
    // The handle is known from the first write on.
    writer.write('first');
    await eventually(() => expect(text()).toBe('first'));
    received = [];
  });
  afterEach(async () => {
    peer.destroy();
    socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Counts what it takes, 4 KiB at a time. */
  const slowReader = `
  const { connect } = require('node:net');
  const { parentPort, workerData } = require('node:worker_threads');
  let count = 0;
  const socket = connect({
    port: workerData,
    host: '127.0.0.1',
    onread: { buffer: Buffer.alloc(4096), callback: (length) => { count += length; return true; } },
  });
  socket.on('end', () => parentPort.postMessage(count));
`;

  const text = (): string => Buffer.concat(received).toString('latin1');
  const pieceOf = (bytes: number): string => randomBytes(bytes).toString('latin1');

  test('every byte of latin1 arrives, and nothing of it went through the stream', async () => {
    const ordinary = vi.spyOn(socket, 'write');
    const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
    writer.write(all);
    writer.write(`${all}é`);
    await eventually(() => expect(text()).toBe(`${all}${all}é`));
    expect(ordinary).not.toHaveBeenCalled();
    expect(writer.hasUnsent()).toBe(false);
  });

  test('what the peer does not take waits, in its order, and counts as unsent', async () => {
    peer.pause();
    let sent = '';
    while (!writer.hasUnsent() || socket.writableLength < 100_000) {
      const piece = pieceOf(1 + (sent.length % 16_000));
      sent += piece;
      writer.write(piece);
      if (sent.length > 50_000_000) throw new Error('the system takes everything');
    }
    expect(socket.writableNeedDrain).toBe(true);
    const drained = new Promise((resolve) => socket.once('drain', resolve));
    peer.resume();
    await drained;
    await eventually(() => expect(writer.hasUnsent()).toBe(false));
    writer.write('last');
    await eventually(() => expect(Buffer.concat(received).length).toBe(sent.length + 4));
    expect(text() === `${sent}last`).toBe(true);
  });

  test('the end of the stream comes behind what waits', async () => {
    peer.pause();
    let sent = '';
    while (!writer.hasUnsent()) {
      const piece = pieceOf(10_000);
      sent += piece;
      writer.write(piece);
    }
    expect(socket.writableLength).toBe(0);
    const ended = new Promise((resolve) => peer.once('end', resolve));
    socket.destroySoon();
    peer.resume();
    await ended;
    expect(text() === sent).toBe(true);
  });

  test('mixed with ordinary writes nothing changes places', async () => {
    let sent = '';
    for (let number = 0; number < 2_000; number += 1) {
      const piece = pieceOf(number % 300);
      sent += piece;
      if (number % 3 === 0) socket.write(piece, 'latin1');
      else writer.write(piece);
      if (number % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => expect(Buffer.concat(received).length).toBe(sent.length));
    expect(text() === sent).toBe(true);
  });

  test('a connection that the peer has reset fails as ever', async () => {
    const failed = new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
    peer.resetAndDestroy();
    const timer = setInterval(() => {
      if (!socket.destroyed) writer.write('x');
    }, 1);
    const error = await failed;
    clearInterval(timer);
    expect(['ECONNRESET', 'EPIPE']).toContain(error.code);
    await eventually(() => expect(socket.destroyed).toBe(true));
    expect(() => writer.write('x')).not.toThrow();
  });

  test('no second write is begun while Node is at the first, whatever is queued', () => {
    interface Request {
      getAsyncId(): number;
    }
    interface Dispatched {
      readonly writeStatus: null;
      oncomplete?: (status: number) => void;
    }
    const { _handle: handle } = socket as unknown as { readonly _handle: object };
    const ordinary = vi.spyOn(socket, 'write').mockReturnValue(true);
    const begun: string[] = [];
    let asyncId = 7;
    let dispatched: Dispatched | undefined;
    // The handle acts as the system does when it takes the rest between Node's second and third try: nothing is queued,
    // and the end is not reported.
    Object.defineProperty(handle, 'writeLatin1String', {
      value: (request: Request | null, written: string): number | Dispatched => {
        begun.push(written);
        if (request === null) {
          dispatched = { writeStatus: null };
          return dispatched;
        }
        Object.defineProperty(request, 'getAsyncId', { configurable: true, value: () => asyncId });
        return 0;
      },
    });
    const complete = (): void => {
      asyncId = -1;
      dispatched?.oncomplete?.(0);
    };
    writer.write('a');
    expect([begun, writer.hasUnsent()]).toEqual([['a'], true]);
    writer.write('b');
    expect([begun, ordinary.mock.calls]).toEqual([['a'], [['b', 'latin1']]]);
    complete();
    expect(writer.hasUnsent()).toBe(false);
    writer.write('c');
    expect(begun).toEqual(['a', 'c']);
    expect(ordinary).toHaveBeenCalledTimes(1);
    complete();
  });

  test('many writers and readers that take little at a time: the process lives, and nothing is lost', {
    timeout: 30_000,
  }, async () => {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const readers: { reader: Worker; direct: SocketWriter; written: Socket; sent: number }[] = [];
    while (readers.length < 3) {
      const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
      // A thread of its own takes bytes while a write is tried here.
      const reader = new Worker(slowReader, { eval: true, workerData: port });
      const written = await accepted;
      readers.push({ reader, direct: openInternals().writer(written), written, sent: 0 });
    }
    const piece = 'y'.repeat(16_000);
    const end = Date.now() + 1_500;
    while (Date.now() < end) {
      for (const one of readers)
        for (let time = 0; time < 100 && !one.written.writableNeedDrain; time += 1) {
          one.direct.write(piece);
          one.sent += piece.length;
        }
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const { reader, sent, written } of readers) {
      const counted = new Promise((resolve) => reader.once('message', resolve));
      written.end();
      expect(await counted).toBe(sent);
      await reader.terminate();
    }
  });

  test('too long, or behind what waits: through the stream', () => {
    const ordinary = vi.spyOn(socket, 'write');
    writer.write('b'.repeat(16_385));
    socket.cork();
    socket.write('c');
    writer.write('d');
    socket.uncork();
    expect(ordinary).toHaveBeenCalledTimes(3);
  });
});
