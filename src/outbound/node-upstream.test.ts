import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/harness/eventually.ts';
import { answerOf, ask, pieces, type RawServer, startRawServer } from '../../test/harness/raw-server.ts';
import { createAuthority } from '../simulator/authority.ts';
import { createAddressPolicy, parseAllowEntry } from './addresses.ts';
import { createNodeUpstream, type NodeUpstream, type NodeUpstreamOptions } from './node-upstream.ts';
import type { UpstreamExchange, UpstreamFailure } from './upstream.ts';

const anyAddress = { permits: () => true };
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function client(options: Partial<NodeUpstreamOptions> = {}): NodeUpstream {
  const made = createNodeUpstream({ policy: anyAddress, timeoutMs: 2_000, sweepMs: 10, ...options });
  ends.push(made.close);
  return made;
}

async function server(answer: RawServer['answer'], tls?: Parameters<typeof startRawServer>[1]) {
  const made = await startRawServer(answer, tls);
  ends.push(made.close);
  return made;
}

const always =
  (text: string): RawServer['answer'] =>
  (socket) =>
    socket.write(text, 'latin1');

describe('a connection', () => {
  it('carries one call after the other', async () => {
    const instance = await server(always(answerOf('{}')));
    const { upstream, connections } = client();
    for (let call = 0; call < 5; call += 1) {
      expect(await ask(upstream, instance.target, { path: `/a?b=${call}` })).toMatchObject({
        status: 200,
        body: '{}',
        failure: undefined,
      });
    }
    expect(instance.connections()).toBe(1);
    expect(connections()).toBe(1);
    expect(instance.requests[4]).toBe(`GET /a?b=4 HTTP/1.1\r\nhost: ${new URL(instance.target.origin).host}`);
  });

  it('is used again from within the end of a call', async () => {
    const instance = await server(always(answerOf('{}')));
    const { upstream } = client();
    const statuses: number[] = [];
    await new Promise<void>((done) => {
      const begin = (): void => {
        upstream(
          { target: instance.target, method: 'GET', path: '/', headerLines: '', body: undefined },
          {
            head: ({ status }) => statuses.push(status),
            data: () => true,
            end: () => (statuses.length < 4 ? begin() : done()),
            fail: () => done(),
          },
        );
      };
      begin();
    });
    expect(statuses).toEqual([200, 200, 200, 200]);
    expect(instance.connections()).toBe(1);
  });

  it('is not shared by two instances with the same server', async () => {
    const instance = await server(always(answerOf('{}')));
    const { upstream } = client();
    await ask(upstream, instance.target);
    await ask(upstream, { ...instance.target });
    expect(instance.connections()).toBe(2);
  });

  it.each([
    ['says close', answerOf('{}', 'connection: close\r\n')],
    ['is of HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}'],
    ['has surplus behind it', `${answerOf('{}')}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n`],
    ['says that idle connections are closed at once', answerOf('{}', 'keep-alive: timeout=1\r\n')],
    ['has a body where none may be', 'HTTP/1.1 204 x\r\ncontent-length: 2\r\n\r\n{}'],
  ])('is not used again after an answer that %s', async (_, text) => {
    const instance = await server(always(text));
    const { upstream } = client();
    for (let call = 0; call < 3; call += 1) {
      expect((await ask(upstream, instance.target)).failure).toBeUndefined();
    }
    expect(instance.connections()).toBe(3);
  });

  it('is not used again when the answer came before the whole request was sent', async () => {
    const instance = await server((socket, head) => {
      socket.write(head.startsWith('POST') ? answerOf('"early"') : answerOf('"other"'));
    });
    const { upstream } = client();
    let wasReturned = false;
    async function* body() {
      try {
        yield Buffer.from('abc');
        await wait(100);
        yield Buffer.from('def');
      } finally {
        wasReturned = true;
      }
    }
    const early = await ask(upstream, instance.target, {
      method: 'POST',
      body: { length: 6, chunks: body() },
    });
    expect(early).toMatchObject({ status: 200, body: '"early"', failure: undefined });
    expect(await ask(upstream, instance.target)).toMatchObject({ body: '"other"' });
    expect(instance.connections()).toBe(2);
    await eventually(() => expect(wasReturned).toBe(true));
    expect(instance.received()).not.toContain('def');
  });

  it('is closed when surplus comes while it is idle', async () => {
    let nth = 0;
    const instance = await server((socket) => {
      nth += 1;
      socket.write(answerOf(`"${nth}"`));
      if (nth === 1) setTimeout(() => socket.write(answerOf('"of nobody"')), 20);
    });
    const { upstream, connections } = client();
    await ask(upstream, instance.target);
    await eventually(() => expect(connections()).toBe(0));
    expect((await ask(upstream, instance.target)).body).toBe('"2"');
    expect(instance.connections()).toBe(2);
  });

  it('is forgotten when the server closes it while it is idle', async () => {
    const instance = await server((socket) => {
      socket.write(answerOf('{}'));
      setTimeout(() => socket.end(), 20);
    });
    const { upstream, connections } = client();
    await ask(upstream, instance.target);
    await eventually(() => expect(connections()).toBe(0));
    expect((await ask(upstream, instance.target)).status).toBe(200);
  });

  it('is closed when it was idle for long', async () => {
    const instance = await server(always(answerOf('{}')));
    const { upstream, connections } = client({ keepAliveMs: 50 });
    await ask(upstream, instance.target);
    expect(connections()).toBe(1);
    await eventually(() => expect(connections()).toBe(0));
    await eventually(() => expect(instance.open()).toBe(0));
  });
});

