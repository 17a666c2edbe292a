/** Messages of OTLP/HTTP in JSON (opentelemetry.io, "OTLP Specification"; enums are numbers there, and 64 bits are text). */

import type { Attributes, AttributeValue } from '@opentelemetry/api';
import type { MetricFamily, Series } from './counters.ts';
import type { RecordedSpan } from './recorded-spans.ts';

export type Resource = Readonly<Record<string, string>>;

const scope = { name: 'espalier' };
const nanoseconds = (ms: number): string => String(BigInt(Math.round(ms * 1_000)) * 1_000n);

function anyValueOf(value: AttributeValue): unknown {
  if (Array.isArray(value))
    return { arrayValue: { values: value.filter((one) => one != null).map((one) => anyValueOf(one)) } };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { stringValue: String(value) };
}

const attributesOf = (attributes: Attributes) =>
  Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: anyValueOf(value) }],
  );

const resourceOf = (resource: Resource) => ({ attributes: attributesOf(resource) });

function spanOf({ endMs, events, links, parent, startMs, status, ...span }: RecordedSpan) {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(parent === undefined ? {} : { parentSpanId: parent.spanId }),
    name: span.name,
    // The API counts from 0, and the protocol has 0 for none.
    kind: span.kind + 1,
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: attributesOf(span.attributes),
    events: events.map(({ atMs, attributes, name }) => ({
      name,
      timeUnixNano: nanoseconds(atMs),
      attributes: attributesOf(attributes),
    })),
    links: links.map(({ attributes = {}, context }) => ({
      traceId: context.traceId,
      spanId: context.spanId,
      attributes: attributesOf(attributes),
    })),
    status: { code: status.code, ...(status.message === undefined ? {} : { message: status.message }) },
  };
}

export const tracesMessage = (resource: Resource, spans: readonly RecordedSpan[]): string =>
  JSON.stringify({
    resourceSpans: [{ resource: resourceOf(resource), scopeSpans: [{ scope, spans: spans.map(spanOf) }] }],
  });

/** Counts of a time that ended, milliseconds since 1970: each is told once. */
export interface Period {
  readonly fromMs: number;
  readonly toMs: number;
}

const delta = 1;

function metricOf({ bounds, description, kind, name, series }: MetricFamily, { fromMs, toMs }: Period) {
  const dates = { startTimeUnixNano: nanoseconds(fromMs), timeUnixNano: nanoseconds(toMs) };
  const about = { name, description, unit: '' };
  const pointOf = ({ labels }: Series) => ({ attributes: attributesOf(labels), ...dates });
  const values = () => series.map((one) => ({ ...pointOf(one), asDouble: one.sum }));
  if (kind === 'gauge') return { ...about, gauge: { dataPoints: values() } };
  if (kind === 'counter')
    return { ...about, sum: { dataPoints: values(), aggregationTemporality: delta, isMonotonic: true } };
  const dataPoints = series.map((one) => ({
    ...pointOf(one),
    count: String(one.count),
    sum: one.sum,
    bucketCounts: one.counts.map(String),
    explicitBounds: bounds,
  }));
  return { ...about, histogram: { dataPoints, aggregationTemporality: delta } };
}

export const metricsMessage = (
  resource: Resource,
  families: readonly MetricFamily[],
  period: Period,
): string =>
  JSON.stringify({
    resourceMetrics: [
      {
        resource: resourceOf(resource),
        scopeMetrics: [{ scope, metrics: families.map((family) => metricOf(family, period)) }],
      },
    ],
  });
