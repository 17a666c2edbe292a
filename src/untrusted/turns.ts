/**
 * Shares the event loop between large pieces of work that nobody else may wait for, such as reading a body of ten
 * megabytes. In each turn of the loop all of them together have as long as everything else used in the turn before, so
 * that a turn at most doubles; among themselves they take turns by key, so that an instance with many bodies is no
 * faster than one with a single body.
 */

/** All work together holds the event loop this long at a time at most; a webhook needs about six turns of the loop. */
const maxSliceMs = 2;
/** This much is theirs beside a loop that has nothing else to do: going round costs a tenth of it. */
const minSliceMs = 0.25;

export interface Work {
  /** To be awaited before each stretch of work, and again when `isOver`. */
  turn(): Promise<void>;
  /**
   * True once the stretch has lasted long enough; cheap enough to be asked every few microseconds. To be asked at the
   * end of a stretch too: until then nobody else passes in this turn of the loop.
   */
  isOver(): boolean;
}

export interface Turns {
  readonly work: (key: string) => Work;
}

/** Runs it when the event loop has gone round. Workers have `setImmediate` under nodejs_compat only. */
export const soon: (run: () => void) => unknown = globalThis.setImmediate ?? ((run) => setTimeout(run, 0));

export function createTurns(now: () => number = () => performance.now()): Turns {
  const waiting = new Map<string, (() => void)[]>();
  let scheduled = false;
  /** A work was let pass and has not asked yet whether its turn is over, so what it takes is not known. */
  let hasPassed = false;
  let sliceMs = minSliceMs;
  /** Used of the loop since it last went round. */
  let usedMs = 0;
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
  const beginRound = (othersMs: number): void => {
    sliceMs = Math.min(Math.max(othersMs, minSliceMs), maxSliceMs);
    usedMs = 0;
    roundMs = now();
    scheduled = true;
    soon(goRound);
  };
  const goRound = (): void => {
    scheduled = false;
    if (hasPassed) count();
    const [first] = waiting;
    if (first === undefined) return;
    beginRound(now() - roundMs - usedMs);
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
      // The loop has gone round since the last work, and nobody knows how long the others took.
      if (!scheduled) beginRound(0);
      if (waiting.size === 0 && !hasPassed && usedMs < sliceMs) {
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
  });
  return { work };
}

/** Turns for a runtime in which requests must not wait for each other (Workers): each work has turns of its own. */
export const turnsApart: Turns = { work: (key) => createTurns().work(key) };

/** Does a short job in a turn of its key, and answers what it does; the jobs of a key are done in their order. */
export type InTurn = <T>(key: string, job: () => T) => Promise<T>;

/** Jobs that wait together share a slice, for a turn of each would take longer than the job. */
export function createJobs(turns: Turns): InTurn {
  const queues = new Map<string, (() => void)[]>();
  const drain = async (key: string, queue: (() => void)[]): Promise<void> => {
    const work = turns.work(key);
    await work.turn();
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      job();
      if (work.isOver() && queue.length > 0) await work.turn();
    }
    queues.delete(key);
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
