import type { Resource } from '../../telemetry/otlp.ts';
import { type Sampler, samplerOf } from '../../telemetry/samplers.ts';
import { version } from '../../version.ts';
import type { ConfigFault, ConfigSource } from '../config.ts';
import { asksForExport, checkOtelVariables, otelValue } from '../otel-variables.ts';

/**
 * The variables of OpenTelemetry as a Worker takes them: OTLP in JSON over `fetch`, and nothing of what needs files, sockets
 * or a process that lasts. What a Worker cannot do is a fault when it is configured.
 */

type Environment = ConfigSource['environment'];
type Signal = 'traces' | 'metrics';

/** A collector of the operator's for one signal. */
export interface ExportTarget {
  readonly url: string;
  /** They may hold a key, and are never logged. */
  readonly headers: Readonly<Record<string, string>>;
  /** How long a message may take. */
  readonly timeoutMs: number;
}

export interface ExportSettings {
  readonly traces: ExportTarget | undefined;
  readonly metrics: ExportTarget | undefined;
  readonly sampler: Sampler;
  readonly resource: Resource;
}

/** The platform lets work go on for half a minute after an answer, and both signals have to find room in it. */
const maxTimeoutMs = 10_000;
const defaultTimeoutMs = 5_000;

const sent = (environment: Environment, signal: Signal): boolean =>
  (otelValue(environment, `OTEL_${signal.toUpperCase()}_EXPORTER`) ?? 'otlp') !== 'none';

/** The value for the signal, or else the one for all. */
const valueFor = (environment: Environment, signal: Signal, name: string): string | undefined =>
  otelValue(environment, `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${name}`) ??
  otelValue(environment, `OTEL_EXPORTER_OTLP_${name}`);

/** A signal's own endpoint is taken as it is; the one for all is the root of both paths. */
function urlOf(environment: Environment, signal: Signal): string | undefined {
  const own = otelValue(environment, `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`);
  const root = otelValue(environment, 'OTEL_EXPORTER_OTLP_ENDPOINT');
  return own ?? (root && `${root.replace(/\/+$/, '')}/v1/${signal}`);
}

const pairsOf = (text: string | undefined): Record<string, string> =>
  Object.fromEntries(
    (text ?? '')
      .split(',')
      .filter((entry) => entry.includes('='))
      .map((entry) => {
        const at = entry.indexOf('=');
        return [entry.slice(0, at).trim(), decodeURIComponent(entry.slice(at + 1)).trim()];
      }),
  );

function targetOf(environment: Environment, signal: Signal): ExportTarget | undefined {
  const url = urlOf(environment, signal);
  if (url === undefined || !sent(environment, signal)) return undefined;
  const ofAll = pairsOf(otelValue(environment, 'OTEL_EXPORTER_OTLP_HEADERS'));
  const ofSignal = pairsOf(otelValue(environment, `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_HEADERS`));
  const timeoutMs = Number(valueFor(environment, signal, 'TIMEOUT') ?? defaultTimeoutMs);
  return { url, headers: { ...ofAll, ...ofSignal }, timeoutMs: Math.min(timeoutMs, maxTimeoutMs) };
}

/** Undefined: nothing is to be exported. Call it after `exportFaults` found none. */
export function exportSettings(environment: Environment): ExportSettings | undefined {
  if (!asksForExport(environment)) return undefined;
  const ratio = Number(otelValue(environment, 'OTEL_TRACES_SAMPLER_ARG') ?? 1);
  const [traces, metrics] = [targetOf(environment, 'traces'), targetOf(environment, 'metrics')];
  if (traces === undefined && metrics === undefined) return undefined;
  return {
    ...{ traces, metrics },
    sampler: samplerOf(otelValue(environment, 'OTEL_TRACES_SAMPLER'), ratio),
    resource: {
      ...pairsOf(otelValue(environment, 'OTEL_RESOURCE_ATTRIBUTES')),
      'service.name': otelValue(environment, 'OTEL_SERVICE_NAME') ?? 'espalier',
      'service.version': version,
      // Growth is told by many isolates, and each of them counts for itself.
      'service.instance.id': crypto.randomUUID(),
    },
  };
}

interface Refusal {
  readonly of: RegExp;
  readonly accepts: (value: string) => boolean;
  readonly problem: string;
  readonly example: string;
}

const onlyOnNode: readonly Refusal[] = [
  {
    of: /^OTEL_EXPORTER_OTLP(_TRACES|_METRICS)?_PROTOCOL$/,
    accepts: (value) => value === 'http/json',
    problem: 'is not spoken on Workers, which send JSON over HTTP',
    example: 'http/json',
  },
  {
    of: /^OTEL_(TRACES|METRICS)_EXPORTER$/,
    accepts: (value) => value === 'otlp' || value === 'none',
    problem: 'is not there on Workers, which send by OTLP',
    example: 'otlp',
  },
  {
    of: /^OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE$/,
    accepts: (value) => value.toLowerCase() === 'delta',
    problem: 'is not there on Workers, whose isolates come and go and tell what was added',
    example: 'delta',
  },
  {
    of: /^OTEL_EXPORTER_OTLP(_TRACES|_METRICS)?_(CERTIFICATE|CLIENT_KEY|CLIENT_CERTIFICATE)$/,
    accepts: () => false,
    problem: 'is not possible on Workers, whose connections the platform makes',
    example: '',
  },
  {
    of: /^OTEL_EXPORTER_OTLP(_TRACES|_METRICS)?_ENDPOINT$/,
    accepts: (value) => !URL.canParse(value) || new URL(value).username + new URL(value).password === '',
    problem: 'holds a user name or password, which belong in OTEL_EXPORTER_OTLP_HEADERS',
    example: 'https://collector.example.com:4318',
  },
];

/** All faults at once; none where nothing is exported. */
export function exportFaults(source: ConfigSource): ConfigFault[] {
  const { environment } = source;
  const faults = checkOtelVariables(source);
  if (!asksForExport(environment)) return faults;
  const named = new Set(faults.map(({ variable }) => variable));
  const refused = Object.keys(environment)
    .sort()
    .filter((variable) => !named.has(variable))
    .flatMap((variable) => {
      const value = otelValue(environment, variable);
      const refusal = onlyOnNode.find(({ of }) => of.test(variable));
      if (value === undefined || refusal === undefined || refusal.accepts(value)) return [];
      return [{ variable, problem: refusal.problem, example: refusal.example }];
    });
  const signals = (['traces', 'metrics'] as const).filter((signal) => sent(environment, signal));
  const goesNowhere =
    signals.length > 0 && signals.every((signal) => urlOf(environment, signal) === undefined);
  const missing = {
    variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    problem: 'is missing: a Worker has no collector beside it',
    example: 'https://collector.example.com:4318',
  };
  return [...faults, ...refused, ...(goesNowhere ? [missing] : [])];
}
