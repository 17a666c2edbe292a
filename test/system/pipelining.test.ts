import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boundedChunks } from '../../src/gateway/body.ts';
import { publicStreams } from '../../src/outbound/node-sockets.ts';
import { nodeRequestFacts } from '../../src/runtime/node-http.ts';
import { createAuthority } from '../../src/simulator/authority.ts';
import { presenting } from '../harness/certificates.ts';
import { type LaneScene, parseAnswers, startLaneScene } from '../harness/lane-scene.ts';
import { testedSockets } from '../harness/sockets.ts';

/**
 * Requests that come before the answer of the one before them (RFC 9112, 9.3 and 9.6): mixtures of good, bad, closing and
 * expecting ones, cut anywhere, against a model of what a caller may rely on. A failure prints its seed;
 * ESPALIER_FUZZ_RUNS asks for more.
 */

const bodyLimit = 100;

/** What a caller sends, and what comes of it. */
interface Element {
  readonly kind: string;
  readonly text: (id: string) => string;
  readonly status: number;
  /** An interim answer comes before it. */
  readonly continues?: true;
  /** Nothing that follows is begun or answered, and the connection closes. */
  readonly closes?: true;
  /** Its effect is there. */
  readonly acts?: true;
}

describe('pipelined requests', () => {
  let scene: LaneScene;
  let call: (more?: string, version?: string) => (id: string) => string;
  const acted: string[] = [];
  let ports: Record<string, () => Promise<Socket>>;

  beforeAll(async () => {
    scene = await startLaneScene({
      addRoutes: (app) => {
        app.post('/act', async (c) => {
          const body = await nodeRequestFacts.readBody(c, bodyLimit);
          const id = c.req.header('x-request-id') ?? '';
          acted.push(id);
          await new Promise((resolve) => setTimeout(resolve, delayOf(id)));
          return c.json({ bytes: body.byteLength });
        });
        app.post('/stream', async (c) => {
          let bytes = 0;
          const chunks = nodeRequestFacts.body(c)?.chunks;
          if (chunks) for await (const chunk of boundedChunks(chunks, bodyLimit)) bytes += chunk.byteLength;
          acted.push(c.req.header('x-request-id') ?? '');
          return c.json({ bytes });
        });
        app.post('/unread', (c) => c.json({}));
      },
    });
    const device = await scene.device();
    const token = scene.token();
    call =
      (more = '', version = '1.1') =>
      (id) =>
        `GET /t/${scene.tenantId}/devices/${device}/compliance HTTP/${version}\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nX-Request-Id: ${id}\r\n${more}\r\n`;
    scene.answer = (socket, head) => {
      const id = /x-request-id: (\S+)/i.exec(head)?.[1] ?? '';
      acted.push(id);
      const answer = '{"ok":true}';
      setTimeout(
        () =>
          socket.write(
            `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`,
          ),
        delayOf(id),
      );
    };
    const issued = await (await createAuthority()).issue(['127.0.0.1']);
    const pair = { cert: issued.certificatePem, key: issued.keyPem };
    const certificates = presenting(pair);
    const ways = { lane: { sockets: testedSockets }, public: { sockets: publicStreams }, off: {} };
    ports = {};
    for (const [name, way] of Object.entries(ways))
      for (const isTls of [false, true]) {
        const { origin } = await scene.listen({ ...way, ...(isTls ? { certificates } : {}) });
        const port = Number(new URL(origin).port);
        ports[`${name}${isTls ? ' over TLS' : ''}`] = async () => {
          const socket = isTls
            ? tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
            : connect({ port, host: '127.0.0.1', noDelay: true });
          await once(socket, isTls ? 'secureConnect' : 'connect');
          return socket;
        };
      }
  });
  afterAll(() => scene?.close());

  /** The id of a request says how long its answer takes. */
  const delayOf = (id: string): number => Number(id.split('-')[1] ?? 0);
  const post =
    (more: string, body: string, path = '/act') =>
    (id: string) =>
      `POST ${path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${id}\r\n${more}\r\n${body}`;

  const elements = (): readonly Element[] => [
    { kind: 'call', text: call(), status: 200, acts: true },
    { kind: 'call', text: call(), status: 200, acts: true },
    { kind: 'call not of the lane', text: call('X-Other: 1\r\n'), status: 200, acts: true },
    { kind: 'refused call', text: (id) => call()(id).replace(/Bearer \S+/, 'Bearer a.b.c'), status: 401 },
    { kind: 'body', text: post('Content-Length: 5\r\n', 'hello'), status: 200, acts: true },
    {
      kind: 'chunks',
      text: post('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nX-T: 1\r\n\r\n'),
      status: 200,
      acts: true,
    },
    {
      kind: 'expecting',
      text: post('Content-Length: 5\r\nExpect: 100-continue\r\n', 'hello'),
      status: 200,
      continues: true,
      acts: true,
    },
    {
      kind: 'expecting without a body',
      text: call('Expect: 100-continue\r\n'),
      status: 200,
      continues: true,
      acts: true,
    },
    { kind: 'other expectation', text: call('Expect: tea\r\n'), status: 417 },
    { kind: 'too large', text: post('Content-Length: 200\r\n', 'x'.repeat(200)), status: 413 },
    {
      kind: 'too large in chunks',
      text: post('Transfer-Encoding: chunked\r\n', `c8\r\n${'x'.repeat(200)}\r\n0\r\n\r\n`),
      status: 413,
    },
    { kind: 'unread body', text: post('Content-Length: 5\r\n', 'hello', '/unread'), status: 200 },
    {
      kind: 'streamed',
      text: post('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n', '/stream'),
      status: 200,
      acts: true,
    },
    {
      kind: 'streamed, too large',
      text: post('Content-Length: 30000\r\n', 'x'.repeat(30_000), '/stream'),
      status: 413,
    },
    {
      kind: 'a bad chunk of a stream',
      text: post('Transfer-Encoding: chunked\r\n', '2\r\nhi\r\nzz\r\n', '/stream'),
      status: 400,
      closes: true,
    },
    { kind: 'no such path', text: post('Content-Length: 5\r\n', 'hello', '/nothing'), status: 404 },
    { kind: 'no host', text: (id) => call()(id).replace('Host: a\r\n', ''), status: 400, closes: true },
    {
      kind: 'a body of GET',
      text: (id) => `${call('Content-Length: 5\r\n')(id)}hello`,
      status: 400,
      closes: true,
    },
    { kind: 'close', text: call('Connection: close\r\n'), status: 200, acts: true, closes: true },
    {
      kind: 'close with a body',
      text: post('Connection: close\r\nContent-Length: 5\r\n', 'hello'),
      status: 200,
      acts: true,
      closes: true,
    },
    { kind: 'HTTP/1.0', text: call('', '1.0'), status: 200, acts: true, closes: true },
    { kind: 'no HTTP', text: () => 'hello\r\n\r\n', status: 400, closes: true },
    { kind: 'a space in a name', text: call('Bad Name: x\r\n'), status: 400, closes: true },
    {
      kind: 'two lengths',
      text: post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello'),
      status: 400,
      closes: true,
    },
    {
      kind: 'length and chunks',
      text: post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
      status: 400,
      closes: true,
    },
    {
      kind: 'a bad chunk',
      text: post('Transfer-Encoding: chunked\r\n', '2\r\nhi\r\nzz\r\n'),
      status: 400,
      closes: true,
    },
    { kind: 'large headers', text: call(`X-Large: ${'x'.repeat(20_000)}\r\n`), status: 431, closes: true },
    { kind: 'CONNECT', text: () => 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', status: 400, closes: true },
  ];

  interface Expected {
    readonly statuses: readonly number[];
    readonly acted: readonly string[];
    readonly closes: boolean;
  }
  const expected = (sent: readonly (Element & { readonly id: string })[]): Expected => {
    const end = sent.findIndex(({ closes }) => closes);
    const answered = end < 0 ? sent : sent.slice(0, end + 1);
    return {
      statuses: answered.flatMap(({ continues, status }) => (continues ? [100, status] : [status])),
      acted: answered.filter(({ acts }) => acts).map(({ id }) => id),
      closes: end >= 0,
    };
  };

  /** Writes the pieces in turns of their own, and hears until all has come and nothing more does. */
  async function exchange(open: () => Promise<Socket>, pieces: readonly string[], want: Expected) {
    const socket = await open();
    let text = '';
    let closed = false;
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed = true;
    });
    socket.on('end', () => {
      closed = true;
    });
    for (const piece of pieces) {
      if (socket.destroyed || socket.writableEnded) break;
      socket.write(piece, 'latin1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const isDone = (): boolean => parseAnswers(text).length >= want.statuses.length && closed === want.closes;
    for (const end = Date.now() + 5_000 + 100 * want.statuses.length; !isDone() && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 2));
    // What must not come would come now.
    await new Promise((resolve) => setTimeout(resolve, 15));
    socket.destroy();
    return { answers: parseAnswers(text), text, closed };
  }

  let runs = 0;
  async function holds(
    open: () => Promise<Socket>,
    kinds: readonly number[],
    delays: readonly number[],
    cut: (text: string) => readonly string[],
  ): Promise<void> {
    runs += 1;
    const run = `r${runs}.`;
    const all = elements();
    const sent = kinds.map((kind, at) => ({
      ...(all[kind % all.length] as Element),
      id: `${run}${at}-${delays[at % delays.length] ?? 0}`,
    }));
    const text = sent.map(({ id, text: textOf }) => textOf(id)).join('');
    const want = expected(sent);
    const { answers, closed } = await exchange(open, cut(text), want);
    const what = sent.map(({ kind }) => kind).join(', ');
    expect(
      {
        statuses: answers.map((one) => ('status' in one ? one.status : one.broken)),
        acted: acted.filter((id) => id.startsWith(run)),
        closed,
      },
      what,
    ).toEqual({ statuses: want.statuses, acted: want.acted, closed: want.closes });
    const whole = answers.filter((one) => 'status' in one).filter(({ status }) => status !== 100);
    whole.forEach(({ headers }, at) => {
      const isLast = want.closes && at === whole.length - 1;
      expect(headers.connection === 'close', `${what}: connection of answer ${at}`).toBe(isLast);
      const id = headers['x-request-id'];
      if (id !== undefined) expect(id, what).toBe(sent[at]?.id);
    });
  }

  const whole = (text: string): readonly string[] => [text];
  const numRuns = Number(process.env.ESPALIER_FUZZ_RUNS ?? 25);

  // Most of their time they wait for an answer that is slow on purpose, or for one that must not come.
  describe.concurrent.each(['lane', 'lane over TLS', 'public', 'public over TLS', 'off', 'off over TLS'])(
    '%s',
    (name) => {
      it('one of each kind alone, and behind and before a slow call', { timeout: 60_000 }, async () => {
        for (let kind = 0; kind < elements().length; kind += 1)
          for (const kinds of [[kind], [0, kind], [kind, 0], [4, kind, 4]])
            await holds(ports[name] as never, kinds, [20, 0], whole);
      });

      it('any mixture in one write', { timeout: 120_000 }, async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.nat(elements().length - 1), { minLength: 1, maxLength: 6 }),
            fc.array(fc.constantFrom(0, 0, 5, 25), { minLength: 1, maxLength: 4 }),
            (kinds, delays) => holds(ports[name] as never, kinds, delays, whole),
          ),
          { numRuns },
        );
      });

      it('any mixture, cut into pieces anywhere', { timeout: 120_000 }, async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.nat(elements().length - 1), { minLength: 1, maxLength: 5 }),
            fc.array(fc.constantFrom(0, 0, 5), { minLength: 1, maxLength: 4 }),
            fc.array(fc.nat(700), { minLength: 1, maxLength: 12 }),
            (kinds, delays, lengths) =>
              holds(ports[name] as never, kinds, delays, (text) => {
                const pieces: string[] = [];
                for (let at = 0, turn = 0; at < text.length; turn += 1) {
                  const length = 1 + (lengths[turn % lengths.length] ?? 0);
                  pieces.push(text.slice(at, at + length));
                  at += length;
                }
                return pieces;
              }),
          ),
          { numRuns },
        );
      });

      it('hundreds in one write are all answered, in their order', { timeout: 60_000 }, async () => {
        await holds(
          ports[name] as never,
          Array.from({ length: 150 }, (_, at) => at % 3),
          [0],
          whole,
        );
      });

      it('an answer whose request never ends says that it closes, and closes', {
        timeout: 60_000,
      }, async () => {
        for (const [path, status] of [
          ['/act', 413],
          ['/unread', 200],
          ['/nothing', 404],
        ] as const) {
          const text = call()('r0.0-0') + post('Content-Length: 200\r\n', 'half', path)('r0.1-0');
          const { answers, closed } = await exchange(ports[name] as never, [text], {
            statuses: [200, status],
            acted: [],
            closes: true,
          });
          expect(answers).toMatchObject([
            { status: 200, headers: { connection: 'keep-alive' } },
            { status, headers: { connection: 'close' } },
          ]);
          expect(closed).toBe(true);
        }
      });

      it('split at every byte', { timeout: 60_000 }, async () => {
        const kinds = elements().map(({ kind }) => kind);
        for (const named of [
          ['body', 'call', 'expecting', 'too large', 'a bad chunk'],
          ['call', 'chunks', 'streamed', 'close', 'call'],
          ['expecting without a body', 'no host', 'call', 'no HTTP', 'call'],
        ])
          await holds(
            ports[name] as never,
            named.map((one) => kinds.indexOf(one)),
            [0],
            (text) => [...text],
          );
      });
    },
  );
});