describe('one retry on another connection', () => {
  /** Closes the connection of the second request without a byte. */
  const closesTheSecond: RawServer['answer'] = (socket, _, nth) => {
    if (nth === 2) socket.destroy();
    else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  };

  it.each(['GET', 'HEAD'])('is made for %s when a used one was closed without a byte', async (method) => {
    const instance = await server(closesTheSecond);
    const { upstream } = client();
    await ask(upstream, instance.target, { method });
    const second = await ask(upstream, instance.target, { method });
    expect(second).toMatchObject({ status: 200, failure: undefined });
    expect([instance.connections(), instance.requests.length]).toEqual([2, 3]);
  });

  it('is not made for POST: it may have been done', async () => {
    const instance = await server(closesTheSecond);
    const { upstream } = client();
    await ask(upstream, instance.target, { method: 'POST' });
    const second = await ask(upstream, instance.target, { method: 'POST' });
    expect(second.failure).toMatchObject({ kind: 'reset', sent: true });
    expect(instance.requests).toHaveLength(2);
  });

  it('is not made when the connection was new', async () => {
    const instance = await server((socket) => socket.destroy());
    const { upstream } = client();
    expect((await ask(upstream, instance.target)).failure).toMatchObject({ kind: 'reset', sent: true });
    expect(instance.requests).toHaveLength(1);
  });

  it('is not made when a byte of the answer came', async () => {
    const instance = await server((socket, _, nth) => {
      if (nth === 1) socket.write(answerOf('{}'));
      else socket.write('HTTP/1.1 2', () => socket.destroy());
    });
    const { upstream } = client();
    await ask(upstream, instance.target);
    expect((await ask(upstream, instance.target)).failure).toMatchObject({
      kind: 'invalid-answer',
      sent: true,
    });
    expect(instance.requests).toHaveLength(2);
  });

  it('is made only once', async () => {
    const instance = await server((socket, _, nth) => {
      if (nth === 1) socket.write(answerOf('{}'));
      else socket.destroy();
    });
    const { upstream } = client();
    await ask(upstream, instance.target);
    expect((await ask(upstream, instance.target)).failure?.kind).toBe('reset');
    expect(instance.requests).toHaveLength(3);
  });
});

