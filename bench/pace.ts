/** What a number of workers did side by side within a time. */
export interface Pace {
  /** Requests or queries that succeeded. */
  readonly operations: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** `share` of 0 to 1, of sorted numbers; the nearest rank, so that it is one that was measured. */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;

/** The ranks between which that percentile of what was sampled lies with 95 %, by the binomial distribution's normal approximation. */
export function percentileInterval(sorted: readonly number[], share: number): readonly [number, number] {
  const [count, middle] = [sorted.length, sorted.length * share];
  const wide = 1.96 * Math.sqrt(count * share * (1 - share));
  const at = (rank: number): number => sorted[Math.min(count, Math.max(1, rank)) - 1] ?? 0;
  return [at(Math.floor(middle - wide)), at(Math.ceil(middle + wide) + 1)];
}

/**
 * Closed loop: each worker starts its next operation when the one before is done, and none after `durationMs` or once
 * its operation said `false`, which is that there was nothing left to do and is not counted; the time counts until the
 * last one is done. Rejects with the first failure: a rate with failures in it says nothing.
 */
export async function pace(
  workers: number,
  durationMs: number,
  operation: () => Promise<unknown>,
): Promise<Pace> {
  const took: number[] = [];
  const started = performance.now();
  let failed = false;
  const work = async (): Promise<void> => {
    while (!failed) {
      const before = performance.now();
      if (before - started >= durationMs) return;
      if ((await operation()) === false) return;
      took.push(performance.now() - before);
    }
  };
  const working = Array.from({ length: workers }, () =>
    work().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  // Settled, not all: nothing may be in flight any more when the caller closes its connections.
  const settled = await Promise.allSettled(working);
  const seconds = (performance.now() - started) / 1_000;
  const refused = settled.find((one) => one.status === 'rejected');
  if (refused) throw refused.reason;
  took.sort((a, b) => a - b);
  return { operations: took.length, seconds, p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99) };
}
