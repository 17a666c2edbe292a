/**
 * Spans of requests, by OpenTelemetry's semantic conventions for HTTP ("HTTP spans", opentelemetry.io): of kind server for
 * what callers ask, of kind client for what is asked of Jamf Pro, Entra, Graph and Intune. A query is left out everywhere:
 * it may hold what is looked for.
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
import { definedOf, markFailed, type SpanAttributes } from './tracing.ts';
import { type TraceIds, traceIdsOf } from './work-context.ts';

const tracer = () => trace.getTracer('espalier');

/** Device calls are many and alike: a span for each would cost more than the call. */
export const tracedCallShare = 0.01;

/** True of the name of a device call's span. */
export const isCallSpanName = (name: string): boolean => name.includes(' /t/:tenantId/devices/:deviceId/');

export interface ServerRequest {
  readonly method: string;
  /** Path with names for its parameters, as the metrics have it. */
  readonly route: string;
  readonly path: string;
}

const serverAttributes = ({ method, path, route }: ServerRequest) => ({
  'http.request.method': method,
  'http.route': route,
  'url.path': path,
});

const noteAnswer = (span: Span, status: number): void => {
  span.setAttribute('http.response.status_code', status);
  // A caller's own mistake is no failure of the server.
  if (status < 500) return;
  span.setAttribute('error.type', String(status));
  span.setStatus({ code: SpanStatusCode.ERROR });
};

const parentOf = (traceparent: string | undefined) =>
  traceparent ? propagation.extract(ROOT_CONTEXT, { traceparent }) : ROOT_CONTEXT;

/** The trace that a caller's request stands in, where it is continued here. */
export const traceIdsOfCaller = (traceparent: string | undefined): TraceIds =>
  traceIdsOf(parentOf(traceparent));

/** Runs the work on a request in its span; `statusOf` says what an exception is answered with. */
export async function inServerSpan<T extends { readonly status: number }>(
  request: ServerRequest & { readonly traceparent: string | undefined },
  attributes: SpanAttributes,
  work: () => Promise<T>,
  statusOf: (error: unknown) => number,
): Promise<T> {
  const within = request.traceparent
    ? propagation.extract(context.active(), { traceparent: request.traceparent })
    : context.active();
  const options = {
    kind: SpanKind.SERVER,
    attributes: { ...serverAttributes(request), ...definedOf(attributes) },
  };
  return tracer().startActiveSpan(`${request.method} ${request.route}`, options, within, async (span) => {
    try {
      const answer = await work();
      noteAnswer(span, answer.status);
      return answer;
    } catch (error) {
      const status = statusOf(error);
      noteAnswer(span, status);
      if (status >= 500) span.recordException(error instanceof Error ? error : String(error));
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The service that a request goes to, by the name that a map of services shows. */
export type Peer = 'jamf-pro' | 'entra' | 'graph' | 'intune' | 'espalier';

export interface ClientRequest {
  readonly peer: Peer;
  readonly method: string;
  readonly url: string;
  /** What the other side's support asks for. */
  readonly clientRequestId?: string;
}

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

function clientAttributes({ clientRequestId, method, peer, url }: ClientRequest) {
  const { hostname, origin, pathname, port, protocol } = new URL(url);
  return {
    'http.request.method': method,
    'server.address': hostname,
    'server.port': port === '' ? (defaultPorts[protocol] ?? 0) : Number(port),
    'url.full': origin + pathname,
    'service.peer.name': peer,
    ...(clientRequestId === undefined ? {} : { 'http.request.header.client-request-id': [clientRequestId] }),
  };
}

/** The outcome of an exchange. */
export interface ExchangeEnd {
  readonly status?: number | undefined;
  /** Absent: it was answered. */
  readonly failure?: string | undefined;
}

function noteEnd(span: Span, { failure, status }: ExchangeEnd): void {
  if (status !== undefined) span.setAttribute('http.response.status_code', status);
  const error = failure ?? (status !== undefined && status >= 400 ? String(status) : undefined);
  if (error === undefined) return;
  span.setAttribute('error.type', error);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** One exchange with another service in a span of its own, below whatever work asks for it. */
export async function inExchangeSpan<T>(
  request: ClientRequest,
  exchange: () => Promise<T>,
  endOf: (result: T) => ExchangeEnd,
): Promise<T> {
  const span = tracer().startSpan(request.method, { kind: SpanKind.CLIENT });
  if (span.isRecording()) span.setAttributes(clientAttributes(request));
  try {
    const result = await context.with(trace.setSpan(context.active(), span), exchange);
    noteEnd(span, endOf(result));
    return result;
  } catch (error) {
    markFailed(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** The spans of a call that goes on by callbacks: none of them is the active one of any work. */
export interface CallSpan {
  /** The `traceparent` for the instance, if there is one. */
  readonly traceparent: string | undefined;
  /** Of the span of what the caller asks. */
  readonly ids: TraceIds;
  /** `outcome`: the instance's status, or why there is none; `status`: what the caller was answered with, where he was. */
  end(outcome: string, status: number | undefined): void;
}

/** A device call: what the caller asks, and below it what the instance is asked. */
export function startCallSpan(
  call: ServerRequest & { readonly traceparent: string | undefined; readonly attributes: SpanAttributes },
  asked: Pick<ClientRequest, 'method' | 'url'>,
): CallSpan {
  const parent = parentOf(call.traceparent);
  const attributes = { ...serverAttributes(call), ...definedOf(call.attributes) };
  const options = { kind: SpanKind.SERVER, attributes };
  const server = tracer().startSpan(`${call.method} ${call.route}`, options, parent);
  const below = trace.setSpan(parent, server);
  const client = tracer().startSpan(asked.method, { kind: SpanKind.CLIENT }, below);
  if (client.isRecording()) client.setAttributes(clientAttributes({ ...asked, peer: 'jamf-pro' }));
  const carrier: { traceparent?: string } = {};
  propagation.inject(trace.setSpan(below, client), carrier);
  return {
    traceparent: carrier.traceparent,
    ids: traceIdsOf(below),
    end: (outcome, status) => {
      noteEnd(client, /^\d{3}$/.test(outcome) ? { status: Number(outcome) } : { failure: outcome });
      client.end();
      server.setAttribute('espalier.outcome', outcome);
      if (status !== undefined) noteAnswer(server, status);
      server.end();
    },
  };
}

type Answered =
  | { readonly ok: true; readonly status: number }
  | { readonly ok: false; readonly failure: string };

/** Sends a request in a span of its own, which ends with the head of the answer; `peer` is who is asked. */
export const sendInSpan = <
  Request extends { readonly method: string; readonly url: string },
  Answer extends Answered,
>(
  send: (request: Request) => Promise<Answer>,
  peer: Peer,
  request: Request,
  clientRequestId?: string,
): Promise<Answer> =>
  inExchangeSpan(
    {
      ...{ peer, method: request.method, url: request.url },
      ...(clientRequestId === undefined ? {} : { clientRequestId }),
    },
    () => send(request),
    (answer) => (answer.ok ? { status: answer.status } : { failure: answer.failure }),
  );
