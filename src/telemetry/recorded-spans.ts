/**
 * Spans of OpenTelemetry's API as plain data, for a runtime that may not run its SDK. A context says where they go, so
 * that what shares an isolate keeps its spans apart; work whose context says nothing is not traced.
 */

import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  type Exception,
  INVALID_SPAN_CONTEXT,
  isSpanContextValid,
  type Link,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  type SpanStatus,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import type { Sampler } from './samplers.ts';

export interface SpanEvent {
  readonly name: string;
  readonly atMs: number;
  readonly attributes: Attributes;
}

/** A span that ended; times are milliseconds since 1970. */
export interface RecordedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: SpanContext | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  readonly links: readonly Link[];
  readonly status: SpanStatus;
}

export interface SpanSink {
  readonly sampler: Sampler;
  add(span: RecordedSpan): void;
}

const sinkKey = createContextKey('where recorded spans go');

export const recordingTo = (sink: SpanSink, inContext: Context): Context => inContext.setValue(sinkKey, sink);

const sinkOf = (inContext: Context): SpanSink | undefined =>
  inContext.getValue(sinkKey) as SpanSink | undefined;

const randomHex = (bytes: number): string => {
  const drawn = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(drawn, (byte) => byte.toString(16).padStart(2, '0')).join('');
};

/** Text of an error is the only attribute whose length is not ours. */
const maxTextLength = 4_096;
const maxEvents = 16;
/** As the SDK bounds them. */
const maxLinks = 128;

function exceptionAttributes(exception: Exception): Attributes {
  if (typeof exception === 'string') return { 'exception.message': exception.slice(0, maxTextLength) };
  const { code, message, name, stack } = exception;
  const type = code ?? name;
  return {
    ...(type === undefined ? {} : { 'exception.type': String(type) }),
    ...(message === undefined ? {} : { 'exception.message': message.slice(0, maxTextLength) }),
    ...(stack === undefined ? {} : { 'exception.stacktrace': stack.slice(0, maxTextLength) }),
  };
}

type Began = Pick<RecordedSpan, 'kind' | 'name' | 'parent' | 'startMs'>;

function recordSpan(own: SpanContext, began: Began, options: SpanOptions, sink: SpanSink): Span {
  const attributes: Attributes = { ...options.attributes };
  const events: SpanEvent[] = [];
  const links: Link[] = [...(options.links ?? [])].slice(0, maxLinks);
  let { name } = began;
  let status: SpanStatus = { code: SpanStatusCode.UNSET };
  let isOpen = true;
  const add = (event: SpanEvent): Span => {
    if (isOpen && events.length < maxEvents) events.push(event);
    return span;
  };
  const span: Span = {
    spanContext: () => own,
    isRecording: () => isOpen,
    setAttribute: (key, value) => span.setAttributes({ [key]: value }),
    setAttributes: (more) => {
      if (isOpen) Object.assign(attributes, more);
      return span;
    },
    addEvent: (event, more) =>
      add({
        name: event,
        atMs: Date.now(),
        attributes: typeof more === 'object' && !Array.isArray(more) ? (more as Attributes) : {},
      }),
    recordException: (exception) => {
      add({ name: 'exception', atMs: Date.now(), attributes: exceptionAttributes(exception) });
    },
    addLink: (link) => span.addLinks([link]),
    addLinks: (more) => {
      if (isOpen) links.push(...more.slice(0, maxLinks - links.length));
      return span;
    },
    setStatus: (given) => {
      status = given;
      return span;
    },
    updateName: (given) => {
      name = given;
      return span;
    },
    end: () => {
      if (!isOpen) return;
      isOpen = false;
      const { spanId, traceId } = own;
      sink.add({ ...began, name, traceId, spanId, endMs: Date.now(), attributes, events, links, status });
    },
  };
  return span;
}

function startSpan(name: string, options: SpanOptions, inContext: Context): Span {
  const above = options.root === true ? undefined : trace.getSpanContext(inContext);
  const parent = above !== undefined && isSpanContextValid(above) ? above : undefined;
  const sink = sinkOf(inContext);
  if (sink === undefined) return trace.wrapSpanContext(parent ?? INVALID_SPAN_CONTEXT);
  const traceId = parent?.traceId ?? randomHex(16);
  const isSampled = sink.sampler(traceId, name, parent);
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  const own: SpanContext = { traceId, spanId: randomHex(8), traceFlags };
  if (!isSampled) return trace.wrapSpanContext(own);
  const kind = options.kind ?? SpanKind.INTERNAL;
  return recordSpan(own, { name, kind, parent, startMs: Date.now() }, options, sink);
}

const tracer: Tracer = {
  startSpan: (name, options = {}, inContext = context.active()) => startSpan(name, options, inContext),
  startActiveSpan: <F extends (span: Span) => unknown>(name: string, ...given: unknown[]): ReturnType<F> => {
    const work = given.at(-1) as F;
    const [options = {}, inContext = context.active()] = given.slice(0, -1) as [SpanOptions?, Context?];
    const span = startSpan(name, options, inContext);
    return context.with(trace.setSpan(inContext, span), () => work(span)) as ReturnType<F>;
  },
};

export const recordingTracerProvider: TracerProvider = { getTracer: () => tracer };
