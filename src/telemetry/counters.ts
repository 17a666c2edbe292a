/**
 * Counters and histograms, kept as plain numbers: OpenTelemetry's instruments look a series up by its attributes at each
 * call, which costs microseconds a request. A runtime that exposes metrics reads them when somebody looks
 * (runtime/node-telemetry.ts) or when it sends them (runtime/worker/telemetry.ts); gauges are observed then.
 */

export type Labels = Readonly<Record<string, string>>;

/** One series: of a counter only `sum` counts, and of a gauge it is the value. */
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
  readonly kind: 'counter' | 'histogram' | 'gauge';
  /** Upper bounds of a histogram's buckets. */
  readonly bounds: readonly number[];
  readonly series: readonly Series[];
}

/** A gauge, by which its values are observed. */
export type Gauge = Pick<MetricFamily, 'name' | 'description'>;
export type ObserveGauge = (gauge: Gauge, value: number, labels?: Labels) => void;

export interface MetricsRead {
  readonly families: readonly MetricFamily[];
  /** Gauges that could not be observed are absent. */
  readonly errors: readonly unknown[];
}

export interface Counters {
  /** A new series for each call: whoever asks keeps it. */
  counter(name: string, description: string): (labels: Labels) => Series;
  histogram(name: string, description: string, bounds: readonly number[]): (labels: Labels) => Series;
  /** Registers what observes gauges; called at every `read`. */
  onRead(fill: (observe: ObserveGauge) => void | Promise<void>): void;
  /** Counters and histograms as they are, without observing anything. */
  counted(): readonly MetricFamily[];
  read(): Promise<MetricsRead>;
  /** Milliseconds since 1970: since when is counted. */
  readonly sinceMs: number;
}

function seriesOf(labels: Labels, bounds: readonly number[], value = 0): Series {
  return { labels, counts: new Array<number>(bounds.length + 1).fill(0), sum: value, count: 0 };
}

export function createCounters(): Counters {
  const families: MetricFamily[] = [];
  const fills: ((observe: ObserveGauge) => void | Promise<void>)[] = [];
  const add = (family: Omit<MetricFamily, 'series'>) => {
    const series: Series[] = [];
    families.push({ ...family, series });
    return (labels: Labels): Series => {
      const made = seriesOf(labels, family.bounds);
      series.push(made);
      return made;
    };
  };
  const counted = (): readonly MetricFamily[] => families.filter(({ series }) => series.length > 0);
  return {
    counter: (name, description) => add({ name, description, kind: 'counter', bounds: [] }),
    histogram: (name, description, bounds) => add({ name, description, kind: 'histogram', bounds }),
    onRead: (fill) => {
      fills.push(fill);
    },
    counted,
    read: async () => {
      const gauges = new Map<Gauge, Series[]>();
      const observe: ObserveGauge = (gauge, value, labels = {}) => {
        const series = gauges.get(gauge) ?? [];
        gauges.set(gauge, series);
        series.push(seriesOf(labels, [], value));
      };
      const filled = await Promise.allSettled(fills.map(async (fill) => fill(observe)));
      const observed = [...gauges].map(
        ([gauge, series]): MetricFamily => ({ ...gauge, kind: 'gauge', bounds: [], series }),
      );
      const errors = filled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
      return { families: [...counted(), ...observed], errors };
    },
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
