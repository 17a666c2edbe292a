/** Makes one set of metrics of those of several processes of a machine. Pure; it keeps nothing and changes nothing. */

import type { MetricFamily, Series } from './counters.ts';

const keyOf = ({ labels }: Series): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

/**
 * Counts under other bounds, as a process of another version may have them: each goes to the first bound that is not below
 * its own, so that none is lost and no bucket falls.
 */
function rebinned(counts: readonly number[], from: readonly number[], to: readonly number[]): number[] {
  const made = new Array<number>(to.length + 1).fill(0);
  counts.forEach((count, at) => {
    const bound = from[at] ?? Number.POSITIVE_INFINITY;
    const found = to.findIndex((one) => one >= bound);
    const place = found === -1 ? to.length : found;
    made[place] = (made[place] ?? 0) + count;
  });
  return made;
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((one, at) => one === b[at]);

const added = (a: Series, b: Series): Series => ({
  labels: a.labels,
  counts: a.counts.map((count, at) => count + (b.counts[at] ?? 0)),
  sum: a.sum + b.sum,
  count: a.count + b.count,
});

function combined({ across, kind }: MetricFamily, a: Series, b: Series): Series {
  if (kind !== 'gauge' || across === 'sum') return added(a, b);
  return across === 'highest' && b.sum > a.sum ? b : a;
}

function intoFamily(family: MetricFamily, other: MetricFamily): MetricFamily {
  const series = new Map(family.series.map((one) => [keyOf(one), one]));
  for (const one of other.series) {
    const fitting = isSame(other.bounds, family.bounds)
      ? one
      : { ...one, counts: rebinned(one.counts, other.bounds, family.bounds) };
    const key = keyOf(one);
    const known = series.get(key);
    series.set(key, known === undefined ? fitting : combined(family, known, fitting));
  }
  return { ...family, series: [...series.values()] };
}

/** Counters and histograms are summed; a gauge is what its `across` says, the first process's where that is `one`. */
export function mergeMetrics(processes: readonly (readonly MetricFamily[])[]): MetricFamily[] {
  const families = new Map<string, MetricFamily>();
  for (const family of processes.flat()) {
    const known = families.get(family.name);
    // Series of one process may repeat each other; they are combined in the same way.
    families.set(family.name, intoFamily(known ?? { ...family, series: [] }, family));
  }
  return [...families.values()];
}
