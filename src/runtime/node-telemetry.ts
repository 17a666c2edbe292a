import { metrics } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { type IMetricReader, MeterProvider, type MetricProducer } from '@opentelemetry/sdk-metrics';
import type { Tallies } from '../telemetry/tallies.ts';
import { createTallyProducer } from './node-tally-producer.ts';

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

const asksForExport = (environment: Readonly<Record<string, string | undefined>>): boolean =>
  environment.OTEL_SDK_DISABLED !== 'true' &&
  Object.entries(environment).some(
    ([name, value]) => /^OTEL_(EXPORTER_|TRACES_EXPORTER|METRICS_EXPORTER|CONFIG_FILE)/.test(name) && !!value,
  );

async function otlpReaders(
  environment: Readonly<Record<string, string | undefined>>,
  metricProducers: MetricProducer[],
): Promise<IMetricReader[]> {
  if (environment.OTEL_METRICS_EXPORTER === 'none') return [];
  const { PeriodicExportingMetricReader } = await import('@opentelemetry/sdk-metrics');
  const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-proto');
  return [
    new PeriodicExportingMetricReader({
      exporter: new OTLPMetricExporter(),
      metricProducers,
      exportIntervalMillis: Number(environment.OTEL_METRIC_EXPORT_INTERVAL ?? 60_000),
      exportTimeoutMillis: Number(environment.OTEL_METRIC_EXPORT_TIMEOUT ?? 30_000),
    }),
  ];
}

/** Device calls are many and alike: a span for each would cost more than the call. */
const tracedCallShare = 0.01;

/**
 * Spans leave in small lots, unless the environment says otherwise: with the SDK's own 512 every call waits some
 * milliseconds, every five seconds, while they are put into one message.
 */
const spanLots = { OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '64', OTEL_BSP_SCHEDULE_DELAY: '1000' } as const;

/** Must run before anything makes an instrument: the API binds to the provider that is there then. */
export async function startTelemetry(
  environment: Readonly<Record<string, string | undefined>>,
  tallies: Tallies,
): Promise<NodeTelemetry> {
  const metricProducers = [createTallyProducer(tallies)];
  const prometheus = new PrometheusExporter({ preventServerStart: true, metricProducers });
  const serializer = new PrometheusSerializer('', false, undefined, true, true);
  const scrape = async (): Promise<string> =>
    serializer.serialize((await prometheus.collect()).resourceMetrics);
  if (!asksForExport(environment)) {
    const provider = new MeterProvider({ readers: [prometheus] });
    metrics.setGlobalMeterProvider(provider);
    return { scrape, traceShare: 0, shutdown: () => provider.shutdown() };
  }
  // The SDK reads them from nowhere else.
  for (const [name, value] of Object.entries(spanLots)) process.env[name] ??= value;
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const sdk = new NodeSDK({
    serviceName: environment.OTEL_SERVICE_NAME ?? 'espalier',
    metricReaders: [prometheus, ...(await otlpReaders(environment, metricProducers))],
  });
  sdk.start();
  const traceShare = environment.OTEL_TRACES_SAMPLER ? 1 : tracedCallShare;
  return { scrape, traceShare, shutdown: () => sdk.shutdown() };
}
