/**
 * Spans on OpenTelemetry's API; without an SDK they cost next to nothing. Work that waits in the database keeps the
 * `traceparent` of what caused it, and the span of that work is linked to it: so one webhook can be followed to the upload
 * and to what Entra shows, also where one message carries what several webhooks caused.
 */

import {
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

const tracer = () => trace.getTracer('espalier');

let isOn = false;

/** For a runtime that begins, or ends, to record spans and to continue callers' traces: OpenTelemetry's API does not tell. */
export const setTracing = (on: boolean): void => {
  isOn = on;
};

/** False: a span would be recorded nowhere, so none is begun. */
export const isTracing = (): boolean => isOn;

export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** What the SDK keeps of links by default. */
const maxLinks = 128;

export const definedOf = (attributes: SpanAttributes): Record<string, string | number | boolean> =>
  Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

export function markFailed(span: Span, error: unknown): void {
  span.recordException(error instanceof Error ? error : String(error));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** One link for each different cause that is well formed. */
function linksTo(causes: readonly (string | null)[]): Link[] {
  const different = new Set(causes.filter((cause) => cause !== null));
  return [...different].slice(0, maxLinks).flatMap((traceparent) => {
    const cause = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, { traceparent }));
    return cause === undefined ? [] : [{ context: cause }];
  });
}

/**
 * Runs `work`, which requests that were answered long ago have caused, in a span with a link to each of them. The first
 * one is its parent too, so that work which only it has caused is recorded when it was, and stands in its trace.
 */
export async function inStageSpan<T>(
  name: string,
  attributes: SpanAttributes,
  causes: readonly (string | null)[],
  work: () => Promise<T>,
): Promise<T> {
  const links = linksTo(causes);
  const [first] = links;
  const parent = first ? trace.setSpanContext(context.active(), first.context) : context.active();
  return tracer().startActiveSpan(
    name,
    { attributes: definedOf(attributes), links },
    parent,
    async (span) => {
      try {
        return await work();
      } catch (error) {
        markFailed(span, error);
        throw error;
      } finally {
        span.end();
      }
    },
  );
}

/** Adds what came out to the span of the work that is under way. */
export const noteOnSpan = (attributes: SpanAttributes): void => {
  const span = trace.getActiveSpan();
  if (span?.isRecording()) span.setAttributes(definedOf(attributes));
};

/** True where the sender asked for the trace to be recorded (W3C Trace Context, section 3.2.2.5.1). */
export const isSampled = (traceparent: string | undefined): boolean =>
  traceparent !== undefined &&
  /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf](?:-|$)/.test(traceparent);

/** The active span as a `traceparent`, or null when nothing is traced. */
export function currentTraceparent(): string | null {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent ?? null;
}
