/** Which traces are recorded, by the names of OTEL_TRACES_SAMPLER, for a runtime without OpenTelemetry's SDK. */

import { type SpanContext, TraceFlags } from '@opentelemetry/api';
import { isCallSpanName, tracedCallShare } from './http-spans.ts';

/** Says whether a span is recorded; `parent` is undefined for the first one of a trace. */
export type Sampler = (traceId: string, name: string, parent: SpanContext | undefined) => boolean;

const always: Sampler = () => true;
const never: Sampler = () => false;

/** As the SDK decides, so that a trace which several services look at is recorded by all of them or by none. */
export function byRatio(ratio: number): Sampler {
  const bound = ratio >= 1 ? 2 ** 32 : Math.floor(ratio * 0xffff_ffff);
  return (traceId) => {
    let folded = 0;
    for (let at = 0; at < 32; at += 8)
      folded = (folded ^ Number.parseInt(traceId.slice(at, at + 8), 16)) >>> 0;
    return folded < bound;
  };
}

const asParent =
  (root: Sampler): Sampler =>
  (traceId, name, parent) =>
    parent === undefined
      ? root(traceId, name, parent)
      : (parent.traceFlags & TraceFlags.SAMPLED) === TraceFlags.SAMPLED;

const shareOfCalls = byRatio(tracedCallShare);

/** Device calls are recorded when their caller asks for it, and a share of the others; whatever else begins a trace always is. */
const byDefault = asParent(
  (traceId, name, parent) => !isCallSpanName(name) || shareOfCalls(traceId, name, parent),
);

/** `ratio`: OTEL_TRACES_SAMPLER_ARG. */
export function samplerOf(name: string | undefined, ratio: number): Sampler {
  switch (name) {
    case 'always_on':
      return always;
    case 'always_off':
      return never;
    case 'traceidratio':
      return byRatio(ratio);
    case 'parentbased_always_on':
      return asParent(always);
    case 'parentbased_always_off':
      return asParent(never);
    case 'parentbased_traceidratio':
      return asParent(byRatio(ratio));
    default:
      return byDefault;
  }
}
