/**
 * A process of its own runs this before node-internals.ts is used: what goes wrong there ends a process, natively at times,
 * and this one is nobody's. It ends with 0 when every trial was as with public streams.
 */

import { once } from 'node:events';
import { createServer as createHttpServer, get } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { openInternals } from './node-internals.ts';

const internals = openInternals();

interface Pair {
  readonly server: Server;
  readonly ours: Socket;
  readonly peer: Socket;
}

/** A key that both sides know needs no certificate, which would have to be made first. */
const key = { psk: Buffer.alloc(32, 7), identity: 'trial' };
const cipher = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;

async function openPair(overTls: boolean): Promise<Pair> {
  const server = overTls
    ? createTlsServer({ ...cipher, allowHalfOpen: true, pskCallback: () => key.psk })
    : createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const where = { port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true };
  const peer = overTls
    ? tlsConnect({ ...where, ...cipher, pskCallback: () => key, checkServerIdentity: () => undefined })
    : connect(where);
  const [ours] = (await once(server, overTls ? 'secureConnection' : 'connection')) as [Socket];
  ours.on('error', () => undefined);
  peer.on('error', () => undefined);
  return { server, ours, peer };
}

const closePair = ({ ours, peer, server }: Pair): void => {
  ours.destroy();
  peer.destroy();
  server.close();
};

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** All that comes until it ends. */
async function textOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  return text;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Actions of the peer before it resets; bytes that it sends are answered. */
const steps: readonly ((peer: Socket) => void)[] = [
  () => undefined,
  (peer) => void peer.write('ask'),
  (peer) => void peer.end('ask'),
];

async function resetAtEachStep(): Promise<void> {
  for (const step of steps) {
    const pair = await openPair(false);
    const { ours, peer } = pair;
    const answer = (): void => void ours.write('answer');
    ours.on('data', answer);
    internals.read(ours, 64, answer);
    step(peer);
    await turn();
    peer.resetAndDestroy();
    const end = performance.now() + 500;
    while (!ours.destroyed && performance.now() < end) await turn();
    check(ours.destroyed, 'a connection that was reset goes on');
    closePair(pair);
  }
}

/** The peer sends no more and is still answered. */
async function halfClosed({ ours, peer }: Pair): Promise<void> {
  let read = '';
  const take = (chunk: Buffer): void => {
    read += chunk.toString('latin1');
  };
  let events = 0;
  ours.on('data', (chunk: Buffer) => {
    events += 1;
    take(chunk);
  });
  internals.read(ours, 64, take);
  const ended = once(ours, 'end');
  const came = textOf(peer);
  const long = 'long '.repeat(100);
  peer.write('one ');
  const end = performance.now() + 500;
  while (read === '' && performance.now() < end) await turn();
  check(read === 'one ' && events === 0, 'a read did not go past the stream');
  ours.pause();
  peer.write('two ');
  await turn();
  ours.resume();
  peer.end(long);
  await ended;
  check(read === `one two ${long}`, 'what was read is not what was sent');
  ours.end('answer after the end');
  check((await came) === 'answer after the end', 'a peer that ended got no answer');
}

/** The stream's own reader keeps the buffers it is given, so no later read may write into them. */
async function readLater({ ours, peer }: Pair): Promise<void> {
  const take = (): void => {
    throw new Error('a socket that was handed on is still read here');
  };
  internals.read(ours, 64, take).stop();
  const chunks: Buffer[] = [];
  ours.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = once(ours, 'end');
  const long = Array.from({ length: 200 }, (_, number) => `${number} `).join('');
  peer.end(long);
  await ended;
  check(Buffer.concat(chunks).toString('latin1') === long, 'what was read later is not what was sent');
}

/** Hands a socket to Node's own parser, with the read bytes put back. */
async function handedOver(): Promise<void> {
  const server = createHttpServer((request, response) => response.end(request.url));
  const ordinary = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const take = (chunk: Buffer): void => {
      socket.off('data', take);
      reads.stop();
      reads.wipe();
      const back = Buffer.from(request);
      check(chunk.length > 0, 'an empty read');
      socket.pause();
      socket.unshift(back);
      for (const listener of ordinary) listener.call(server, socket);
      socket.resume();
    };
    const request = 'GET /back HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
    const reads = internals.read(socket, 8_192, take);
    socket.on('data', take);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const [response] = await once(get({ port, host: '127.0.0.1', path: '/first', agent: false }), 'response');
  check((await textOf(response)) === '/back', 'a connection that was handed over answered wrongly');
  server.close();
}

async function tryAll(): Promise<void> {
  for (const overTls of [false, true])
    for (const trial of [halfClosed, readLater]) {
      const pair = await openPair(overTls);
      await trial(pair);
      closePair(pair);
    }
  await resetAtEachStep();
  await handedOver();
}

await tryAll();
process.exit(0);
