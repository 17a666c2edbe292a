import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/harness/eventually.ts';
import { always, client, server, wait } from '../../test/harness/node-upstream.ts';
import { answerOf, ask, pieces } from '../../test/harness/raw-server.ts';
import type { UpstreamExchange, UpstreamFailure } from './upstream.ts';

describe('a body of the caller', () => {
  it('is sent with its length, head and first part together', async () => {
    const instance = await server(always(answerOf('{}')));
    const body = { length: 6, chunks: pieces('abc', 'def') };
    const asked = await ask(client().upstream, instance.target, {
      method: 'PUT',
      headerLines: 'content-type: text/plain\r\n',
      body,
    });
    expect(asked.status).toBe(200);
    await eventually(() =>
      expect(instance.received()).toMatch(
        /^PUT \/ HTTP\/1\.1\r\nhost: \S+\r\ncontent-type: text\/plain\r\ncontent-length: 6\r\n\r\nabc(def)?$/,
      ),
    );
  });

  it('is sent in chunks when nobody knows its length', async () => {
    const instance = await server(() => undefined);
    const { upstream } = client();
    const asked = ask(upstream, instance.target, {
      method: 'POST',
      body: { length: undefined, chunks: pieces('abc', '', '0123456789abcdef') },
    });
    await eventually(() => expect(instance.received()).toContain('0\r\n\r\n'));
    expect(instance.received()).toMatch(
      /\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n$/,
    );
    await instance.close();
    expect((await asked).failure?.kind).toBe('reset');
  });

  it('lets the connection be used again once it is sent', async () => {
    let length = 0;
    const instance = await server(() => undefined);
    instance.answer = (socket, head) => {
      if (head.startsWith('GET')) {
        socket.write(answerOf('{}'));
        return;
      }
      const timer = setInterval(() => {
        length = instance.received().length;
        if (!instance.received().includes('lmn')) return;
        clearInterval(timer);
        socket.write(answerOf('{}'));
      }, 5);
    };
    const { upstream } = client();
    const body = { length: 14, chunks: pieces('abcdefgh', 'ijklmn') };
    expect((await ask(upstream, instance.target, { method: 'POST', body })).status).toBe(200);
    expect((await ask(upstream, instance.target)).status).toBe(200);
    expect([instance.connections(), length > 0]).toEqual([1, true]);
  });

  it('is none for a POST without one, which says so', async () => {
    const instance = await server(always(answerOf('{}')));
    await ask(client().upstream, instance.target, { method: 'POST' });
    expect(instance.requests[0]).toMatch(/\r\ncontent-length: 0$/);
  });

  it('is pulled only as fast as the server takes it', async () => {
    let pulled = 0;
    const instance = await server(() => undefined);
    instance.answer = (socket) => socket.pause();
    let exchange: UpstreamExchange | undefined;
    void ask(
      client().upstream,
      instance.target,
      {
        method: 'POST',
        body: {
          length: undefined,
          chunks: (async function* () {
            for (;;) {
              pulled += 1;
              yield Buffer.alloc(65_536);
            }
          })(),
        },
      },
      (made) => {
        exchange = made;
      },
    );
    await wait(300);
    const before = pulled;
    expect(before).toBeGreaterThan(0);
    await wait(200);
    expect(pulled).toBe(before);
    exchange?.abort();
  });
});

describe('a slow reader', () => {
  const big = 'x'.repeat(8_000_000);

  const inChunks = `${`1000\r\n${'x'.repeat(4_096)}\r\n`.repeat(2_000)}0\r\n\r\n`;

  it.each([
    ['of one length', answerOf(big), big.length],
    ['in chunks', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${inChunks}`, 4_096 * 2_000],
  ])(
    'stops the instance, and loses and repeats nothing: %s',
    async (_, text, length) => {
      let flushed = false;
      const instance = await server((socket) =>
        socket.write(text, () => {
          flushed = true;
        }),
      );
      const { connections, upstream } = client({ timeoutMs: 150 });
      let size = 0;
      let taken = 0;
      const done = new Promise<UpstreamFailure | undefined>((resolve) => {
        const exchange = upstream(
          { target: instance.target, method: 'GET', path: '/', headerLines: '', body: undefined },
          {
            head: () => undefined,
            data: (chunk) => {
              size += chunk.length;
              taken += 1;
              // Longer than the idle timeout for the first piece: the reader's slowness is not the instance's.
              if (taken === 1) setTimeout(() => exchange.resume(), 400);
              else setImmediate(() => exchange.resume());
              return false;
            },
            end: () => resolve(undefined),
            fail: resolve,
          },
        );
      });
      await eventually(() => expect(taken).toBe(1));
      await wait(200);
      expect([taken, flushed]).toEqual([1, false]);
      expect(await done).toBeUndefined();
      expect(size).toBe(length);
      expect(connections()).toBe(1);
      expect((await ask(upstream, instance.target)).failure).toBeUndefined();
      expect(instance.connections()).toBe(1);
    },
    20_000,
  );

  it('that takes nothing any more loses its answer', async () => {
    const instance = await server(always(answerOf(big)));
    const { connections, upstream } = client({ slowReaderMs: 60 });
    const failure = await new Promise<UpstreamFailure>((resolve) => {
      upstream(
        { target: instance.target, method: 'GET', path: '/', headerLines: '', body: undefined },
        { head: () => undefined, data: () => false, end: () => undefined, fail: resolve },
      );
    });
    expect(failure).toMatchObject({ kind: 'aborted' });
    expect(connections()).toBe(0);
  });
});
