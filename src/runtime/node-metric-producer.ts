/** Hands what was tallied to OpenTelemetry's readers, beside what its own instruments hold. */

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
  { bounds, description, name, series }: MetricFamily,
  startTime: HrTime,
  endTime: HrTime,
): MetricData {
  const common = {
    descriptor: { name, description, unit: '', valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const point = <T>(one: Series, value: T) => ({ startTime, endTime, attributes: { ...one.labels }, value });
  if (bounds === undefined) {
    const dataPoints = series.map((one) => point(one, one.sum));
    return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
  }
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
    const [startTime, endTime] = [hrTime(counters.sinceMs), hrTime(Date.now())];
    const metrics = counters
      .read()
      .filter(({ series }) => series.length > 0)
      .map((family) => metricOf(family, startTime, endTime));
    const scopeMetrics = [{ scope: { name: 'espalier' }, metrics }];
    return { resourceMetrics: { resource: noResource, scopeMetrics }, errors: [] };
  },
});
