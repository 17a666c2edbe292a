import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '../../test/harness/eventually.ts';
import { createPace, createPassBody } from './node-passed-bodies.ts';

const mebibyte = 1_048_576;
let server: Server;
const callers: Socket[] = [];
/** Of the connections of the server, in their order. */
let sockets: Socket[];
let read: () => number;
afterEach(() => {
  for (const one of callers.splice(0)) one.destroy();
  server.closeAllConnections();
  server.close();
});

/** Refuses everything before it reads a byte of it. */
async function serve(bytesPerSecond: number): Promise<void> {
  const passBody = createPassBody(createPace(bytesPerSecond));
  sockets = [];
  server = createServer(async (incoming, outgoing) => {
    await passBody(incoming, outgoing);
    outgoing.writeHead(429, { 'content-length': 2 });
    outgoing.end('no');
  });
  server.on('connection', (socket) => sockets.push(socket));
  read = () => sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

interface Caller {
  readonly socket: Socket;
  text: string;
  isEnded: boolean;
}
function open(): Caller {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  callers.push(socket);
  const caller: Caller = { socket, text: '', isEnded: false };
  socket.on('data', (chunk: Buffer) => {
    caller.text += chunk.toString('latin1');
  });
  socket.on('end', () => {
    caller.isEnded = true;
  });
  socket.on('error', () => undefined);
  return caller;
}
const headOf = (bytes: number): string => `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${bytes}\r\n\r\n`;
const answersOf = ({ text }: Caller): number => text.split('HTTP/1.1 429').length - 1;

it('a body that ends soon is read past, and its connection goes on', async () => {
  await serve(32 * mebibyte);
  const caller = open();
  for (const bytes of [10, 100_000, 2 * mebibyte]) {
    const before = answersOf(caller);
    caller.socket.write(headOf(bytes));
    caller.socket.write(Buffer.alloc(bytes));
    await eventually(() => expect(answersOf(caller)).toBe(before + 1));
  }
  expect(caller.text.toLowerCase()).not.toContain('connection: close');
  expect(sockets).toHaveLength(1);
});

it('of many bodies no more is read than their pace, and each caller has its whole answer before the end', async () => {
  await serve(mebibyte / 4);
  const sent = 20 * mebibyte;
  const many = Array.from({ length: 8 }, open);
  for (const { socket } of many) {
    socket.write(headOf(sent));
    socket.write(Buffer.alloc(sent));
  }
  await eventually(() => expect(many.map(({ isEnded }) => isEnded)).toEqual(many.map(() => true)));
  for (const { text } of many) {
    expect(text.toLowerCase()).toContain('connection: close');
    expect(text.endsWith('\r\n\r\nno')).toBe(true);
  }
  // What the streams of a connection hold, besides what was read past: far less than was sent.
  expect(read()).toBeLessThan(8 * mebibyte);
  await eventually(() => expect(sockets.every(({ destroyed }) => destroyed)).toBe(true));
}, 30_000);

it('a small body among large ones takes its turn', async () => {
  await serve(8 * mebibyte);
  for (const { socket } of Array.from({ length: 8 }, open)) {
    socket.write(headOf(50 * mebibyte));
    socket.write(Buffer.alloc(50 * mebibyte));
  }
  await eventually(() => expect(read()).toBeGreaterThan(mebibyte));
  const small = open();
  small.socket.write(headOf(100_000));
  small.socket.write(Buffer.alloc(100_000));
  await eventually(() => expect(answersOf(small)).toBe(1));
  expect(small.text.toLowerCase()).not.toContain('connection: close');
}, 30_000);

it('a caller that leaves in the middle is let go', async () => {
  await serve(1);
  const caller = open();
  caller.socket.write(headOf(mebibyte));
  caller.socket.write(Buffer.alloc(100_000));
  await eventually(() => expect(sockets).toHaveLength(1));
  caller.socket.destroy();
  await eventually(() => expect(sockets[0]?.destroyed).toBe(true));
});

it('a pace lets those that wait go on in their order, as time passes', async () => {
  let nowMs = 0;
  const pace = createPace(1_000, () => nowMs);
  const order: string[] = [];
  const reading = (name: string, bytes: number) => () => {
    order.push(name);
    return bytes;
  };
  pace.next(reading('a', 512 * 1024));
  pace.next(reading('b', 1_000));
  pace.next(reading('c', 1_000));
  expect(order).toEqual(['a']);
  nowMs += 1;
  await eventually(() => expect(order).toEqual(['a', 'b']));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(order).toEqual(['a', 'b']);
  nowMs += 1_000;
  await eventually(() => expect(order).toEqual(['a', 'b', 'c']));
});
