/**
 * Shares the event loop between large pieces of work that nobody else may wait for: bodies of ten megabytes, lists, exports,
 * pushed records that are read. In a turn of the loop all of them together have a millisecond. Then they rest until
 * everybody else has had twice as long, or until the loop has gone round with nothing else to do. So they have a third of a
 * busy processor, all of an idle one, and whoever waits for the loop waits for a millisecond of theirs. Among
 * themselves they take turns by key, so that an instance with many bodies is no faster than one with a single body.
 */

import { ChurningMap } from '../churn.ts';

/** All work together holds the event loop this long at a time at most; a webhook needs about six turns of the loop. */
const sliceMs = 1;
/** What others have for each millisecond of work: theirs is also what the driver and sockets do for the work itself. */
const restShare = 2;
/** Going round takes the loop some hundredths of a millisecond; a request in it takes more. */
const idleRoundMs = 0.05;

export interface Work {
  /** To be awaited before each stretch of work, and again when `isOver`. */
  turn(): Promise<void>;
  /**
   * True once the stretch has lasted long enough; cheap enough to be asked every few microseconds. To be asked at the
   * end of a stretch too: until then nobody else passes in this turn of the loop.
   */
  isOver(): boolean;
  /** To be called behind `isOver` by work that is done: what is left of the slice is the next one's that waits. */
  end(): void;
}

export interface Turns {
  readonly work: (key: string) => Work;
}

/** Runs it when the event loop has gone round. Workers have `setImmediate` under nodejs_compat only. */
export const soon: (run: () => void) => unknown = globalThis.setImmediate ?? ((run) => setTimeout(run, 0));

export function createTurns(now: () => number = () => performance.now()): Turns {
  const waiting = new ChurningMap<string, (() => void)[]>();
  let scheduled = false;
  /** A work was let pass and has not asked yet whether its turn is over, so what it takes is not known. */
  let hasPassed = false;
  /** Used of the loop since it last went round. */
  let usedMs = 0;
  /** Time that is still the others' before the next slice. */
  let owedMs = 0;
  let mark = 0;
  let roundMs = 0;

  const count = (): void => {
    const at = now();
    usedMs += at - mark;
    mark = at;
    hasPassed = false;
  };
  const pass = (): void => {
    mark = now();
    hasPassed = true;
  };
  const beginRound = (): void => {
    usedMs = 0;
    roundMs = now();
    scheduled = true;
    soon(goRound);
  };
  /** What the round that ends now leaves owed to others. */
  const settle = (): void => {
    const othersMs = now() - roundMs - usedMs;
    owedMs = othersMs < idleRoundMs ? 0 : Math.max(0, owedMs + usedMs * restShare - othersMs);
  };
  const goRound = (): void => {
    scheduled = false;
    if (hasPassed) count();
    settle();
    // A work that waits for the database comes back: the loop goes round until what is owed is paid.
    if (waiting.size === 0 && owedMs === 0) return;
    beginRound();
    passNext();
  };
  const passNext = (): void => {
    const [first] = waiting;
    if (first === undefined || hasPassed || owedMs > 0 || usedMs >= sliceMs) return;
    const [key, queue] = first;
    // The key goes to the end of the map: the next turn is another key's.
    waiting.delete(key);
    const next = queue.shift();
    if (queue.length > 0) waiting.set(key, queue);
    pass();
    next?.();
  };

  const work = (key: string): Work => ({
    turn: () => {
      if (!scheduled) beginRound();
      if (waiting.size === 0 && !hasPassed && owedMs === 0 && usedMs < sliceMs) {
        pass();
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        const queue = waiting.get(key);
        if (queue) queue.push(resolve);
        else waiting.set(key, [resolve]);
      });
    },
    isOver: () => {
      count();
      return usedMs >= sliceMs;
    },
    end: passNext,
  });
  return { work };
}

/** Turns for a runtime in which requests must not wait for each other (Workers): each work has turns of its own. */
export const turnsApart: Turns = { work: (key) => createTurns().work(key) };

/** Runs it when the microtasks that wait are done, and before the event loop goes on; where it cannot, a little later. */
const afterMicrotasks: (run: () => void) => unknown = globalThis.process?.nextTick ?? soon;
const microtasksDone = (): Promise<void> => new Promise((resolve) => afterMicrotasks(resolve));

/**
 * Does a short job in a turn of its key, and answers what it does, or what becomes of it. The jobs of a key are begun in their
 * order.
 */
export type InTurn = <T>(key: string, job: () => T | Promise<T>) => Promise<T>;

/** For a runtime, or a test, in which nothing is to give way. */
export const atOnce: InTurn = async (_, job) => job();

/**
 * Jobs that wait together share a slice, for a turn of each would take longer than the job. What a job leads to at once counts
 * to it: whoever waited for it goes on in the same slice.
 */
export function createJobs(turns: Turns): InTurn {
  const queues = new ChurningMap<string, (() => void)[]>();
  const drain = async (key: string, queue: (() => void)[]): Promise<void> => {
    const work = turns.work(key);
    await work.turn();
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      job();
      await microtasksDone();
      if (work.isOver() && queue.length > 0) await work.turn();
    }
    queues.delete(key);
    work.end();
  };
  return (key, job) =>
    new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(job());
        } catch (error) {
          reject(error);
        }
      };
      const queue = queues.get(key);
      if (queue) {
        queue.push(run);
        return;
      }
      const begun = [run];
      queues.set(key, begun);
      void drain(key, begun);
    });
}
