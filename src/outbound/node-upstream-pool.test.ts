import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/harness/eventually.ts';
import { always, client, server, wait } from '../../test/harness/node-upstream.ts';
import { answerOf, ask, type RawServer } from '../../test/harness/raw-server.ts';
import type { UpstreamExchange } from './upstream.ts';

describe('abort', () => {
  /** Aborts at a moment and watches whether anything is heard afterwards. */
  async function abortAt(
    answer: RawServer['answer'],
    when: 'at once' | 'connected' | 'head' | 'data' | 'body',
    call: Parameters<typeof ask>[2] = {},
  ): Promise<void> {
    const instance = await server(answer);
    const { connections, upstream } = client();
    const heard: string[] = [];
    let isAborted = false;
    const abort = (): void => {
      isAborted = true;
      exchange.abort();
    };
    const hear = (what: string): void => {
      if (isAborted) heard.push(what);
      if (what === when) abort();
    };
    const exchange = upstream(
      { target: instance.target, method: 'GET', path: '/', headerLines: '', body: undefined, ...call },
      {
        head: () => hear('head'),
        data: () => {
          hear('data');
          return true;
        },
        end: () => hear('end'),
        fail: () => hear('fail'),
      },
    );
    if (when === 'at once') abort();
    if (when === 'connected' || when === 'body') {
      await eventually(() => expect(instance.requests.length).toBeGreaterThan(0));
      abort();
    }
    await eventually(() => expect([isAborted, connections()]).toEqual([true, 0]));
    await wait(50);
    expect(heard).toEqual([]);
    await eventually(() => expect(instance.open()).toBe(0));
    exchange.abort();
    exchange.resume();
    instance.answer = always(answerOf('{}'));
    expect((await ask(upstream, instance.target)).status).toBe(200);
  }

  it('ends everything in every phase', async () => {
    const chunks = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n';
    await abortAt(always(answerOf('{}')), 'at once');
    await abortAt(() => undefined, 'connected');
    await abortAt(always(answerOf('{}')), 'head');
    await abortAt(always(chunks), 'data');
    let wasReturned = false;
    async function* endless() {
      try {
        for (;;) {
          await wait(5);
          yield Buffer.from('a');
        }
      } finally {
        wasReturned = true;
      }
    }
    await abortAt(() => undefined, 'body', {
      method: 'POST',
      body: { length: undefined, chunks: endless() },
    });
    await eventually(() => expect(wasReturned).toBe(true));
  });

  it('takes a waiting call out of the queue', async () => {
    const instance = await server(() => undefined);
    const { upstream } = client({ connections: 1 });
    const exchanges: UpstreamExchange[] = [];
    const ended: number[] = [];
    for (const nth of [0, 1, 2]) {
      void ask(upstream, instance.target, { path: `/${nth}` }, (exchange) => exchanges.push(exchange)).then(
        () => ended.push(nth),
      );
    }
    await eventually(() => expect(instance.requests).toHaveLength(1));
    exchanges[1]?.abort();
    instance.answer = always(answerOf('{}'));
    exchanges[0]?.abort();
    await eventually(() => expect(ended).toEqual([2]));
    expect(instance.requests.map((head) => head.split(' ')[1])).toEqual(['/0', '/2']);
  });
});

describe('a pool', () => {
  it('has no more connections than it may, and lets no more calls wait', async () => {
    const waiting: (() => void)[] = [];
    const instance = await server((socket) => waiting.push(() => socket.write(answerOf('{}'))));
    const { upstream } = client({ connections: 3, waiting: 4 });
    const calls = Array.from({ length: 9 }, () => ask(upstream, instance.target));
    const refused = await Promise.all(calls.slice(7));
    for (const { failure } of refused) {
      expect(failure).toMatchObject({ kind: 'overloaded', sent: false, retryAfterSeconds: 1 });
    }
    await eventually(() => expect(waiting).toHaveLength(3));
    while (instance.requests.length < 7 || waiting.length > 0) {
      waiting.shift()?.();
      await wait(5);
    }
    for (const { status } of await Promise.all(calls.slice(0, 7))) expect(status).toBe(200);
    expect(instance.connections()).toBe(3);
  });

  it('lets no call wait for longer than an answer may take', async () => {
    const instance = await server((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const timer = setInterval(() => socket.write('x'), 30);
      socket.on('close', () => clearInterval(timer));
    });
    const { upstream } = client({ connections: 1, timeoutMs: 100 });
    void ask(upstream, instance.target);
    const { failure } = await ask(upstream, instance.target);
    expect(failure).toMatchObject({ kind: 'overloaded', sent: false });
    expect(instance.requests).toHaveLength(1);
  });

  it('gives the place of a broken connection to a call that waits', async () => {
    const instance = await server((socket, head) => {
      if (head.startsWith('GET /0 ')) socket.destroy();
      else socket.write(answerOf('{}'));
    });
    const { upstream } = client({ connections: 1 });
    const [first, second] = await Promise.all([
      ask(upstream, instance.target, { path: '/0' }),
      ask(upstream, instance.target, { path: '/1' }),
    ]);
    expect([first.failure?.kind, second.status]).toEqual(['reset', 200]);
  });

  it('gives an idle connection to another instance when the process has no more', async () => {
    const [one, two] = [await server(always(answerOf('1'))), await server(always(answerOf('2')))];
    const { connections, upstream } = client({ connections: 2, connectionsInAll: 1 });
    expect((await ask(upstream, one.target)).body).toBe('1');
    expect((await ask(upstream, two.target)).body).toBe('2');
    expect(connections()).toBe(1);
    await eventually(() => expect(one.open()).toBe(0));
  });

  it('says nothing any more once the client is closed', async () => {
    const instance = await server(() => undefined);
    const made = client();
    let heard = 0;
    void ask(made.upstream, instance.target).then(() => {
      heard += 1;
    });
    await eventually(() => expect(instance.requests).toHaveLength(1));
    made.close();
    await eventually(() => expect(instance.open()).toBe(0));
    expect([heard, made.connections()]).toEqual([0, 0]);
  });
});
