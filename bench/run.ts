/** What the benchmarks are given to work with, and what they find. */

export interface RunOptions {
  /** Default: each benchmark has its own number. */
  readonly rounds?: number | undefined;
  /** Macs, of all tenants together. */
  readonly devices?: number | undefined;
  /** `ESPALIER_UPLOAD_MAX_DEVICES`, one after the other. */
  readonly perUpload?: readonly number[] | undefined;
  /** What Intune does while it is out of order. */
  readonly outage?: 'refuses' | 'silent' | undefined;
  /** Length of `soak`; of all others it is the time limit. */
  readonly minutes?: number | undefined;
  /** Length of a round. */
  readonly seconds?: number | undefined;
  /** Regular expression for the noises that `noisy-neighbour` plays, or the requests that `workers` sends; default: all. */
  readonly only?: string | undefined;
  /** What `forward-peers` looks at; default: the table of all peers. */
  readonly mode?: 'latency' | 'tls' | 'front' | 'internals' | undefined;
}

export interface Run {
  /** Everything that is started is put on it; its owner stops it, also when a start fails half-way. */
  readonly stack: AsyncDisposableStack;
  /** Aborted when nothing more shall be measured. */
  readonly signal: AbortSignal;
  readonly options: RunOptions;
  /** Says how far it is. */
  readonly print: (line: string) => void;
}

export interface Finding {
  readonly title: string;
  /** For people. */
  readonly lines: readonly string[];
  /** For `--json`. */
  readonly data: object;
  /** A bound is missed for which the whole run fails. */
  readonly fails?: boolean;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits; rejects as soon as the run is aborted. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  const end = Date.now() + ms;
  for (let left = ms; left > 0; left = end - Date.now()) {
    signal.throwIfAborted();
    await pause(Math.min(left, 200));
  }
  signal.throwIfAborted();
}

/** Rejects as soon as the run is aborted, whatever becomes of the promise. */
export async function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Asks again and again; throws with the last answer when it is not true within `patienceMs`. */
export async function until(
  what: string,
  { everyMs, patienceMs, signal }: { everyMs: number; patienceMs: number; signal: AbortSignal },
  ask: () => Promise<{ readonly done: boolean; readonly now: string }>,
): Promise<void> {
  const end = Date.now() + patienceMs;
  for (;;) {
    const { done, now } = await ask();
    if (done) return;
    if (Date.now() > end) throw new Error(`${what} not within ${patienceMs / 1_000} s: ${now}`);
    await wait(everyMs, signal);
  }
}
