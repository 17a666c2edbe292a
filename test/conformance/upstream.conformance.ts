import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AddressPolicy } from '../../src/outbound/addresses.ts';
import type { Upstream, UpstreamExchange, UpstreamFailure } from '../../src/outbound/upstream.ts';
import { eventually } from '../harness/eventually.ts';
import { answerOf, ask, pieces, type RawServer, startRawServer } from '../harness/raw-server.ts';

/** What callers of an `Upstream` rely on, whichever it is. */

export interface UpstreamSubject {
  open(options: { policy: AddressPolicy; timeoutMs: number }): { upstream: Upstream; close: () => void };
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const timeoutMs = 400;

export function describeUpstream(name: string, subject: UpstreamSubject): void {
  describe(name, () => {
    let server: RawServer;
    let upstream: Upstream;
    let close: () => void;

    beforeEach(async () => {
      server = await startRawServer((socket) => socket.write(answerOf('{}')));
      ({ upstream, close } = subject.open({ policy: { permits: () => true }, timeoutMs }));
    });
    afterEach(async () => {
      close();
      await server.close();
    });

    const always = (text: string): void => {
      server.answer = (socket) => socket.write(text, 'latin1');
    };

    it('sends method, path, query and headers as they are', async () => {
      const path = '/jss/api/v1/a%2Fb/{id}?filter=general.name==%22x%22&a=1';
      await ask(upstream, server.target, {
        method: 'PUT',
        path,
        headerLines: 'accept: application/json\r\nauthorization: Bearer t\r\nx-request-id: r-1\r\n',
      });
      const [head = ''] = server.requests;
      expect(head).toMatch(
        /^PUT \/jss\/api\/v1\/a%2Fb\/(\{id\}|%7Bid%7D)\?filter=general\.name==%22x%22&a=1 HTTP\/1\.1\r\n/,
      );
      for (const line of ['accept: application/json', 'authorization: Bearer t', 'x-request-id: r-1']) {
        expect(head.toLowerCase()).toContain(`\r\n${line.toLowerCase()}`);
      }
      expect(head).not.toMatch(/cookie/i);
    });

    it('gives back status, headers and body', async () => {
      always(
        'HTTP/1.1 404 x\r\nContent-Type: application/json\r\nETag: "1"\r\nContent-Length: 7\r\n\r\n{"a":1}',
      );
      const asked = await ask(upstream, server.target);
      expect(asked).toMatchObject({ status: 404, body: '{"a":1}', failure: undefined });
      const headers = new Map(asked.headers);
      expect([headers.get('content-type'), headers.get('etag')]).toEqual(['application/json', '"1"']);
    });

    it('reads chunked answers, closed ones, and those without a body', async () => {
      always('HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n');
      expect((await ask(upstream, server.target)).body).toBe('abcdef');
      server.answer = (socket) => socket.end('HTTP/1.1 200 x\r\n\r\nabc');
      expect((await ask(upstream, server.target)).body).toBe('abc');
      for (const status of [204, 304]) {
        always(`HTTP/1.1 ${status} x\r\n\r\n`);
        expect(await ask(upstream, server.target)).toMatchObject({ status, body: '', failure: undefined });
      }
      always('HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\n');
      const toHead = await ask(upstream, server.target, { method: 'HEAD' });
      expect(toHead).toMatchObject({ status: 200, body: '', failure: undefined });
    });

    it('follows no redirection', async () => {
      always('HTTP/1.1 302 x\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n');
      expect((await ask(upstream, server.target)).status).toBe(302);
      expect(server.requests).toHaveLength(1);
    });

    it('keeps no cookie', async () => {
      always(answerOf('{}', 'set-cookie: APBALANCEID=node1; Path=/\r\n'));
      await ask(upstream, server.target);
      await ask(upstream, server.target);
      expect(server.requests[1]).not.toMatch(/cookie/i);
    });

    it('sends bodies with and without a length', async () => {
      server.answer = () => undefined;
      const answerWhen = async (end: string, asked: Promise<unknown>): Promise<string> => {
        await eventually(() => expect(server.received()).toContain(end));
        await server.close();
        await asked;
        return server.received();
      };
      const known = ask(upstream, server.target, {
        method: 'POST',
        headerLines: 'content-type: application/json\r\n',
        body: { length: 7, chunks: pieces('{"a"', ':1}') },
      });
      expect(await answerWhen(':1}', known)).toMatch(/content-length: 7\r\n[\s\S]*\{"a":1\}$/i);
    });

    it('sends a long body whole', async () => {
      const text = 'x'.repeat(50_000);
      server.answer = (socket) => {
        const timer = setInterval(() => {
          if (!server.received().includes('THE END')) return;
          clearInterval(timer);
          socket.write(answerOf('{}'));
        }, 5);
      };
      for (const length of [250_007, undefined]) {
        const body = { length, chunks: pieces(text, text, text, text, text, 'THE END') };
        expect((await ask(upstream, server.target, { method: 'POST', body })).status).toBe(200);
      }
      expect(server.received().match(/x/g)?.length).toBeGreaterThanOrEqual(500_000);
    });

    it('tells a body that breaks', async () => {
      async function* breaks() {
        yield Buffer.from('a');
        throw new Error('the caller went away');
      }
      server.answer = () => undefined;
      for (const length of [5, undefined]) {
        const body = { length, chunks: breaks() };
        const { failure } = await ask(upstream, server.target, { method: 'POST', body });
        expect(failure?.kind).toBe('aborted');
      }
    });

    it('tells an address that is refused, and never before the call has returned', async () => {
      const refusing = subject.open({ policy: { permits: () => false }, timeoutMs });
      let isBegun = false;
      const failure = await new Promise<UpstreamFailure>((resolve, reject) => {
        refusing.upstream(
          { target: server.target, method: 'GET', path: '/', headerLines: '', body: undefined },
          {
            head: () => reject(new Error('a head')),
            data: () => true,
            end: () => reject(new Error('an end')),
            fail: (found) => (isBegun ? resolve(found) : reject(new Error('too early'))),
          },
        );
        isBegun = true;
      });
      refusing.close();
      expect(failure).toMatchObject({ kind: 'refused-address', sent: false });
      expect(server.connections()).toBe(0);
    });

    it('tells a server that is not there', async () => {
      await server.close();
      expect((await ask(upstream, server.target)).failure?.kind).toBe('connect');
    });

    it('tells silence, before the answer and in it', async () => {
      server.answer = () => undefined;
      expect((await ask(upstream, server.target)).failure).toMatchObject({
        kind: 'first-byte-timeout',
        sent: true,
      });
      always('HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nabc');
      const half = await ask(upstream, server.target);
      expect([half.status, half.body, half.failure?.kind]).toEqual([200, 'abc', 'idle-timeout']);
    });

    it('tells half an answer', async () => {
      server.answer = (socket) => socket.end('HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nabc');
      const { failure, status } = await ask(upstream, server.target);
      expect([status, failure?.kind]).toEqual([200, 'reset']);
    });

    it('tells garbage', async () => {
      server.answer = (socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n');
      const { failure, status } = await ask(upstream, server.target);
      expect(status).toBeUndefined();
      expect(failure).toBeDefined();
    });

    it('waits for a slow reader and gives it everything', async () => {
      const size = 6_000_000;
      let flushed = false;
      server.answer = (socket) =>
        socket.write(answerOf('x'.repeat(size)), () => {
          flushed = true;
        });
      let taken = 0;
      let early = 0;
      const failure = await new Promise<UpstreamFailure | undefined>((resolve) => {
        let isHeld = false;
        const exchange = upstream(
          { target: server.target, method: 'GET', path: '/', headerLines: '', body: undefined },
          {
            head: () => undefined,
            data: (chunk) => {
              if (isHeld) early += 1;
              isHeld = true;
              const ms = taken === 0 ? timeoutMs * 2 : 0;
              taken += chunk.byteLength;
              setTimeout(() => {
                if (ms > 0) expect(flushed).toBe(false);
                isHeld = false;
                exchange.resume();
              }, ms);
              return false;
            },
            end: () => resolve(undefined),
            fail: resolve,
          },
        );
      });
      expect([failure, taken, early]).toEqual([undefined, size, 0]);
    });

    it('says nothing after an abort', async () => {
      for (const when of ['at once', 'waiting', 'head', 'data']) {
        const heard: string[] = [];
        let exchange: UpstreamExchange | undefined;
        let isAborted = false;
        const hear = (what: string): boolean => {
          if (isAborted) heard.push(what);
          if (what === when) {
            isAborted = true;
            exchange?.abort();
          }
          return true;
        };
        const before = server.requests.length;
        server.answer = (socket) => {
          if (when === 'waiting') return;
          socket.write('HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\na');
          setTimeout(() => socket.write('b'), 20);
        };
        exchange = upstream(
          { target: server.target, method: 'GET', path: '/', headerLines: '', body: undefined },
          {
            head: () => hear('head'),
            data: () => hear('data'),
            end: () => hear('end'),
            fail: () => hear('fail'),
          },
        );
        if (when === 'at once') hear('at once');
        if (when === 'waiting') {
          await eventually(() => expect(server.requests.length).toBeGreaterThan(before));
          hear('waiting');
        }
        await eventually(() => expect(isAborted).toBe(true));
        await wait(80);
        expect(heard).toEqual([]);
        exchange.abort();
        exchange.resume();
      }
    });
  });
}
