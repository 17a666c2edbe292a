import { describe, expect, it } from 'vitest';
import { always, client, server, wait } from '../../test/harness/node-upstream.ts';
import { answerOf, ask, pieces, type RawServer } from '../../test/harness/raw-server.ts';
import { createAddressPolicy, parseAllowEntry } from './addresses.ts';
import type { NodeUpstreamOptions } from './node-upstream.ts';

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

  it('no connection, for which it is tried twice and no third time', async () => {
    const instance = await server(() => undefined);
    await instance.close();
    let dialled = 0;
    const policy = {
      permits: () => {
        dialled += 1;
        return true;
      },
    };
    const { failure } = await ask(client({ policy }).upstream, instance.target);
    expect(failure).toMatchObject({ kind: 'connect', sent: false });
    expect(dialled).toBe(2);
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
