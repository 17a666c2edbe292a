import { renameSync, writeFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';

/**
 * Preloaded into the measured process (`--import`): how long its event loop was held at most. At SIGUSR2 it writes what
 * it has seen since the last time to the file of `BENCH_LOOP_FILE`.
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

const file = process.env.BENCH_LOOP_FILE ?? '';
const tickMs = 1;
/** Shorter ones are of no interest. */
const noticedMs = 3;

const busyMs = (): number => {
  const { system, user } = process.threadCpuUsage();
  return (system + user) / 1_000;
};

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

function seen(): LoopSeen {
  const slices = stretches.map(({ busyMs: ms, from, to }) => {
    const within = collections.filter((one) => one.from >= from - 1 && one.from <= to);
    return ms - within.reduce((sum, one) => sum + one.ms, 0);
  });
  const lengths = collections.map(({ ms }) => ms);
  return {
    longestSliceMs: Math.max(0, ...slices),
    longestCollectionMs: Math.max(0, ...lengths),
    collectionsMs: lengths.reduce((sum, ms) => sum + ms, 0),
  };
}

process.on('SIGUSR2', () => {
  // The observer hears of collections a moment later.
  setTimeout(() => {
    writeFileSync(`${file}.new`, JSON.stringify(seen()));
    renameSync(`${file}.new`, file);
    stretches = [];
    collections = [];
  }, 50);
});
