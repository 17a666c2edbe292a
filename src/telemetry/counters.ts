/**
 * Counters and histograms of what happens at every request, kept as plain numbers: OpenTelemetry's instruments look a
 * series up by its attributes at each call, which costs microseconds a request. A runtime that exposes metrics reads
 * them when somebody looks (runtime/node-telemetry.ts).
 */

export type Labels = Readonly<Record<string, string>>;

/** One series: of a counter only `sum` counts. */
export interface Series {
  readonly labels: Labels;
  /** Number of observations up to each bound, and above the last; not cumulative. */
  readonly counts: number[];
  sum: number;
  count: number;
}

export interface MetricFamily {
  readonly name: string;
  readonly description: string;
  /** Upper bounds of a histogram's buckets; undefined: a counter. */
  readonly bounds: readonly number[] | undefined;
  readonly series: readonly Series[];
}

export interface Counters {
  /** A new series for each call: whoever asks keeps it. */
  counter(name: string, description: string): (labels: Labels) => Series;
  histogram(name: string, description: string, bounds: readonly number[]): (labels: Labels) => Series;
  read(): readonly MetricFamily[];
  /** Milliseconds since 1970: since when is counted. */
  readonly sinceMs: number;
}

export function createCounters(): Counters {
  const counters: MetricFamily[] = [];
  const add = (name: string, description: string, bounds: readonly number[] | undefined) => {
    const series: Series[] = [];
    counters.push({ name, description, bounds, series });
    return (labels: Labels): Series => {
      const made = { labels, counts: new Array<number>((bounds?.length ?? 0) + 1).fill(0), sum: 0, count: 0 };
      series.push(made);
      return made;
    };
  };
  return {
    counter: (name, description) => add(name, description, undefined),
    histogram: add,
    read: () => counters,
    sinceMs: Date.now(),
  };
}

export function record(series: Series, bounds: readonly number[], value: number): void {
  let bucket = 0;
  while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
  series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
  series.sum += value;
  series.count += 1;
}
