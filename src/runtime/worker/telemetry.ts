import { context, propagation, trace } from '@opentelemetry/api';
import type { Send } from '../../outbound/port.ts';
import { type Counters, createCounters } from '../../telemetry/counters.ts';
import { createDeltas } from '../../telemetry/deltas.ts';
import type { Log } from '../../telemetry/log.ts';
import { metricsMessage, type Resource, tracesMessage } from '../../telemetry/otlp.ts';
import {
  type RecordedSpan,
  recordingTo,
  recordingTracerProvider,
  type SpanSink,
} from '../../telemetry/recorded-spans.ts';
import type { Sampler } from '../../telemetry/samplers.ts';
import { traceContextPropagator } from '../../telemetry/trace-context.ts';
import { setTracing } from '../../telemetry/tracing.ts';
import { createContextManager } from '../node-contexts.ts';
import type { ExportSettings } from './export-settings.ts';
import { createOtlpSender, type Lot } from './otlp-sender.ts';

/**
 * Traces and metrics of an isolate or of an object: kept as plain data, and sent in lots behind answers. Requests share the
 * data and nothing that one could wait for.
 */

export interface WorkerTelemetry {
  readonly counters: Counters;
  /** Spans of the work are kept, if anything is exported. */
  within<T>(work: () => T): T;
  /** Counts a request, and sends behind its answer when it is time to. */
  sendBehind(answer: Promise<unknown>, waitUntil: (work: Promise<unknown>) => void): void;
  /** Sends what there is, if the last time is long enough ago. Never rejects. */
  sendWhenDue(): Promise<void>;
}

const lotMs = 5_000;
const lotRequests = 100;
const maxSpans = 1_024;
/** Two messages at their longest, and the gauges; what takes longer has ended with its request. */
const sendingMs = 30_000;
/** Gauges ask the database. */
const gaugesEveryMs = 60_000;

/** For the whole isolate, and for all who share it; once it is done it stays as it is. */
function installTracing(): void {
  propagation.setGlobalPropagator(traceContextPropagator);
  trace.setGlobalTracerProvider(recordingTracerProvider);
  setTracing(true);
}

interface Signal {
  readonly take: () => Promise<Lot | undefined>;
}

/** Keeps spans that ended until they are taken; what comes while there is no room is lost, and counted. */
function createSpanStore(
  sampler: Sampler,
  resource: Resource,
  log: Log,
): Signal & { readonly sink: SpanSink } {
  const spans: RecordedSpan[] = [];
  let lost = 0;
  const lotOf = (count: number): Lot => {
    const remove = (): void => {
      spans.splice(0, count);
      if (lost > 0) log.warn('telemetry.spans-lost', { count: lost });
      lost = 0;
    };
    return { message: tracesMessage(resource, spans), taken: remove, refused: remove };
  };
  return {
    sink: {
      sampler,
      add: (span) => {
        if (spans.length < maxSpans) spans.push(span);
        else lost += 1;
      },
    },
    take: async () => (spans.length === 0 ? undefined : lotOf(spans.length)),
  };
}

/** Counts that are not taken are in the next message: there are as many as series, however long it takes. */
function createMetricLots(counters: Counters, resource: Resource, now: () => number): Signal {
  const deltas = createDeltas(counters);
  let gaugesAtMs = Number.NEGATIVE_INFINITY;
  const gauges = async () => {
    if (now() - gaugesAtMs < gaugesEveryMs) return [];
    gaugesAtMs = now();
    return (await counters.read()).families.filter(({ kind }) => kind === 'gauge');
  };
  return {
    take: async () => {
      const observed = await gauges();
      const { families, told, ...period } = deltas.growth();
      if (families.length + observed.length === 0) return undefined;
      const message = metricsMessage(resource, [...families, ...observed], period);
      return { message, taken: told, refused: () => undefined };
    },
  };
}

export interface TelemetryParts {
  /** Undefined: nothing is exported. */
  readonly settings: ExportSettings | undefined;
  readonly send: Send;
  readonly log: Log;
  readonly now: () => number;
}

export function createWorkerTelemetry({ log, now, send, settings }: TelemetryParts): WorkerTelemetry {
  const counters = createCounters();
  if (settings === undefined) {
    return {
      counters,
      within: (work) => work(),
      sendBehind: () => undefined,
      sendWhenDue: async () => undefined,
    };
  }
  const { metrics, resource, sampler, traces } = settings;
  const shared = { send, log, now };
  const spans = createSpanStore(sampler, resource, log);
  const senders = [
    ...(traces ? [createOtlpSender({ ...shared, signal: 'traces', target: traces, take: spans.take })] : []),
    ...(metrics
      ? [
          createOtlpSender({
            ...shared,
            ...{ signal: 'metrics', target: metrics },
            take: createMetricLots(counters, resource, now).take,
          }),
        ]
      : []),
  ];
  context.setGlobalContextManager(createContextManager());
  if (traces) installTracing();

  let requests = 0;
  let sentAtMs = now();
  /** Until then another request waits for the time to send, unless it ended without a word. */
  let plannedUntilMs = Number.NEGATIVE_INFINITY;
  /** Until then messages are under way, unless what sent them ended without a word. */
  let sendingUntilMs = Number.NEGATIVE_INFINITY;
  const sendAll = async (): Promise<void> => {
    requests = 0;
    sentAtMs = now();
    if (now() < sendingUntilMs) return;
    sendingUntilMs = now() + sendingMs;
    try {
      // One after the other: few connections may be open at a time.
      for (const sendSignal of senders) await sendSignal();
    } catch (error) {
      log.error('telemetry.failed', { error });
    } finally {
      sendingUntilMs = Number.NEGATIVE_INFINITY;
    }
  };
  const afterAnswer = async (answer: Promise<unknown>): Promise<void> => {
    await Promise.allSettled([answer]);
    requests += 1;
    if (requests >= lotRequests) return sendAll();
    if (now() < plannedUntilMs) return;
    plannedUntilMs = now() + 2 * lotMs;
    await new Promise((resolve) => setTimeout(resolve, lotMs));
    plannedUntilMs = Number.NEGATIVE_INFINITY;
    await sendAll();
  };
  return {
    counters,
    within: (work) => (traces ? context.with(recordingTo(spans.sink, context.active()), work) : work()),
    sendBehind: (answer, waitUntil) => waitUntil(afterAnswer(answer)),
    sendWhenDue: async () => {
      if (now() - sentAtMs >= lotMs) await sendAll();
    },
  };
}
