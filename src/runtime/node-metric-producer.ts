/** Hands counters and gauges to OpenTelemetry's readers. */

import { ValueType } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { Counters, MetricFamily, Series } from '../telemetry/counters.ts';

type HrTime = [seconds: number, nanoseconds: number];
const hrTime = (ms: number): HrTime => [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1e6)];

/** The reader ignores it and takes the SDK's. */
const noResource = { attributes: {}, getRawAttributes: () => [], merge: () => noResource };

function metricOf(
  { bounds, description, kind, name, series }: MetricFamily,
  startTime: HrTime,
  endTime: HrTime,
): MetricData {
  const common = {
    descriptor: { name, description, unit: '', valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const point = <T>(one: Series, value: T) => ({ startTime, endTime, attributes: { ...one.labels }, value });
  const values = () => series.map((one) => point(one, one.sum));
  if (kind === 'counter')
    return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: values() };
  if (kind === 'gauge') return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: values() };
  const dataPoints = series.map((one) =>
    point(one, {
      buckets: { boundaries: [...bounds], counts: [...one.counts] },
      sum: one.sum,
      count: one.count,
    }),
  );
  return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints };
}

export const createMetricProducer = (counters: Counters): MetricProducer => ({
  collect: async () => {
    const { errors, families } = await counters.read();
    const [startTime, endTime] = [hrTime(counters.sinceMs), hrTime(Date.now())];
    const metrics = families.map((family) => metricOf(family, startTime, endTime));
    const scopeMetrics = [{ scope: { name: 'espalier' }, metrics }];
    return { resourceMetrics: { resource: noResource, scopeMetrics }, errors: [...errors] };
  },
});
