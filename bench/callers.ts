import { setTimeout as pause } from 'node:timers/promises';
import { buildConnector, Pool } from 'undici';
import { percentile } from './pace.ts';
import { createPushBodies, type PushRecipe } from './push-bodies.ts';
import { answerQuestions } from './worker.ts';

/**
 * Callers of every kind side by side, in a process of their own: each answer counts by its status, refusals too. A play ends
 * after its time, or at SIGUSR2.
 */

export interface CallerRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: { readonly text: string } | { readonly push: PushRecipe };
}

/**
 * `steady`: at fixed times, whether or not those before were answered. `flood`: each connection as fast as it is answered, all
 * together at most so many a second; who is patient waits as long as a refusal's `Retry-After` says.
 */
export type Manner =
  | { readonly of: 'steady'; readonly perSecond: number }
  | { readonly of: 'flood'; readonly atMostPerSecond?: number; readonly isPatient?: boolean };

export interface Caller {
  /** Under this name it is told of. */
  readonly name: string;
  readonly origin: string;
  /** They take turns; where there is one for each connection, each keeps its own. */
  readonly requests: readonly CallerRequest[];
  readonly connections: number;
  readonly manner: Manner;
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
  /** Milliseconds of the answers that were no refusal, each counted from when its request was sent, ascending. */
  readonly times: readonly number[];
  /** 99th percentile of the milliseconds that a steady request was sent too late. */
  readonly lateMs: number;
  /** Mean size of an answer's body. */
  readonly answerBytes: number;
  /** Records that pushes were told to be accepted. */
  readonly accepted: number;
  /** From the start until the first 503; undefined: there was none. */
  readonly shedAfterMs: number | undefined;
}

/** What a timer's coarseness may make late. */
const coarseMs = 2;
/** A steady caller's request that has no answer by then has none; the others may wait as long as instances do. */
const steadyPatienceMs = 10_000;
const patienceMs = 60_000;

/**
 * Every handshake is over before the clock starts, and no connection's first request is one that takes it out of the fast
 * lane: a steady caller's are its own, so that look-ups are over, too.
 */
async function connect(caller: Caller, ca: string): Promise<Pool> {
  const { connections, manner, origin, requests } = caller;
  const connector = buildConnector({ ca, timeout: patienceMs });
  const { hostname, port, protocol } = new URL(origin);
  type Socket = Parameters<buildConnector.Callback>[1];
  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) =>
      connector({ hostname, host: hostname, port, protocol }, (error, socket) =>
        error ? reject(error) : resolve(socket),
      ),
    );
  const ready = await Promise.all(Array.from({ length: connections }, open));
  for (const socket of ready) socket?.on('error', () => undefined);
  const pool = new Pool(origin, {
    ...{ connections, pipelining: 1 },
    connect: (options, callback) => {
      const socket = ready.pop();
      // Not at once: the pool does not look for a connection within its own question for one.
      if (socket && !socket.destroyed) setImmediate(() => callback(null, socket));
      else connector(options, callback);
    },
  });
  if (manner.of === 'steady') {
    const send = createSend(pool, patienceMs);
    const first = prepare(requests.slice(0, connections));
    const warm = Array.from({ length: connections }, (_, at) => send(first[at % first.length]!));
    const answers = await Promise.all(warm);
    const refused = answers.find(({ status }) => status < 200 || status >= 300);
    if (refused) throw new Error(`the first of ${caller.name} was answered ${refused.status}`);
  }
  return pool;
}

interface Prepared extends CallerRequest {
  readonly bodyText: () => string | Buffer | null;
}

const prepare = (requests: readonly CallerRequest[]): Prepared[] =>
  requests.map((request) => {
    const { body } = request;
    if (body === undefined) return { ...request, bodyText: () => null };
    return { ...request, bodyText: 'push' in body ? createPushBodies(body.push) : () => body.text };
  });

interface Answered {
  readonly status: number;
  readonly bytes: number;
  readonly accepted: number;
  readonly retryAfterSeconds: number;
}

const noAnswer: Answered = { status: 0, bytes: 0, accepted: 0, retryAfterSeconds: 0 };

const createSend =
  (pool: Pool, headersTimeout: number) =>
  async ({ body, bodyText, headers, method, path }: Prepared): Promise<Answered> => {
    try {
      const request = { method: method as 'GET', path, headers, body: bodyText(), headersTimeout };
      const answer = await pool.request(request);
      let [bytes, text] = [0, ''];
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (body && 'push' in body) text += chunk.toString('latin1');
      }
      const accepted = Number(/"accepted":(\d+)/.exec(text)?.[1] ?? 0);
      const retryAfterSeconds = Number(answer.headers['retry-after'] ?? 0);
      return { status: answer.statusCode, bytes, accepted, retryAfterSeconds };
    } catch {
      // Its connection may be closed before all of it was sent.
      return noAnswer;
    }
  };

