import { randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { eventually } from '../../test/harness/eventually.ts';
import { hasUnsent, writeDirectly } from './node-direct-writes.ts';

let server: Server;
let peer: Socket;
let socket: Socket;
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
  // From the first write on the way is known.
  writeDirectly(socket, 'first', true);
  await eventually(() => expect(text()).toBe('first'));
  received = [];
});
afterEach(async () => {
  peer.destroy();
  socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const text = (): string => Buffer.concat(received).toString('latin1');
const pieceOf = (bytes: number): string => randomBytes(bytes).toString('latin1');

test('every byte of latin1 arrives, and nothing of it went through the stream', async () => {
  const ordinary = vi.spyOn(socket, 'write');
  const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
  writeDirectly(socket, all, true);
  writeDirectly(socket, `${all}é`, true);
  await eventually(() => expect(text()).toBe(`${all}${all}é`));
  expect(ordinary).not.toHaveBeenCalled();
  expect(hasUnsent(socket)).toBe(false);
});

test('what the peer does not take waits, in its order, and counts as unsent', async () => {
  peer.pause();
  let sent = '';
  while (!hasUnsent(socket) || socket.writableLength < 100_000) {
    const piece = pieceOf(1 + (sent.length % 16_000));
    sent += piece;
    writeDirectly(socket, piece, true);
    if (sent.length > 50_000_000) throw new Error('the system takes everything');
  }
  expect(socket.writableNeedDrain).toBe(true);
  const drained = new Promise((resolve) => socket.once('drain', resolve));
  peer.resume();
  await drained;
  await eventually(() => expect(hasUnsent(socket)).toBe(false));
  writeDirectly(socket, 'last', true);
  await eventually(() => expect(Buffer.concat(received).length).toBe(sent.length + 4));
  expect(text() === `${sent}last`).toBe(true);
});

test('the end of the stream comes behind what waits', async () => {
  peer.pause();
  let sent = '';
  while (!hasUnsent(socket)) {
    const piece = pieceOf(10_000);
    sent += piece;
    writeDirectly(socket, piece, true);
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
    else writeDirectly(socket, piece, true);
    if (number % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually(() => expect(Buffer.concat(received).length).toBe(sent.length));
  expect(text() === sent).toBe(true);
});

test('a connection that the peer has reset fails as ever', async () => {
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
  peer.resetAndDestroy();
  const timer = setInterval(() => {
    if (!socket.destroyed) writeDirectly(socket, 'x', true);
  }, 1);
  const error = await failed;
  clearInterval(timer);
  expect(['ECONNRESET', 'EPIPE']).toContain(error.code);
  await eventually(() => expect(socket.destroyed).toBe(true));
  expect(() => writeDirectly(socket, 'x', true)).not.toThrow();
});

test('a request is not used for another write while Node still holds it, whatever is queued', () => {
  interface Request {
    getAsyncId(): number;
  }
  const { _handle: handle } = socket as unknown as { readonly _handle: object };
  const used: Request[] = [];
  const inFlight = new Set<Request>();
  // As the system does when it takes the rest between Node's second and third try: nothing is queued, and the end is not told.
  Object.defineProperty(handle, 'writeLatin1String', {
    value: (request: Request): number => {
      used.push(request);
      if (used.length % 2 === 1) {
        inFlight.add(request);
        Object.defineProperty(request, 'getAsyncId', { value: () => 7 });
      }
      return 0;
    },
  });
  for (let number = 0; number < 10; number += 1) {
    const before = new Set(inFlight);
    writeDirectly(socket, 'x', true);
    expect(before.has(used.at(-1)!)).toBe(false);
  }
  expect(used).toHaveLength(10);
});

test('over TLS, too long, or behind what waits: through the stream', () => {
  const ordinary = vi.spyOn(socket, 'write');
  writeDirectly(socket, 'a', false);
  writeDirectly(socket, 'b'.repeat(16_385), true);
  socket.cork();
  socket.write('c');
  writeDirectly(socket, 'd', true);
  socket.uncork();
  expect(ordinary).toHaveBeenCalledTimes(4);
});
