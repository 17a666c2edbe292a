import type { Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { type LaneScene, openCaller, startLaneScene } from '../harness/lane-scene.ts';
import { damaged, fuzz, watchUnhandled } from './fuzzing.ts';

/**
 * Instances that answer with anything: damaged heads, lengths and chunks, more than was asked for, in pieces, and cut off. A
 * caller gets what its own exchange brought, or a problem, and never what another one's did.
 */

watchUnhandled();

const signs = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  ':',
  '\0',
  '0',
  '5',
  'f',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 200 OK\r\n',
  'content-length: 3\r\n',
  'transfer-encoding: chunked\r\n',
  'connection: close\r\n',
  'HTTP/1.1 101 x\r\nupgrade: a\r\n\r\n',
];
const atOnce = 8;
/** Stands for the id of the call. */
const mark = 'IDIDIDIDIDID';
const answers = fc.constantFrom(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 23\r\n\r\n{"id":"${mark}"}  `,
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n17\r\n{"id":"${mark}"}  \r\n0\r\n\r\n`,
  `HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 23\r\nx-id: ${mark}\r\n\r\n{"id":"${mark}"}  `,
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{"id":"${mark}"}`,
  `HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{"id":"${mark}"}`,
  `HTTP/1.1 204 No Content\r\nx-id: ${mark}\r\n\r\n`,
);
const plan = fc.record({
  text: fc.oneof(answers, damaged(answers, signs)),
  /** A second answer behind the first, which nobody asked for. */
  surplus: fc.oneof(fc.constant(''), answers),
  cutAt: fc.nat(120),
  after: fc.constantFrom('keep', 'keep', 'end', 'reset'),
});
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

describe('hostile instances', () => {
  let scene: LaneScene;
  let path = '';
  let token = '';
  let plans: ReadonlyMap<string, Plan> = new Map();
  let runs = 0;
  beforeAll(async () => {
    scene = await startLaneScene();
    path = `/t/${scene.tenantId}/devices/${await scene.device()}/compliance`;
    token = scene.token();
    scene.answer = (socket, head) => {
      const id = /x-request-id: (\S+)/i.exec(head)?.[1] ?? '';
      const planned = plans.get(id);
      if (planned) void play(socket, id, planned);
    };
  });
  afterAll(() => scene?.close());

  async function play(socket: Socket, id: string, { after, cutAt, surplus, text }: Plan): Promise<void> {
    const bytes = Buffer.from((text + surplus).replaceAll(mark, id), 'latin1');
    socket.write(bytes.subarray(0, cutAt));
    await new Promise((resolve) => setImmediate(resolve));
    if (socket.destroyed) return;
    socket.write(bytes.subarray(cutAt));
    if (after === 'end') socket.end();
    if (after === 'reset') setTimeout(() => socket.resetAndDestroy(), 1);
  }
  /** The ids are as long as the mark. */
  const idOf = (run: number, call: number): string =>
    `q${String(run).padStart(8, '0')}-${String(call).padStart(2, '0')}`;

  for (const way of ['lane', 'plain'] as const)
    fuzz(`${way}: no answer reaches another caller, and what cannot be read is a problem`, 'socket', () =>
      fc.asyncProperty(fc.array(plan, { minLength: 2, maxLength: 24 }), async (planned) => {
        runs += 1;
        const ids = planned.map((_, call) => idOf(runs, call));
        plans = new Map(planned.map((one, call) => [ids[call] ?? '', one]));
        // Several at the same time, and the others after them, over the connections to the instance that are left.
        const ask = async (id: string): Promise<string> => {
          const caller = await openCaller(scene[way]);
          caller.socket.write(
            `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nX-Request-Id: ${id}\r\n\r\n`,
          );
          await caller.until(1);
          const isBroken = caller.isClosed() && caller.answers().every((one) => 'broken' in one);
          caller.socket.destroy();
          // Half an answer had come of the instance: breaking off is all that is honest.
          return isBroken ? `broken ${caller.text()}` : caller.text();
        };
        const texts: string[] = [];
        for (let at = 0; at < ids.length; at += atOnce)
          texts.push(...(await Promise.all(ids.slice(at, at + atOnce).map(ask))));
        texts.forEach((text, call) => {
          for (const id of ids) if (id !== ids[call]) expect(text, JSON.stringify(planned)).not.toContain(id);
          if (text.startsWith('broken ')) return;
          const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0);
          expect(status, text).toBeGreaterThanOrEqual(200);
          expect(status, text).not.toBe(500);
        });
      }),
    );
});
