/**
 * Knows whether the database can be reached (design D20). A failed connection or a query without an answer is only a
 * suspicion: one prober then asks the server a question of its own, and what it finds decides, so that neither a slow
 * statement, a lock, a full pool nor a single ended session is taken for an outage. While the database is away
 * everybody is refused at once, and only the prober asks.
 *
 * Times are counted in ticks of the event loop's own timer: a process that stood still itself has not waited.
 */

import { ChurningSet } from '../churn.ts';
import { StoreUnavailableError, storeFailure } from './store-failure.ts';

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
  /** Calls refused in the present outage, or in the one that ended last. */
  readonly refusals: number;
  /** The error for a caller that must not ask now; counted. */
  refuse(): StoreUnavailableError;
  /** Begins an operation; `give` is called at most once, when it is given up before `leave`. */
  enter(give: (error: StoreUnavailableError) => void): Asked;
  /** The server answered. */
  answered(asked: Asked): void;
  failed(asked: Asked, error: unknown): void;
  /** Returns a function that stops observing. */
  observe(observer: BreakerObserver): () => void;
  /** Ends the outage that the breaker began with: the database was found, and found to be the one that is meant. */
  admit(): void;
  close(): void;
}

export interface BreakerOptions {
  /** Asks the server a question; gives its connection up when the signal says so. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Ends the probe's connection. */
  readonly close: () => void;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
  /**
   * Why the database could not be reached before the breaker was made. It then begins with an outage that only `admit`
   * ends: an answer is not enough, for nobody has seen yet whose database it is.
   */
  readonly awaySince?: unknown;
}

function wordsOf(cause: unknown): string {
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown };
  // Several addresses that failed together have no words of their own.
  return String(message || code || cause);
}

const isServersWord = (error: unknown): boolean =>
  typeof (error as { severity?: unknown } | null)?.severity === 'string';

/** Operations that were not answered yet, oldest first. */
function createInFlight() {
  const inFlight = new ChurningSet<Asked>();
  const giveUp = (asked: Asked, error: StoreUnavailableError): void => {
    asked.over = true;
    inFlight.delete(asked);
    asked.give(error);
  };
  return {
    oldest: (): Asked | undefined => inFlight.first,
    add: (give: Asked['give'], sinceTick: number): Asked => {
      const asked: Asked = { waiting: false, over: false, give, sinceTick };
      inFlight.add(asked);
      return asked;
    },
    /** False: it was given up before. */
    leave: (asked: Asked): boolean => {
      if (asked.over) return false;
      asked.over = true;
      return inFlight.delete(asked);
    },
    giveUpAll: (refuse: () => StoreUnavailableError): void => {
      for (const asked of [...inFlight]) giveUp(asked, refuse());
    },
    endWaits: (ticks: number): void => {
      for (const asked of inFlight) {
        if (ticks - asked.sinceTick < waitTicks) return;
        if (!asked.waiting) continue;
        giveUp(asked, new StoreUnavailableError('STORE_BUSY', 'no connection to the database became free'));
      }
    },
  };
}

interface Probing {
  readonly sinceTick: number;
  readonly answersBefore: number;
  readonly abort: AbortController;
}

/** Asks one question at a time, and ends it when it hangs. `onResult` hears what came of it; no failure: an answer. */
function createProber(
  probe: BreakerOptions['probe'],
  onResult: (question: Probing, failure: unknown) => void,
) {
  let current: Probing | undefined;
  const end = (question: Probing, failure: unknown): void => {
    if (current !== question) return;
    current = undefined;
    onResult(question, failure);
  };
  return {
    isAsking: (): boolean => current !== undefined,
    ask: (sinceTick: number, answersBefore: number): void => {
      const question: Probing = { sinceTick, answersBefore, abort: new AbortController() };
      current = question;
      probe(question.abort.signal).then(
        () => end(question, undefined),
        (error: unknown) => end(question, error),
      );
    },
    /** Ends a question that hangs, when the last sign of life is too long ago as well. */
    expire: (ticks: number, signOfLifeTick: number): void => {
      if (!current || ticks - Math.max(current.sinceTick, signOfLifeTick) < patienceTicks) return;
      current.abort.abort();
      const silent = `no answer within ${(patienceTicks * tickMs) / 1_000} s`;
      end(current, Object.assign(new Error(silent), { code: 'CONNECT_TIMEOUT' }));
    },
  };
}

