/**
 * Shares the event loop between large pieces of work that nobody else may wait for, such as reading a body of ten
 * megabytes. All of them together use the loop for a few milliseconds, then everybody else has it; among themselves
 * they take turns by key, so that an instance with many bodies is no faster than one with a single body.
 */

/** All work together holds the event loop this long at a time; a webhook needs about six turns of the loop. */
const sliceMs = 2;

export interface Work {
  /** Awaited before each stretch of work, and again when `isOver`. */
  turn(): Promise<void>;
  /** True once the stretch has lasted long enough; cheap enough to be asked every few microseconds. */
  isOver(): boolean;
}

export interface Turns {
  readonly work: (key: string) => Work;
}

// Workers have it under nodejs_compat only.
const soon: (run: () => void) => unknown = globalThis.setImmediate ?? ((run) => setTimeout(run, 0));

export function createTurns(now: () => number = () => performance.now()): Turns {
  const waiting = new Map<string, (() => void)[]>();
  let scheduled = false;
  /** Used of the loop since it last went round. */
  let usedMs = 0;
  let mark = 0;

  const count = (): void => {
    const at = now();
    usedMs += at - mark;
    mark = at;
  };
  const goRound = (): void => {
    scheduled = false;
    usedMs = 0;
    const [first] = waiting;
    if (first === undefined) return;
    const [key, queue] = first;
    // The key goes to the end of the map: the next turn is another key's.
    waiting.delete(key);
    const next = queue.shift();
    if (queue.length > 0) waiting.set(key, queue);
    schedule();
    mark = now();
    next?.();
  };
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    soon(goRound);
  };

  const work = (key: string): Work => ({
    turn: () => {
      schedule();
      if (waiting.size === 0 && usedMs < sliceMs) {
        mark = now();
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
