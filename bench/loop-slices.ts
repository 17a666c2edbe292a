import { PerformanceObserver } from 'node:perf_hooks';

/**
 * How long the event loop of this process was held at most.
 *
 * Between two ticks of a timer of a millisecond the processor time of the main thread is what ran without a pause, or in
 * a few turns of the loop: an upper bound of the longest synchronous slice. Processor time, for on a machine with others
 * the clock also runs while the thread waits for a processor. Garbage collections are told apart.
 */

export interface LoopSeen {
  /** Processor time of the main thread in one stretch, collections apart. */
  readonly longestSliceMs: number;
  readonly longestCollectionMs: number;
  readonly collectionsMs: number;
}

interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly busyMs: number;
}

const tickMs = 1;
/** Shorter ones are of no interest. */
const noticedMs = 3;
/** The observer hears of collections a moment later. */
const heardMs = 50;

const busyMs = (): number => {
  const { system, user } = process.threadCpuUsage();
  return (system + user) / 1_000;
};

/** Watches until the process ends; each question is about the time since the one before it. */
export function watchLoop(): () => Promise<LoopSeen> {
  let stretches: Stretch[] = [];
  let collections: { readonly from: number; readonly ms: number }[] = [];
  let at = performance.now();
  let busy = busyMs();
  const observer = new PerformanceObserver((list) => {
    for (const { duration, startTime } of list.getEntries())
      collections.push({ from: startTime, ms: duration });
  });
  observer.observe({ entryTypes: ['gc'] });
  const look = (): void => {
    const to = performance.now();
    const busyNow = busyMs();
    if (busyNow - busy > noticedMs) stretches.push({ from: at, to, busyMs: busyNow - busy });
    at = to;
    busy = busyNow;
  };
  setInterval(look, tickMs).unref();
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, heardMs));
    const slices = stretches.map(({ busyMs: ms, from, to }) => {
      const within = collections.filter((one) => one.from >= from - 1 && one.from <= to);
      return ms - within.reduce((sum, one) => sum + one.ms, 0);
    });
    const lengths = collections.map(({ ms }) => ms);
    stretches = [];
    collections = [];
    return {
      longestSliceMs: Math.max(0, ...slices),
      longestCollectionMs: Math.max(0, ...lengths),
      collectionsMs: lengths.reduce((sum, ms) => sum + ms, 0),
    };
  };
}