/** The present outage, or none: who hears of it, and how many were refused. */
function createOutage(now: () => number) {
  const observers = new Set<BreakerObserver>();
  let outage: { readonly cause: unknown; readonly sinceMs: number } | undefined;
  let refusals = 0;
  return {
    isAway: (): boolean => outage !== undefined,
    refusals: (): number => refusals,
    refuse: (): StoreUnavailableError => {
      refusals += 1;
      const cause = outage?.cause;
      return new StoreUnavailableError('STORE_AWAY', `the database is away: ${wordsOf(cause)}`, cause);
    },
    begin: (cause: unknown, refuseAll: () => void): void => {
      outage = { cause, sinceMs: now() };
      refusals = 0;
      refuseAll();
      for (const observer of observers) observer.away?.(cause);
    },
    end: (): void => {
      const sinceMs = outage?.sinceMs ?? now();
      outage = undefined;
      for (const observer of observers) observer.back?.((now() - sinceMs) / 1_000);
    },
    observe: (observer: BreakerObserver): (() => void) => {
      observers.add(observer);
      return () => observers.delete(observer);
    },
  };
}

export function createBreaker({ awaySince, close: closeProbe, now, probe }: BreakerOptions): Breaker {
  const inFlight = createInFlight();
  const outage = createOutage(now);
  if (awaySince !== undefined) outage.begin(awaySince, () => undefined);
  let isHeld = outage.isAway();
  let ticks = 0;
  let nextProbeTick = 0;
  let answers = 0;
  let lastAnswerTick = 0;
  let suspected = false;
  let timer: ReturnType<typeof setInterval> | undefined;
  let closed = false;

  const prober = createProber(probe, (question, failure) => {
    if (closed) return;
    nextProbeTick = ticks + (outage.isAway() ? retryTicks : suspectTicks);
    const isThere = failure === undefined || storeFailure(failure) !== 'unreachable';
    if (outage.isAway()) {
      if (isThere) outage.end();
    } else if (!isThere) {
      // Somebody was answered meanwhile, so only the prober's connection failed: the next tick asks again.
      if (answers > question.answersBefore) suspected = true;
      else outage.begin(failure, () => inFlight.giveUpAll(outage.refuse));
    }
  });
  const suspect = (): void => {
    if (prober.isAsking() || closed) return;
    suspected = false;
    run();
    prober.ask(ticks, answers);
  };
  const tick = (): void => {
    ticks += 1;
    prober.expire(ticks, outage.isAway() ? 0 : lastAnswerTick);
    if (suspected) suspect();
    else if (ticks >= nextProbeTick) {
      const oldest = inFlight.oldest();
      if (outage.isAway() || (oldest && ticks - oldest.sinceTick >= suspectTicks)) suspect();
    }
    inFlight.endWaits(ticks);
    if (!outage.isAway() && !prober.isAsking() && !suspected && !inFlight.oldest()) rest();
  };
  const run = (): void => {
    if (!closed) timer ??= setInterval(tick, tickMs);
  };
  const rest = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const countAnswer = (): void => {
    answers += 1;
    lastAnswerTick = ticks;
  };
  return {
    get isAway() {
      return outage.isAway();
    },
    get refusals() {
      return outage.refusals();
    },
    refuse: outage.refuse,
    enter: (give) => {
      run();
      return inFlight.add(give, ticks);
    },
    answered: (asked) => {
      if (inFlight.leave(asked)) countAnswer();
    },
    failed: (asked, error) => {
      if (!inFlight.leave(asked)) return;
      if (storeFailure(error) === 'unreachable') suspect();
      else if (isServersWord(error)) countAnswer();
    },
    observe: outage.observe,
    admit: () => {
      if (!isHeld) return;
      isHeld = false;
      outage.end();
    },
    close: () => {
      closed = true;
      rest();
      closeProbe();
    },
  };
}