/** Times at which the next request of a flood may go. */
function createPacer(atMostPerSecond: number | undefined): () => Promise<void> {
  let nextMs = performance.now();
  return async () => {
    if (atMostPerSecond === undefined) return;
    const dueMs = Math.max(nextMs, performance.now());
    nextMs = dueMs + 1_000 / atMostPerSecond;
    const waitMs = dueMs - performance.now();
    if (waitMs > 1) await pause(waitMs);
  };
}

interface Playing {
  readonly startedMs: number;
  readonly prepared: readonly Prepared[];
  readonly isOver: () => boolean;
  readonly send: (request: Prepared) => Promise<Answered>;
  readonly onLate: (lateMs: number) => void;
}

async function flood(caller: Caller, { isOver, prepared, send }: Playing): Promise<void> {
  const { connections, manner } = caller;
  if (manner.of !== 'flood') return;
  const turn = createPacer(manner.atMostPerSecond);
  const work = async (connection: number): Promise<void> => {
    for (let at = connection; !isOver(); at += connections) {
      await turn();
      const { retryAfterSeconds, status } = await send(prepared[at % prepared.length]!);
      // A connection that is refused at once must not spin.
      if (status === 0) await pause(10);
      else if (manner.isPatient && retryAfterSeconds > 0) await pause(retryAfterSeconds * 1_000);
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, connection) => work(connection)));
}

/** `share` of 0 to 1 moves a caller's times, so that those of several do not always meet. */
async function steady({ manner }: Caller, share: number, playing: Playing, durationMs: number) {
  if (manner.of !== 'steady') return;
  const { isOver, onLate, prepared, send, startedMs } = playing;
  const everyMs = 1_000 / manner.perSecond;
  const count = Math.floor(durationMs / everyMs);
  const answers: Promise<Answered>[] = [];
  for (let at = 0; at < count && !isOver(); at += 1) {
    const dueMs = startedMs + (at + share) * everyMs;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await pause(Math.ceil(waitMs));
    onLate(Math.max(0, performance.now() - dueMs - coarseMs));
    answers.push(send(prepared[at % prepared.length]!));
  }
  await Promise.all(answers);
}

let stop: () => void = () => undefined;
process.on('SIGUSR2', () => stop());

async function play(
  caller: Caller,
  share: number,
  pool: Pool,
  durationMs: number,
  stopped: Promise<void>,
): Promise<CallerResult> {
  const statuses: Record<number, number> = {};
  const times: number[] = [];
  const late: number[] = [];
  let [bytes, accepted, answers] = [0, 0, 0];
  let shedAfterMs: number | undefined;
  let isOver = false;
  const startedMs = performance.now();
  const sendOne = createSend(pool, caller.manner.of === 'steady' ? steadyPatienceMs : patienceMs);
  const send = async (request: Prepared): Promise<Answered> => {
    const sentMs = performance.now();
    const answered = await sendOne(request);
    if (isOver) return answered;
    const { status } = answered;
    const nowMs = performance.now();
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status !== 0) answers += 1;
    bytes += answered.bytes;
    accepted += answered.accepted;
    if (status >= 200 && status < 400) times.push(Math.round((nowMs - sentMs) * 100) / 100);
    if (status === 503) shedAfterMs ??= nowMs - startedMs;
    return answered;
  };
  const playing: Playing = {
    ...{ startedMs, prepared: prepare(caller.requests), send },
    isOver: () => isOver,
    onLate: (lateMs) => late.push(lateMs),
  };
  await (caller.manner.of === 'steady'
    ? steady(caller, share, playing, durationMs)
    : Promise.race([flood(caller, playing), pause(durationMs), stopped]));
  isOver = true;
  const seconds = (performance.now() - startedMs) / 1_000;
  await pool.destroy();
  times.sort((a, b) => a - b);
  late.sort((a, b) => a - b);
  const [answerBytes, lateMs] = [bytes / Math.max(1, answers), percentile(late, 0.99)];
  return { name: caller.name, statuses, seconds, times, lateMs, answerBytes, accepted, shedAfterMs };
}

const connected = new Map<string, Pool>();

answerQuestions(async ({ ca, callers, durationMs }: CallersPlan): Promise<readonly CallerResult[]> => {
  const pools = await Promise.all(
    callers.map(async (caller) => connected.get(caller.name) ?? connect(caller, ca)),
  );
  for (const [index, { name }] of callers.entries()) connected.set(name, pools[index]!);
  if (durationMs === 0) return [];
  for (const { name } of callers) connected.delete(name);
  const { promise, resolve } = Promise.withResolvers<void>();
  stop = resolve;
  return Promise.all(
    callers.map((caller, index) => play(caller, index / callers.length, pools[index]!, durationMs, promise)),
  );
});
