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
  /** Says how a gauge of several processes is made one; absent: the family is no gauge. */
  readonly across?: Across;
}

/**
 * What a gauge of several processes of one machine is: that of one of them where all observe the same thing, the highest, or
 * the sum. Counters and histograms are summed.
 */
export type Across = 'one' | 'highest' | 'sum';

/** A value that is observed at each read. Its kind is `counter` where the platform keeps the count, as of processor time. */
export interface Gauge extends Pick<MetricFamily, 'name' | 'description'> {
  readonly across: Across;
  readonly kind?: 'gauge' | 'counter';
}
export type ObserveGauge = (gauge: Gauge, value: number, labels?: Labels) => void;

export interface MetricsRead {
  readonly families: readonly MetricFamily[];
  /** Gauges that could not be observed are absent. */
  readonly errors: readonly unknown[];
}

/** Whose a gauge is: what a process observes of itself, or what each finds in the database that they have in common. */
export type GaugeOf = 'own' | 'database';
export type GaugesRead = 'all' | 'own';

type Fill = (observe: ObserveGauge) => void | Promise<void>;

export interface Counters {
  /** A new series for each call: whoever asks keeps it. */
  counter(name: string, description: string): (labels: Labels) => Series;
  histogram(name: string, description: string, bounds: readonly number[]): (labels: Labels) => Series;
  /** Registers what observes gauges; called at every `read` that wants them. */
  onRead(fill: Fill, of?: GaugeOf): void;
  /** Counters and histograms as they are, without observing anything. */
  counted(): readonly MetricFamily[];
  read(gauges?: GaugesRead): Promise<MetricsRead>;
  /** Milliseconds since 1970: since when is counted. */
  readonly sinceMs: number;
}

const seriesOf = (labels: Labels, bounds: readonly number[]): Series => ({
  ...{ labels, sum: 0, count: 0 },
  counts: new Array<number>(bounds.length + 1).fill(0),
});

/** A gauge has a value only, and there may be tens of thousands. */
const noCounts: number[] = [];
const observed = (labels: Labels, sum: number): Series => ({ labels, counts: noCounts, sum, count: 0 });

export function createCounters(): Counters {
  const families: MetricFamily[] = [];
  const fills: { readonly fill: Fill; readonly of: GaugeOf }[] = [];
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
    onRead: (fill, of = 'own') => {
      fills.push({ fill, of });
    },
    counted,
    read: async (wanted = 'all') => {
      const gauges = new Map<Gauge, Series[]>();
      const observe: ObserveGauge = (gauge, value, labels = {}) => {
        const series = gauges.get(gauge) ?? [];
        gauges.set(gauge, series);
        series.push(observed(labels, value));
      };
      const filled = await Promise.allSettled(
        fills.filter(({ of }) => wanted === 'all' || of === 'own').map(async ({ fill }) => fill(observe)),
      );
      const readNow = [...gauges].map(
        ([gauge, series]): MetricFamily => ({ ...gauge, kind: gauge.kind ?? 'gauge', bounds: [], series }),
      );
      const errors = filled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
      return { families: [...counted(), ...readNow], errors };
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
