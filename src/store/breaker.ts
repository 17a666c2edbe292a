import { StoreUnavailableError, storeFailure } from './store-failure.ts';

/**
 * Knows whether the database can be reached (design D20). A failed connection or a query without an answer is only a
 * suspicion: one prober then asks the server a question of its own, and what it finds decides, so that neither a slow
 * statement, a lock, a full pool nor a single ended session is taken for an outage. While the database is away
 * everybody is refused at once, and only the prober asks.
 *
 * Times are counted in ticks of the event loop's own timer: a process that stood still itself has not waited.
 */

const tickMs = 100;
/** A query without an answer for so long is looked into: 400 ms. */
const suspectTicks = 4;
/** The prober's question, and a connection for it, may take so long after the last sign of life: 1 s. */
const patienceTicks = 10;
/** Between two questions while the database is away: 300 ms. */
const retryTicks = 3;
/** Nobody waits longer for a free connection: 5 s. Jamf Pro itself waits 1 to 15 s for the answer to a webhook. */
const waitTicks = 50;

export interface BreakerObserver {
  /** The database is away since just now; everything in flight has been refused. */
  readonly away?: (cause: unknown) => void;
  /** It answers again. */
  readonly back?: (awaySeconds: number) => void;
}

/** Something that is asked of the database and not answered yet. */
export interface Asked {
  /** It waits for a connection and was not sent. */
  waiting: boolean;
  /** It was answered or given up. */
  over: boolean;
  readonly give: (error: StoreUnavailableError) => void;
  readonly sinceTick: number;
}

export interface Breaker {
  readonly isAway: boolean;
  /** How many were refused in the present outage, or in the one that ended last. */
  readonly refusals: number;
  /** For whoever must not ask now; counted. */
  refuse(): StoreUnavailableError;
  /** Begins an operation; `give` is called at most once, when it is given up before `leave`. */
  enter(give: (error: StoreUnavailableError) => void): Asked;
  /** The server answered. */
  answered(asked: Asked): void;
  failed(asked: Asked, error: unknown): void;
  /** Returns the way to stop observing. */
  observe(observer: BreakerObserver): () => void;
  close(): void;
}

export interface BreakerOptions {
  /** Asks the server a question; gives its connection up when the signal says so. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Ends what the probe keeps. */
  readonly close: () => void;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
}

interface Probing {
  readonly sinceTick: number;
  readonly answersBefore: number;
  readonly abort: AbortController;
}

function wordsOf(cause: unknown): string {
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown };
  // Several addresses that failed together have no words of their own.
  return String(message || code || cause);
}

const isServersWord = (error: unknown): boolean =>
  typeof (error as { severity?: unknown } | null)?.severity === 'string';

export function createBreaker({ close: closeProbe, now, probe }: BreakerOptions): Breaker {
  /** In the order in which they came: the first is the oldest. */
  const inFlight = new Set<Asked>();
  const observers = new Set<BreakerObserver>();
  let outage: { readonly cause: unknown; readonly sinceMs: number } | undefined;
  let refusals = 0;
  let probing: Probing | undefined;
  let ticks = 0;
  let nextProbeTick = 0;
  let answers = 0;
  let lastAnswerTick = 0;
  let suspected = false;
  let timer: ReturnType<typeof setInterval> | undefined;
  let closed = false;

  const away = (): StoreUnavailableError => {
    refusals += 1;
    const cause = outage?.cause;
    return new StoreUnavailableError('STORE_AWAY', `the database is away: ${wordsOf(cause)}`, cause);
  };
  const giveUp = (asked: Asked, error: StoreUnavailableError): void => {
    asked.over = true;
    inFlight.delete(asked);
    asked.give(error);
  };
  const open = (cause: unknown): void => {
    outage = { cause, sinceMs: now() };
    refusals = 0;
    for (const asked of [...inFlight]) giveUp(asked, away());
    for (const observer of observers) observer.away?.(cause);
  };
  const close = (ended: { readonly sinceMs: number }): void => {
    outage = undefined;
    for (const observer of observers) observer.back?.((now() - ended.sinceMs) / 1_000);
  };

  const settle = (one: Probing, failure: unknown): void => {
    if (probing !== one || closed) return;
    probing = undefined;
    nextProbeTick = ticks + (outage ? retryTicks : suspectTicks);
    const isThere = failure === undefined || storeFailure(failure) !== 'unreachable';
    if (outage) {
      if (isThere) close(outage);
    } else if (!isThere) {
      // Where somebody was answered meanwhile, only the prober's connection failed: the next tick looks again.
      if (answers > one.answersBefore) suspected = true;
      else open(failure);
    }
  };
  const look = (): void => {
    if (probing || closed) return;
    suspected = false;
    const one: Probing = { sinceTick: ticks, answersBefore: answers, abort: new AbortController() };
    probing = one;
    run();
    probe(one.abort.signal).then(
      () => settle(one, undefined),
      (error: unknown) => settle(one, error),
    );
  };
  /** The prober's question hangs, and nobody else had an answer either. */
  const expire = (one: Probing): void => {
    if (ticks - Math.max(one.sinceTick, outage ? 0 : lastAnswerTick) < patienceTicks) return;
    one.abort.abort();
    const silent = `no answer within ${(patienceTicks * tickMs) / 1_000} s`;
    settle(one, Object.assign(new Error(silent), { code: 'CONNECT_TIMEOUT' }));
  };
  const endWaits = (): void => {
    for (const asked of inFlight) {
      if (ticks - asked.sinceTick < waitTicks) return;
      if (!asked.waiting) continue;
      giveUp(asked, new StoreUnavailableError('STORE_BUSY', 'no connection to the database became free'));
    }
  };
  const tick = (): void => {
    ticks += 1;
    if (probing) expire(probing);
    if (suspected) look();
    else if (ticks >= nextProbeTick) {
      const [oldest] = inFlight;
      if (outage || (oldest && ticks - oldest.sinceTick >= suspectTicks)) look();
    }
    endWaits();
    if (!outage && !probing && !suspected && inFlight.size === 0) rest();
  };
  const run = (): void => {
    if (!closed) timer ??= setInterval(tick, tickMs);
  };
  const rest = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const leave = (asked: Asked): boolean => {
    if (asked.over) return false;
    asked.over = true;
    return inFlight.delete(asked);
  };
  const noteAnswer = (): void => {
    answers += 1;
    lastAnswerTick = ticks;
  };
  return {
    get isAway() {
      return outage !== undefined;
    },
    get refusals() {
      return refusals;
    },
    refuse: away,
    enter: (give) => {
      const asked: Asked = { waiting: false, over: false, give, sinceTick: ticks };
      inFlight.add(asked);
      run();
      return asked;
    },
    answered: (asked) => {
      if (leave(asked)) noteAnswer();
    },
    failed: (asked, error) => {
      if (!leave(asked)) return;
      const failure = storeFailure(error);
      if (failure === 'unreachable') look();
      else if (isServersWord(error)) noteAnswer();
    },
    observe: (observer) => {
      observers.add(observer);
      return () => observers.delete(observer);
    },
    close: () => {
      closed = true;
      rest();
      closeProbe();
    },
  };
}
