/** What counters and histograms have grown by since it was last told, for a collector that adds it up. */

import type { Counters, MetricFamily, Series } from './counters.ts';
import type { Period } from './otlp.ts';

export interface Growth extends Period {
  /** Series that grew, with what they grew by. */
  readonly families: readonly MetricFamily[];
  /** It was told: the next growth begins where this one ends. */
  told(): void;
}

export interface Deltas {
  growth(): Growth;
}

type Told = Pick<Series, 'count' | 'counts' | 'sum'>;

const copyOf = ({ count, counts, sum }: Series): Told => ({ count, counts: [...counts], sum });

const difference = (now: Told, before: Told | undefined, { labels }: Series): Series => ({
  labels,
  sum: now.sum - (before?.sum ?? 0),
  count: now.count - (before?.count ?? 0),
  counts: now.counts.map((value, at) => value - (before?.counts[at] ?? 0)),
});

export function createDeltas(counters: Counters): Deltas {
  const toldOf = new Map<Series, Told>();
  let fromMs = counters.sinceMs;
  return {
    growth: () => {
      const read = new Map<Series, Told>();
      const families = counters.counted().flatMap((family) => {
        const series = family.series.flatMap((one) => {
          const now = copyOf(one);
          const grown = difference(now, toldOf.get(one), one);
          if (grown.sum === 0 && grown.count === 0) return [];
          read.set(one, now);
          return [grown];
        });
        return series.length === 0 ? [] : [{ ...family, series }];
      });
      const toMs = Date.now();
      return {
        families,
        fromMs,
        toMs,
        told: () => {
          for (const [series, told] of read) toldOf.set(series, told);
          fromMs = toMs;
        },
      };
    },
  };
}