describe('a failure says what happened', () => {
  const failureOf = async (
    answer: RawServer['answer'],
    options: Partial<NodeUpstreamOptions> = {},
    call: Parameters<typeof ask>[2] = {},
  ) => {
    const instance = await server(answer);
    const asked = await ask(client({ timeoutMs: 100, ...options }).upstream, instance.target, call);
    return asked;
  };

  it('no connection', async () => {
    const instance = await server(() => undefined);
    await instance.close();
    const { failure } = await ask(client().upstream, instance.target);
    expect(failure).toMatchObject({
      kind: 'connect',
      sent: false,
      detail: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('no name', async () => {
    const target = { origin: 'http://no-such-host.invalid', basePath: '', caCertificate: undefined };
    expect((await ask(client().upstream, target)).failure).toMatchObject({ kind: 'connect', sent: false });
  });

  it('no connection in time', async () => {
    // Accepts TCP and never answers TLS.
    const instance = await server(() => undefined);
    const target = { ...instance.target, origin: instance.target.origin.replace('http:', 'https:') };
    const { failure } = await ask(client({ connectMs: 60 }).upstream, target);
    expect(failure).toMatchObject({ kind: 'connect-timeout', sent: false });
  });

  it('an address that is not allowed, as a literal and as a name', async () => {
    const instance = await server(always(answerOf('{}')));
    const { upstream } = client({ policy: createAddressPolicy([]) });
    const named = { ...instance.target, origin: instance.target.origin.replace('127.0.0.1', 'localhost') };
    for (const target of [instance.target, named]) {
      expect((await ask(upstream, target)).failure).toMatchObject({ kind: 'refused-address', sent: false });
    }
    expect(instance.connections()).toBe(0);
    const entry = parseAllowEntry('127.0.0.0/8');
    const allowed = client({ policy: createAddressPolicy(entry ? [entry] : []) });
    expect((await ask(allowed.upstream, instance.target)).status).toBe(200);
  });

  it('silence before the answer, and a head that drips', async () => {
    const silent = await failureOf(() => undefined);
    expect(silent.failure).toMatchObject({ kind: 'first-byte-timeout', sent: true });
    const drip = await failureOf((socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 100 x\r\n\r\n'), 30);
      socket.on('close', () => clearInterval(timer));
    });
    expect(drip.failure).toMatchObject({ kind: 'first-byte-timeout', sent: true });
  });

  it('silence in the middle of an answer', async () => {
    const { body, failure, status } = await failureOf(
      always('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'),
    );
    expect([status, body, failure?.kind]).toEqual([200, 'abc', 'idle-timeout']);
  });

  it('nothing when an answer drips faster than the timeout', async () => {
    const { body, failure } = await failureOf((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n');
      let left = 6;
      const timer = setInterval(() => {
        left -= 1;
        socket.write('x');
        if (left === 0) clearInterval(timer);
      }, 50);
    });
    expect([body, failure]).toEqual(['xxxxxx', undefined]);
  });

  it('half an answer', async () => {
    const cases = [
      'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc',
    ];
    for (const text of cases) {
      const { body, failure } = await failureOf((socket) => socket.end(text));
      expect([body, failure?.kind, failure?.sent]).toEqual(['abc', 'reset', true]);
    }
  });

  it('garbage', async () => {
    const { failure } = await failureOf(always('SSH-2.0-OpenSSH_9.6\r\n'));
    expect(failure).toMatchObject({ kind: 'invalid-answer', sent: true });
    const later = await failureOf(
      always('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n'),
    );
    expect([later.status, later.body, later.failure?.kind]).toEqual([200, 'a', 'invalid-answer']);
  });

  it('a body of the caller that breaks, stalls, or is not as long as it said', async () => {
    async function* breaks() {
      yield Buffer.from('a');
      throw new Error('the caller went away');
    }
    async function* stalls() {
      yield Buffer.from('a');
      await wait(1_000);
    }
    const bodies = [
      { length: undefined, chunks: breaks() },
      { length: 5, chunks: stalls() },
      { length: 5, chunks: pieces('a', 'b') },
      { length: 1, chunks: pieces('a', 'b') },
    ];
    for (const body of bodies) {
      const { failure, status } = await failureOf(() => undefined, {}, { method: 'POST', body });
      expect([status, failure?.kind, failure?.sent]).toEqual([undefined, 'aborted', true]);
    }
  });

  it('a server that does not take the body', async () => {
    const { failure } = await failureOf(
      (socket) => {
        socket.pause();
      },
      {},
      {
        method: 'POST',
        body: {
          length: undefined,
          chunks: (async function* () {
            for (let index = 0; index < 1_000; index += 1) yield Buffer.alloc(65_536);
          })(),
        },
      },
    );
    expect(failure).toMatchObject({ kind: 'first-byte-timeout', sent: true });
  });
});

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

  it('stops the instance, and loses and repeats nothing', async () => {
    for (const text of [
      answerOf(big),
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${`1000\r\n${'x'.repeat(4_096)}\r\n`.repeat(2_000)}0\r\n\r\n`,
    ]) {
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
              setTimeout(() => exchange.resume(), taken === 1 ? 400 : 0);
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
      expect(size).toBe(text.includes('chunked') ? 4_096 * 2_000 : big.length);
      expect(connections()).toBe(1);
      expect((await ask(upstream, instance.target)).failure).toBeUndefined();
      expect(instance.connections()).toBe(1);
    }
  });

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

describe('TLS', () => {
  it('trusts the certificate authority of the instance and no stranger', async () => {
    const [own, stranger] = [await createAuthority(), await createAuthority()];
    const instance = await server(always(answerOf('{}')), await own.issue(['localhost']));
    const { upstream } = client();
    const target = { ...instance.target, caCertificate: own.certificatePem };
    for (let call = 0; call < 2; call += 1) expect((await ask(upstream, target)).body).toBe('{}');
    expect(instance.connections()).toBe(1);
    for (const caCertificate of [undefined, stranger.certificatePem, 'no certificate']) {
      const { failure } = await ask(upstream, { ...target, caCertificate });
      expect(failure).toMatchObject({ kind: 'connect', sent: false });
    }
    expect(instance.requests).toHaveLength(2);
  });

  it('refuses a certificate of another name', async () => {
    const own = await createAuthority();
    const instance = await server(always(answerOf('{}')), await own.issue(['elsewhere.example.test']));
    const target = { ...instance.target, caCertificate: own.certificatePem };
    expect((await ask(client().upstream, target)).failure).toMatchObject({
      kind: 'connect',
      sent: false,
      detail: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
    });
  });

  it('carries bodies both ways, cut at every byte', async () => {
    const own = await createAuthority();
    const instance = await server(
      (socket) => {
        for (const byte of answerOf('{"a":1}')) socket.write(byte);
      },
      await own.issue(['localhost']),
    );
    const target = { ...instance.target, caCertificate: own.certificatePem };
    const { upstream } = client();
    const body = { length: 6, chunks: pieces('abc', 'def') };
    expect((await ask(upstream, target, { method: 'POST', body })).body).toBe('{"a":1}');
    expect((await ask(upstream, target)).body).toBe('{"a":1}');
  });
});
