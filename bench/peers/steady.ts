import { type Connection, openConnection } from '../connection.ts';
import { answerQuestions } from '../worker.ts';

/**
 * A load generator of constant rate, a process of its own: calls are due at fixed times whether or not those before
 * were answered, and a call's time counts from when it was due, so that nobody's delay hides behind another's.
 */

export interface SteadyPlan {
  readonly origin: string;
  /** PEM, for TLS. */
  readonly ca: string | undefined;
  readonly connections: number;
  readonly perSecond: number;
  readonly durationMs: number;
  readonly paths: readonly string[];
  /** Header lines of the calls, by path; one for all if there is one. */
  readonly heads: readonly string[];
  readonly answerBytes: number;
}

export interface SteadyTimes {
  /** Milliseconds from due to answered, ascending. */
  readonly fromDue: readonly number[];
  /** Most milliseconds that a call was sent late. */
  readonly latestSendMs: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** Timers are a millisecond coarse: the last of it is waited for in turns of the event loop. */
const coarseMs = 1.2;

async function until(dueMs: number): Promise<void> {
  for (let left = dueMs - performance.now(); left > 0; left = dueMs - performance.now()) {
    if (left > coarseMs) await sleep(Math.floor(left - coarseMs) || 1);
    else await turn();
  }
}

async function run(plan: SteadyPlan, idle: Connection[]): Promise<SteadyTimes> {
  const fromDue: number[] = [];
  const pending: Promise<void>[] = [];
  let latestSendMs = 0;
  let failure: Error | undefined;
  const everyMs = 1_000 / plan.perSecond;
  const count = Math.round(plan.durationMs / everyMs);
  const started = performance.now() + 50;
  const one = async (at: number, dueMs: number, connection: Connection): Promise<void> => {
    const pick = at % plan.paths.length;
    const head = plan.heads[pick] ?? plan.heads[0] ?? '';
    const path = plan.paths[pick] ?? '/';
    const { status, text } = await connection.exchange({ method: 'GET', path, body: null, head });
    fromDue.push(performance.now() - dueMs);
    if (status !== 200 || text.length !== plan.answerBytes) {
      throw new Error(`${path} answered ${status}: ${text.slice(0, 300)}`);
    }
    idle.push(connection);
  };
  for (let at = 0; at < count; at += 1) {
    const dueMs = started + at * everyMs;
    await until(dueMs);
    // All connections busy: whoever is late waits for the first that is free, and the wait counts.
    while (idle.length === 0 && failure === undefined) await turn();
    if (failure !== undefined) throw failure;
    latestSendMs = Math.max(latestSendMs, performance.now() - dueMs);
    const connection = idle.shift()!;
    pending.push(
      one(at, dueMs, connection).catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error));
      }),
    );
  }
  await Promise.all(pending);
  if (failure !== undefined) throw failure;
  return { fromDue: fromDue.sort((a, b) => a - b), latestSendMs };
}

answerQuestions(async (plan: SteadyPlan): Promise<SteadyTimes> => {
  const opened = Array.from({ length: plan.connections }, () => openConnection(plan.origin, plan.ca));
  const connections = await Promise.all(opened);
  try {
    return await run(plan, [...connections]);
  } finally {
    for (const connection of connections) connection.close();
  }
});
