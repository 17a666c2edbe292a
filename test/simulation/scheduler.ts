import type { Random } from '../../src/simulator/random.ts';

/** Virtual time: what is planned happens in the order of its time, one after the other, as fast as it can be computed. */
export interface Scheduler {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Does `work` in `ms` milliseconds; the answer cancels it. */
  after(ms: number, work: () => void): () => void;
  sleep(ms: number): Promise<void>;
  /** Lets time pass until then or until `done`; `step` is called after every event, when nothing is left to do. */
  runUntil(untilMs: number, step: () => void, done?: () => boolean): Promise<void>;
}

interface Planned {
  readonly atMs: number;
  /** Decides between events of the same time. */
  readonly order: number;
  readonly work: () => void;
  cancelled: boolean;
}

const isBefore = (a: Planned, b: Planned): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** A binary heap: the earliest first. */
function createHeap() {
  const items: Planned[] = [];
  const swap = (a: number, b: number): void => {
    [items[a], items[b]] = [items[b]!, items[a]!];
  };
  return {
    first: (): Planned | undefined => items[0],
    push: (item: Planned): void => {
      items.push(item);
      for (let at = items.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1;
        if (!isBefore(items[at]!, items[parent]!)) break;
        swap(at, parent);
        at = parent;
      }
    },
    pop: (): void => {
      const last = items.pop();
      if (last === undefined || items.length === 0) return;
      items[0] = last;
      for (let at = 0; ; ) {
        let least = at;
        for (const child of [2 * at + 1, 2 * at + 2]) {
          if (child < items.length && isBefore(items[child]!, items[least]!)) least = child;
        }
        if (least === at) break;
        swap(at, least);
        at = least;
      }
    },
  };
}

/** Everything that waits for promises only runs before this resolves: no timer and no input is involved. */
const settleMicrotasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function createScheduler(random: Random, startMs: number): Scheduler {
  const heap = createHeap();
  let nowMs = startMs;
  const after: Scheduler['after'] = (ms, work) => {
    const planned = { atMs: nowMs + Math.max(0, ms), order: random.next(), work, cancelled: false };
    heap.push(planned);
    return () => {
      planned.cancelled = true;
    };
  };
  return {
    now: () => nowMs,
    after,
    sleep: (ms) => new Promise((resolve) => void after(ms, resolve)),
    runUntil: async (untilMs, step, done = () => false) => {
      await settleMicrotasks();
      while (!done()) {
        const next = heap.first();
        if (next === undefined || next.atMs > untilMs) {
          nowMs = Math.max(nowMs, untilMs);
          return;
        }
        heap.pop();
        if (next.cancelled) continue;
        nowMs = next.atMs;
        next.work();
        await settleMicrotasks();
        step();
      }
    },
  };
}
