import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCounters, type Gauge, type MetricFamily, record } from './counters.ts';
import { mergeMetrics } from './merge-metrics.ts';

const gauge = (across: Gauge['across']): Gauge => ({ name: `g_${across}`, description: '', across });

function processWith(fill: (counters: ReturnType<typeof createCounters>) => void) {
  const counters = createCounters();
  fill(counters);
  return counters.read().then(({ families }) => families);
}
const valuesOf = (families: readonly MetricFamily[], name: string) =>
  Object.fromEntries(
    (families.find((family) => family.name === name)?.series ?? []).map(({ labels, sum }) => [
      Object.values(labels).join(),
      sum,
    ]),
  );

describe('metrics of several processes', () => {
  it('are summed where they count, by labels in whatever order', async () => {
    const one = await processWith((counters) => {
      counters.counter('c', '')({ a: '1', b: '2' }).sum = 3;
    });
    const other = await processWith((counters) => {
      const make = counters.counter('c', '');
      make({ b: '2', a: '1' }).sum = 4;
      make({ a: '9' }).sum = 1;
    });
    const merged = mergeMetrics([one, other]);
    expect(merged.map(({ kind, name }) => [kind, name])).toEqual([['counter', 'c']]);
    expect(valuesOf(merged, 'c')).toEqual({ '1,2': 7, '9': 1 });
    expect(valuesOf(one, 'c')).toEqual({ '1,2': 3 });
  });

  it('are what each gauge says of itself', async () => {
    const withGauges = (value: number) =>
      processWith((counters) =>
        counters.onRead((observe) => {
          for (const across of ['one', 'highest', 'sum'] as const) observe(gauge(across), value, { l: 'x' });
        }),
      );
    const merged = mergeMetrics(await Promise.all([2, 5, 3].map(withGauges)));
    expect(['g_one', 'g_highest', 'g_sum'].map((name) => valuesOf(merged, name))).toEqual([
      { x: 2 },
      { x: 5 },
      { x: 10 },
    ]);
  });

  it('lose no observation of a histogram, also where another version has other bounds', async () => {
    const observed = (bounds: number[], values: readonly number[]) =>
      processWith((counters) => {
        const series = counters.histogram('h', '', bounds)({});
        for (const value of values) record(series, bounds, value);
      });
    const bounds = fc
      .uniqueArray(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 })
      .map((all) => all.toSorted((a, b) => a - b));
    const values = fc.array(fc.integer({ min: 0, max: 25 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(bounds, values, bounds, values, async (ours, our, theirs, their) => {
        const [one, other] = await Promise.all([observed(ours, our), observed(theirs, their)]);
        const series = mergeMetrics([one, other])[0]?.series[0];
        expect(series?.count).toBe(our.length + their.length);
        expect(series?.counts).toHaveLength(ours.length + 1);
        expect(series?.counts.reduce((sum, count) => sum + count, 0)).toBe(our.length + their.length);
        const before = one[0]?.series[0]?.counts ?? [];
        for (const [at, count] of before.entries()) expect(series?.counts[at]).toBeGreaterThanOrEqual(count);
      }),
    );
  });

  it('leave out what all read from one database where that is not wanted', async () => {
    const counters = createCounters();
    counters.onRead((observe) => observe(gauge('one'), 1), 'database');
    counters.onRead((observe) => observe(gauge('sum'), 1));
    const names = async (wanted: 'all' | 'own') =>
      (await counters.read(wanted)).families.map(({ name }) => name);
    expect(await names('all')).toEqual(['g_one', 'g_sum']);
    expect(await names('own')).toEqual(['g_sum']);
  });
});
