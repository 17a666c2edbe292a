import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';
import type { IMetricReader, MetricProducer, PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { Counters } from '../telemetry/counters.ts';
import { tracedCallShare } from '../telemetry/http-spans.ts';
import { prometheusText } from '../telemetry/prometheus-text.ts';
import { setTracing } from '../telemetry/tracing.ts';
import { createContextManager } from './node-contexts.ts';
import { createMetricProducer } from './node-metric-producer.ts';
import { asksForExport, metricTimes, otelValue } from './otel-variables.ts';

/**
 * OpenTelemetry on Node: metrics are always kept for /metrics; the SDK with its exporters starts when a variable
 * of OpenTelemetry asks for it (contract section 3).
 */
export interface NodeTelemetry {
  /** Prometheus text of everything now. */
  scrape(): Promise<string>;
  /**
   * Share of the device calls that get a span where the caller did not ask for one: 0 when nothing is exported, 1 when
   * OTEL_TRACES_SAMPLER leaves the choice to the SDK.
   */
  readonly traceShare: number;
  shutdown(): Promise<void>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The exporter that speaks what the collector at the same address is spoken to in for traces. */
async function createOtlpExporter(environment: Environment): Promise<PushMetricExporter> {
  const protocol =
    otelValue(environment, 'OTEL_EXPORTER_OTLP_METRICS_PROTOCOL') ??
    otelValue(environment, 'OTEL_EXPORTER_OTLP_PROTOCOL');
  if (protocol === 'grpc') {
    const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-grpc');
    return new OTLPMetricExporter();
  }
  if (protocol === 'http/json') {
    const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-http');
    return new OTLPMetricExporter();
  }
  const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-proto');
  return new OTLPMetricExporter();
}

/** The readers that push metrics; `/metrics` is there beside them whatever the variable says. */
async function pushReaders(
  environment: Environment,
  metricProducers: MetricProducer[],
): Promise<IMetricReader[]> {
  const exporters = (otelValue(environment, 'OTEL_METRICS_EXPORTER') ?? 'otlp').split(',');
  const names = new Set(exporters.map((name) => name.trim()));
  if (names.has('none')) return [];
  const { ConsoleMetricExporter, PeriodicExportingMetricReader } = await import('@opentelemetry/sdk-metrics');
  const { intervalMs, timeoutMs } = metricTimes(environment);
  const readerOf = (exporter: PushMetricExporter): IMetricReader =>
    new PeriodicExportingMetricReader({
      exporter,
      metricProducers,
      exportIntervalMillis: intervalMs,
      exportTimeoutMillis: timeoutMs,
    });
  return [
    ...(names.has('otlp') ? [readerOf(await createOtlpExporter(environment))] : []),
    ...(names.has('console') ? [readerOf(new ConsoleMetricExporter())] : []),
  ];
}

/**
 * Spans leave in small lots, unless the environment says otherwise: with the SDK's own 512 every call waits some
 * milliseconds, every five seconds, while they are put into one message.
 */
const spanLots = { OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '64', OTEL_BSP_SCHEDULE_DELAY: '1000' } as const;

/** The SDK brings a context manager of its own where it traces; else lines of the log name their requests by ours. */
function keepContexts(): void {
  const probe = createContextKey('whether contexts are kept');
  const isKept = context.with(ROOT_CONTEXT.setValue(probe, true), () => context.active().getValue(probe));
  if (isKept !== true) context.setGlobalContextManager(createContextManager());
}

/** `counters` are what is exposed and sent. */
export async function startTelemetry(environment: Environment, counters: Counters): Promise<NodeTelemetry> {
  const scrape = async (): Promise<string> => prometheusText((await counters.read()).families);
  if (!asksForExport(environment)) {
    keepContexts();
    return { scrape, traceShare: 0, shutdown: async () => undefined };
  }
  // The SDK reads them from nowhere else.
  for (const [name, value] of Object.entries(spanLots)) process.env[name] ??= value;
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const sdk = new NodeSDK({
    serviceName: otelValue(environment, 'OTEL_SERVICE_NAME') ?? 'espalier',
    metricReaders: await pushReaders(environment, [createMetricProducer(counters)]),
  });
  sdk.start();
  keepContexts();
  setTracing(true);
  const traceShare = otelValue(environment, 'OTEL_TRACES_SAMPLER') ? 1 : tracedCallShare;
  const shutdown = async (): Promise<void> => {
    setTracing(false);
    await sdk.shutdown();
  };
  return { scrape, traceShare, shutdown };
}
