/**
 * Spans on OpenTelemetry's API; without an SDK they cost next to nothing. Work that waits in the database keeps
 * the `traceparent` of what caused it, so that one trace reaches from the webhook to the upload.
 */

import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

const tracer = () => trace.getTracer('espalier');

/** Name of the span of a device call. */
export const callSpanName = 'device.call';

/** Device calls are many and alike: a span for each would cost more than the call. */
export const tracedCallShare = 0.01;

function markFailed(span: Span, error: unknown): void {
  span.recordException(error instanceof Error ? error : String(error));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Runs `work` in a span that continues `traceparent` (a row's or a request's) when there is one. */
export async function inSpan<T>(
  name: string,
  attributes: Readonly<Record<string, string | number | boolean | undefined>>,
  traceparent: string | null | undefined,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const parent = traceparent ? propagation.extract(context.active(), { traceparent }) : context.active();
  const defined = Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
  return tracer().startActiveSpan(name, { attributes: defined }, parent, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      markFailed(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The outcome of an exchange, by the names of OpenTelemetry's semantic conventions for HTTP. */
export interface ExchangeEnd {
  readonly status?: number;
  /** Absent: it was answered. */
  readonly failure?: string;
}

/** One exchange with another service in a span of its own, below whatever work asks for it. */
export async function inExchangeSpan<T>(
  name: string,
  request: { readonly method: string; readonly url: string },
  exchange: () => Promise<T>,
  endOf: (result: T) => ExchangeEnd,
): Promise<T> {
  const { hostname, pathname, port } = new URL(request.url);
  const attributes = {
    'http.request.method': request.method,
    'server.address': hostname,
    ...(port === '' ? {} : { 'server.port': Number(port) }),
    // The query may hold what is asked for; the path says enough.
    'url.path': pathname,
  };
  const span = tracer().startSpan(name, { attributes, kind: SpanKind.CLIENT });
  try {
    const result = await context.with(trace.setSpan(context.active(), span), exchange);
    const { failure, status } = endOf(result);
    if (status !== undefined) span.setAttribute('http.response.status_code', status);
    const error = failure ?? (status !== undefined && status >= 400 ? String(status) : undefined);
    if (error !== undefined) {
      span.setAttribute('error.type', error);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    return result;
  } catch (error) {
    markFailed(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** A span that is not the active one of any work: for calls that go on by callbacks. */
export interface CallSpan {
  /** The `traceparent` for the next service, if there is one. */
  readonly traceparent: string | undefined;
  end(outcome: string): void;
}

export function startCallSpan(
  name: string,
  attributes: Readonly<Record<string, string>>,
  traceparent: string | undefined,
): CallSpan {
  const parent = traceparent ? propagation.extract(ROOT_CONTEXT, { traceparent }) : ROOT_CONTEXT;
  const span = tracer().startSpan(name, { attributes }, parent);
  const carrier: { traceparent?: string } = {};
  propagation.inject(trace.setSpan(parent, span), carrier);
  return {
    traceparent: carrier.traceparent,
    end: (outcome) => {
      span.setAttribute('espalier.outcome', outcome);
      span.end();
    },
  };
}

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
