import { Pool } from 'undici';
import { percentile } from '../pace.ts';
import { answerQuestions } from '../worker.ts';

/** Device calls at a steady rate, whether or not those before were answered: each is timed alone. */

export interface SteadyPlan {
  readonly origin: string;
  /** PEM. */
  readonly ca: string;
  readonly perSecond: number;
  readonly durationMs: number;
  readonly authorization: string;
  readonly paths: readonly string[];
}

export interface SteadyResult {
  readonly calls: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
}

const connections = 16;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

answerQuestions(async (plan: SteadyPlan): Promise<SteadyResult> => {
  const { authorization, ca, durationMs, origin, paths, perSecond } = plan;
  const pool = new Pool(origin, { connections, pipelining: 1, connect: { ca } });
  const took: number[] = [];
  const call = async (beganAt: number | undefined): Promise<void> => {
    const path = paths[Math.floor(Math.random() * paths.length)] ?? '/';
    const answer = await pool.request({ method: 'GET', path, headers: { authorization } });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`a device call answered ${answer.statusCode}: ${text}`);
    if (beganAt !== undefined) took.push(performance.now() - beganAt);
  };
  try {
    // Handshakes and the first look-ups are over before the clock starts.
    await Promise.all(Array.from({ length: connections }, () => call(undefined)));
    const calling: Promise<void>[] = [];
    const started = performance.now();
    const count = Math.floor((durationMs / 1_000) * perSecond);
    for (let number = 0; number < count; number += 1) {
      const dueAt = started + (number / perSecond) * 1_000;
      const early = dueAt - performance.now();
      if (early > 0) await pause(early);
      // A timer of this process that is late is not the gateway's doing.
      calling.push(call(performance.now()));
    }
    await Promise.all(calling);
  } finally {
    await pool.destroy();
  }
  took.sort((a, b) => a - b);
  return {
    calls: took.length,
    p50Ms: percentile(took, 0.5),
    p99Ms: percentile(took, 0.99),
    slowestMs: took.at(-1) ?? 0,
  };
});
