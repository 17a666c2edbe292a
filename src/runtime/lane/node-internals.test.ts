import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { areInternalsKnown } from '../../../test/harness/sockets.ts';
import type { SocketReads } from '../../outbound/node-sockets.ts';
import { createAuthority } from '../../simulator/authority.ts';
import { openInternals } from './node-internals.ts';

let pair: { readonly cert: string; readonly key: string };
beforeAll(async () => {
  const issued = await (await createAuthority()).issue(['127.0.0.1']);
  pair = { cert: issued.certificatePem, key: issued.keyPem };
});

describe.runIf(areInternalsKnown).each([
  ['plain', false],
  ['TLS', true],
])('a %s socket', (_, overTls) => {
  let server: Server;
  let peer: Socket;
  let socket: Socket;
  let taken = '';
  let events = 0;
  let reads: SocketReads;
  let taker: (chunk: Buffer) => void;

  beforeEach(async () => {
    taken = '';
    events = 0;
    const accepted = Promise.withResolvers<Socket>();
    server = overTls
      ? createTlsServer({ allowHalfOpen: true, ...pair }, (made) => accepted.resolve(made))
      : createServer({ allowHalfOpen: true }, (made) => accepted.resolve(made));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const address = server.address();
    const where = { port: typeof address === 'object' && address ? address.port : 0, host: '127.0.0.1' };
    peer = overTls ? tlsConnect({ ...where, rejectUnauthorized: false }) : connect(where);
    socket = await accepted.promise;
    taker = (chunk) => {
      taken += chunk.toString('latin1');
    };
    const take = (chunk: Buffer): void => taker(chunk);
    // The listener counts events that the stream itself emits, which direct reads avoid.
    socket.on('data', (chunk: Buffer) => {
      events += 1;
      take(chunk);
    });
    reads = openInternals().read(socket, 16_384, take);
  });
  afterEach(async () => {
    peer.destroy();
    socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Sends it, and waits until it has come whole. */
  const send = async (text: string): Promise<void> => {
    const before = taken.length;
    peer.write(text);
    await eventually(() => expect(taken.length).toBe(before + text.length));
  };

  test('what flows is taken without an event', async () => {
    await send('one');
    await send('two');
    expect([taken, events]).toEqual(['onetwo', 0]);
  });

  test('what comes while it is paused waits, comes in its order, and then it flows as before', async () => {
    await send('a');
    socket.pause();
    peer.write('b');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(taken).toBe('a');
    socket.resume();
    await eventually(() => expect(taken).toBe('ab'));
    await send('c');
    expect(taken).toBe('abc');
    const before = events;
    await send('d');
    await send('e');
    expect([taken, events]).toEqual(['abcde', before]);
  });

  test('more than fits while it is paused is not read, and nothing of it is lost', async () => {
    socket.pause();
    const much = 'x'.repeat(20_000_000);
    let written = false;
    peer.write(much, () => {
      written = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(written).toBe(false);
    expect(socket.readableLength).toBeLessThan(1_000_000);
    socket.resume();
    await eventually(() => expect(taken.length).toBe(much.length));
    await send('after');
    expect(taken.endsWith('xafter')).toBe(true);
  });

  test('what is read in one turn after the taker paused it waits, too', async () => {
    let after: string | undefined;
    taker = (chunk) => {
      taken += chunk.toString('latin1');
      if (after === undefined) {
        socket.pause();
        after = taken;
      }
    };
    const much = Array.from({ length: 200_000 }, (_, number) => `${number} `).join('');
    peer.write(much);
    await eventually(() => expect(after).toBeDefined());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(taken).toBe(after);
    socket.resume();
    await eventually(() => expect(taken.length).toBe(much.length));
    expect(taken === much).toBe(true);
  });

  test('what was taken is in a buffer that the next read fills, and is wiped on request', async () => {
    const chunks: Buffer[] = [];
    taker = (chunk) => {
      taken += chunk.toString('latin1');
      chunks.push(chunk);
    };
    await send('first');
    await send('other');
    expect(chunks.map((chunk) => chunk.toString('latin1'))).toEqual(['other', 'other']);
    reads.wipe();
    expect(chunks[0]?.every((byte) => byte === 0)).toBe(true);
  });

  test('no read of another connection shows in what was taken, nor after a rest', async () => {
    const access = openInternals();
    const accepted = new Promise<Socket>((resolve) =>
      server.once(overTls ? 'secureConnection' : 'connection', resolve),
    );
    const address = server.address();
    const where = { port: typeof address === 'object' && address ? address.port : 0, host: '127.0.0.1' };
    const others = overTls ? tlsConnect({ ...where, rejectUnauthorized: false }) : connect(where);
    const other = await accepted;
    const chunks: Buffer[] = [];
    const takeOther = (chunk: Buffer): void => void chunks.push(chunk);
    other.on('data', takeOther);
    const otherReads = access.read(other, 16_384, takeOther);
    others.write('secret of another');
    await eventually(() => expect(chunks).toHaveLength(1));
    const seen: Buffer[] = [];
    taker = (chunk) => {
      taken += chunk.toString('latin1');
      seen.push(chunk);
    };
    await send('x');
    expect(Buffer.from(seen[0]?.buffer ?? new ArrayBuffer(0)).toString('latin1')).not.toContain('secret');
    expect(chunks[0]?.toString('latin1')).toBe('secret of another');
    otherReads.wipe();
    others.write('again');
    await eventually(() => expect(chunks).toHaveLength(2));
    expect([chunks[0]?.every((byte) => byte === 0), chunks[1]?.toString('latin1')]).toEqual([true, 'again']);
    others.destroy();
    other.destroy();
  });

  test.each([1, 2_047, 2_048, 2_049, 5_000, 16_384])(
    'a message of %i bytes comes as it was sent',
    async (bytes) => {
      const text = Array.from({ length: bytes }, (_, at) => String.fromCharCode(32 + (at % 90))).join('');
      await send(text);
      await send('short');
      await send(text);
      expect(taken === `${text}short${text}`).toBe(true);
    },
  );

  test('the end comes as ever, behind what was sent before it', async () => {
    const ended = new Promise<string>((resolve) => socket.once('end', () => resolve(taken)));
    peer.end('last');
    expect(await ended).toBe('last');
  });

  test('a socket that is handed on reads the ordinary way, what is put back first', async () => {
    await send('lane');
    socket.removeAllListeners('data');
    reads.stop();
    const rest: string[] = [];
    socket.pause();
    socket.unshift(Buffer.from('back'));
    socket.on('data', (chunk: Buffer) => rest.push(chunk.toString('latin1')));
    socket.resume();
    peer.write('next');
    await eventually(() => expect(rest.join('')).toBe('backnext'));
    peer.end('end');
    await eventually(() => expect(rest.join('')).toBe('backnextend'));
    expect(taken).toBe('lane');
  });
});
