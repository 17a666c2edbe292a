import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerOf, ask, type RawServer, startRawServer } from '../../test/harness/raw-server.ts';
import { testedSockets } from '../../test/harness/sockets.ts';
import { createNodeUpstream, type NodeUpstream } from './node-upstream.ts';
import type { Upstream, UpstreamExchange, UpstreamTarget } from './upstream.ts';
import { withCircuit } from './upstream-circuit.ts';

const html = 'HTTP/1.1 503 x\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\n<>';
const ownError = 'HTTP/1.1 503 x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}';

describe('an instance that fails', () => {
  let server: RawServer;
  let client: NodeUpstream;
  let upstream: Upstream;
  let nowMs = 1_000_000;

  beforeEach(async () => {
    server = await startRawServer((socket) => socket.write(html));
    client = createNodeUpstream({
      policy: { permits: () => true },
      timeoutMs: 2_000,
      sweepMs: 10,
      sockets: testedSockets,
    });
    upstream = withCircuit(
      client.upstream,
      () => nowMs,
      () => 0.5,
    );
  });
  afterEach(async () => {
    client.close();
    await server.close();
  });

  const answer = (text: string): void => {
    server.answer = (socket) => socket.write(text);
  };
  const times = async (count: number, target: UpstreamTarget = server.target): Promise<void> => {
    for (let call = 0; call < count; call += 1) await ask(upstream, target);
  };
  const isOpen = async (): Promise<boolean> =>
    (await ask(upstream, server.target)).failure?.kind === 'circuit-open';

  it('is left alone after ten exchanges of which half failed, and says for how long', async () => {
    answer(answerOf('{}'));
    await times(5);
    answer(html);
    await times(5);
    const { failure } = await ask(upstream, server.target);
    expect(failure).toMatchObject({ kind: 'circuit-open', sent: false, retryAfterSeconds: 2 });
    expect(server.requests).toHaveLength(10);
    expect((await ask(upstream, { ...server.target })).status).toBe(503);
  });

  it('is called as ever while it answers 5xx in JSON: that is its own answer to the call', async () => {
    answer(ownError);
    await times(30);
    expect(server.requests).toHaveLength(30);
  });

  it('counts when it breaks the connection, before or in the middle of an answer', async () => {
    for (const text of ['', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab', 'garbage']) {
      server.answer = (socket) => socket.end(text);
      const target = { ...server.target };
      await times(10, target);
      expect((await ask(upstream, target)).failure?.kind).toBe('circuit-open');
    }
  });

  it('counts also when nobody wants the rest of its answer', async () => {
    const nobody = (): Promise<void> =>
      new Promise((resolve) => {
        const exchange = upstream(
          { target: server.target, method: 'GET', path: '/', headerLines: '', body: undefined },
          {
            head: () => {
              exchange.abort();
              resolve();
            },
            data: () => true,
            end: () => undefined,
            fail: () => resolve(),
          },
        );
      });
    for (let call = 0; call < 10; call += 1) await nobody();
    expect(await isOpen()).toBe(true);
  });

  it('is tried with one call when the time is over, and called again when that one succeeds', async () => {
    await times(10);
    expect(await isOpen()).toBe(true);
    nowMs += 60_000;
    const held: (() => void)[] = [];
    server.answer = (socket) => held.push(() => socket.write(answerOf('{}')));
    const probe = ask(upstream, server.target);
    expect(await isOpen()).toBe(true);
    while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    held[0]?.();
    expect((await probe).status).toBe(200);
    answer(answerOf('{}'));
    expect(
      (await Promise.all([ask(upstream, server.target), ask(upstream, server.target)])).map((a) => a.status),
    ).toEqual([200, 200]);
  });

  it('is left alone again when the one that tries it fails', async () => {
    await times(10);
    nowMs += 60_000;
    expect((await ask(upstream, server.target)).status).toBe(503);
    expect(await isOpen()).toBe(true);
  });

  it('is tried by the next call when the one that tried it was aborted', async () => {
    await times(10);
    nowMs += 60_000;
    server.answer = () => undefined;
    let exchange: UpstreamExchange | undefined;
    void ask(upstream, server.target, {}, (made) => {
      exchange = made;
    });
    expect(await isOpen()).toBe(true);
    exchange?.abort();
    exchange?.abort();
    answer(answerOf('{}'));
    expect((await ask(upstream, server.target)).status).toBe(200);
  });

  it('says nothing to a call that was aborted', async () => {
    await times(10);
    let heard = false;
    const exchange = upstream(
      { target: server.target, method: 'GET', path: '/', headerLines: '', body: undefined },
      {
        head: () => undefined,
        data: () => true,
        end: () => undefined,
        fail: () => {
          heard = true;
        },
      },
    );
    exchange.abort();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(heard).toBe(false);
  });
});
