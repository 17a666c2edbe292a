import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from 'undici';
import { type HostileBody, hostileBodies } from './hostile-table.ts';
import { percentile } from './pace.ts';
import { answerQuestions } from './worker.ts';

/** Sends one body over and over, or an ordinary webhook every few milliseconds, in a process of its own. */

export interface SenderPlan {
  readonly origin: string;
  /** PEM. */
  readonly ca: string;
  readonly instanceId: string;
  readonly key: string;
  /** A name of `hostileBodies`; undefined: an ordinary webhook. */
  readonly body: string | undefined;
  /** At least; more where the body has more of its own. */
  readonly connections: number;
  readonly pauseMs: number;
  readonly durationMs: number;
}

export interface SenderResult {
  readonly bytes: number;
  /** Answers by status; 0 is none. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly answers: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const ordinary: HostileBody = {
  path: 'webhooks',
  headers: { 'content-type': 'application/json' },
  bytes: Buffer.from(
    '{"webhook":{"id":1,"name":"n","webhookEvent":"ComputerCheckIn"},"event":{"computer":{"jssID":1},"trigger":"x"}}',
  ),
};

answerQuestions(async (plan: SenderPlan): Promise<SenderResult> => {
  const { ca, instanceId, key, origin, pauseMs } = plan;
  const made = plan.body === undefined ? ordinary : hostileBodies[plan.body]?.();
  if (made === undefined) throw new Error(`there is no body ${plan.body}`);
  const bodies = [made.bytes, ...(made.others ?? [])] as const;
  const connections = Math.max(plan.connections, bodies.length);
  const pool = new Pool(origin, { connections, pipelining: 1, connect: { ca }, headersTimeout: 120_000 });
  const statuses: Record<number, number> = {};
  const took: number[] = [];
  const send = async (body: Uint8Array): Promise<void> => {
    const before = performance.now();
    const status = await pool
      .request({
        method: 'POST',
        path: `/jamf/${instanceId}/${made.path}`,
        headers: { ...made.headers, 'x-api-key': key },
        body,
      })
      .then(async (answer) => {
        await answer.body.dump();
        return answer.statusCode;
      })
      // A refused body's connection is closed, at times before all of it was sent.
      .catch(() => 0);
    took.push(performance.now() - before);
    statuses[status] = (statuses[status] ?? 0) + 1;
  };
  const end = performance.now() + plan.durationMs;
  const work = async (nth: number): Promise<void> => {
    do {
      await send(bodies[nth % bodies.length] ?? made.bytes);
      if (pauseMs > 0) await pause(pauseMs);
    } while (performance.now() < end);
  };
  try {
    await Promise.all(Array.from({ length: connections }, (_, nth) => work(nth)));
  } finally {
    await pool.destroy();
  }
  took.sort((a, b) => a - b);
  return {
    bytes: made.bytes.length,
    statuses,
    answers: took.length,
    p50Ms: percentile(took, 0.5),
    p99Ms: percentile(took, 0.99),
    maxMs: took.at(-1) ?? 0,
  };
});
