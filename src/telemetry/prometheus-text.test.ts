import { expect, it } from 'vitest';
import { createCounters, type MetricFamily, record } from './counters.ts';
import { prometheusText } from './prometheus-text.ts';

it('writes counters, gauges and histograms as Prometheus reads them', async () => {
  const counters = createCounters();
  counters.counter('calls_total', 'Calls')({ way: 'a' }).sum += 2;
  const times = counters.histogram('time_seconds', 'Time', [0.1, 1])({ way: 'a' });
  for (const seconds of [0.05, 0.5, 0.5, 7]) record(times, [0.1, 1], seconds);
  counters.onRead((observe) => {
    observe({ name: 'level', description: 'Level', across: 'one' }, Number.POSITIVE_INFINITY);
  });
  const { families } = await counters.read();
  expect(prometheusText(families)).toBe(
    [
      '# HELP calls_total Calls',
      '# TYPE calls_total counter',
      'calls_total{way="a"} 2',
      '# HELP time_seconds Time',
      '# TYPE time_seconds histogram',
      'time_seconds_count{way="a"} 4',
      'time_seconds_sum{way="a"} 8.05',
      'time_seconds_bucket{way="a",le="0.1"} 1',
      'time_seconds_bucket{way="a",le="1"} 3',
      'time_seconds_bucket{way="a",le="+Inf"} 4',
      '# HELP level Level',
      '# TYPE level gauge',
      'level +Inf',
      '',
    ].join('\n'),
  );
});

it('no label ends its line or its quotes', () => {
  const family: MetricFamily = {
    name: 'up',
    description: 'One\nline \\',
    kind: 'gauge',
    across: 'one',
    bounds: [],
    series: [{ labels: { name: 'a"b\\c\nd' }, counts: [], sum: 1, count: 0 }],
  };
  expect(prometheusText([family])).toBe(
    '# HELP up One\\nline \\\\\n# TYPE up gauge\nup{name="a\\"b\\\\c\\nd"} 1\n',
  );
});
