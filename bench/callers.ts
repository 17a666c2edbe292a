import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from 'undici';
import { percentile } from './pace.ts';
import { answerQuestions } from './worker.ts';

/** Callers of every kind side by side, in a process of their own: each answer counts by its status, refusals too. */

export interface CallerRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Base64 where it is packed. */
  readonly body?: { readonly text: string } | { readonly base64: string };
}

export interface Caller {
  /** Under this name it is told of. */
  readonly name: string;
  readonly origin: string;
  /** They take turns. */
  readonly requests: readonly CallerRequest[];
  readonly connections: number;
  /** At fixed times, whether or not those before were answered; undefined: as fast as they are answered. */
  readonly perSecond?: number;
}

export interface CallersPlan {
  /** PEM. */
  readonly ca: string;
  /** 0: they connect, and the next question with callers of these names finds them connected. */
  readonly durationMs: number;
  readonly callers: readonly Caller[];
}

export interface CallerResult {
  readonly name: string;
  /** Answers by status; 0 is none. */
  readonly statuses: Readonly<Record<number, number>>;
  readonly seconds: number;
  /** Times of the answers that were no refusal, each counted from when its request was due. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From the start until the first 503; undefined: there was none. */
  readonly shedAfterMs: number | undefined;
}

const bodyOf = ({ body }: CallerRequest): string | Buffer | null =>
  body === undefined ? null : 'text' in body ? body.text : Buffer.from(body.base64, 'base64');

/** Every connection's handshake is over before the clock starts. */
async function connect({ connections, origin }: Caller, { ca }: CallersPlan): Promise<Pool> {
  const pool = new Pool(origin, {
    ...{ connections, pipelining: 1, headersTimeout: 60_000 },
    connect: { ca, timeout: 60_000 },
  });
  const nothing = async (): Promise<void> => {
    const answer = await pool.request({ method: 'GET', path: '/nothing-here' });
    await answer.body.dump();
  };
  await Promise.all(Array.from({ length: connections }, nothing));
  return pool;
}

async function play(caller: Caller, pool: Pool, plan: CallersPlan): Promise<CallerResult> {
  const { connections, name, perSecond, requests } = caller;
  const prepared = requests.map((request) => ({ request, body: bodyOf(request) }));
  const statuses: Record<number, number> = {};
  const took: number[] = [];
  const startedMs = performance.now();
  const endMs = startedMs + plan.durationMs;
  let shedAfterMs: number | undefined;
  let sent = 0;
  const send = async (dueMs: number): Promise<number> => {
    const { body, request } = prepared[sent % prepared.length]!;
    sent += 1;
    const status = await pool
      .request({ method: request.method as 'GET', path: request.path, headers: request.headers, body })
      .then(async (answer) => {
        await answer.body.dump();
        return answer.statusCode;
      })
      // Its connection may be closed before all of it was sent.
      .catch(() => 0);
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status >= 200 && status < 400) took.push(performance.now() - dueMs);
    if (status === 503) shedAfterMs ??= performance.now() - startedMs;
    return status;
  };
  const flood = async (): Promise<void> => {
    while (performance.now() < endMs) {
      // A connection that is refused at once must not spin.
      if ((await send(performance.now())) === 0) await pause(10);
    }
  };
  const steady = async (every: number): Promise<void> => {
    const answers: Promise<number>[] = [];
    for (let dueMs = startedMs; dueMs < endMs; dueMs += every) {
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await pause(waitMs);
      answers.push(send(dueMs));
    }
    await Promise.all(answers);
  };
  try {
    await (perSecond === undefined
      ? Promise.race([
          Promise.all(Array.from({ length: connections }, flood)),
          pause(plan.durationMs + 1_000),
        ])
      : steady(1_000 / perSecond));
  } finally {
    await pool.destroy();
  }
  took.sort((a, b) => a - b);
  const seconds = (performance.now() - startedMs) / 1_000;
  const [p50Ms, p99Ms] = [percentile(took, 0.5), percentile(took, 0.99)];
  return { name, statuses, seconds, p50Ms, p99Ms, shedAfterMs };
}

const connected = new Map<string, Pool>();

answerQuestions(async (plan: CallersPlan): Promise<readonly CallerResult[]> => {
  const pools = await Promise.all(
    plan.callers.map(async (caller) => connected.get(caller.name) ?? connect(caller, plan)),
  );
  for (const [index, { name }] of plan.callers.entries()) connected.set(name, pools[index]!);
  if (plan.durationMs === 0) return [];
  for (const { name } of plan.callers) connected.delete(name);
  return Promise.all(plan.callers.map((caller, index) => play(caller, pools[index]!, plan)));
});
