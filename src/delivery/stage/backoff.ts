/** Back-off with decorrelated jitter: `base`, then anything between base and three times the last, at most `max`. */
export interface Backoff {
  readonly baseSeconds: number;
  readonly maxSeconds: number;
}

/** Seconds to wait after the `attempts`-th failed try (1 is the first). `random` in [0, 1). */
export function backoffSeconds(
  attempts: number,
  { baseSeconds, maxSeconds }: Backoff,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(maxSeconds, baseSeconds * 3 ** Math.min(attempts - 1, 12));
  const floor = Math.min(baseSeconds, ceiling);
  return floor + random() * (ceiling - floor);
}
