import type { ConfigFault, ConfigSource } from './config.ts';

/**
 * The variables of OpenTelemetry (opentelemetry.io, "Environment Variable Specification" and "OTLP Exporter
 * Configuration"). Its SDK takes a wrong value for none without a word, or ends the process without naming it, so they
 * are looked at here first.
 */

type Environment = ConfigSource['environment'];
/** Says what is wrong with the value; undefined: nothing. Throws what reading a file throws. */
type Check = (value: string, readFile: ConfigSource['readFile']) => string | undefined;

interface Variable {
  readonly check: Check;
  readonly example: string;
}

const number = (low: number, example: number, high = Number.MAX_SAFE_INTEGER): Variable => ({
  check: (value) => {
    const given = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    const range = high === Number.MAX_SAFE_INTEGER ? `of ${low} or more` : `from ${low} to ${high}`;
    return given >= low && given <= high ? undefined : `'${value}' is not a whole number ${range}`;
  },
  example: String(example),
});

const choice = (...values: readonly [string, ...string[]]): Variable => ({
  check: (value) => (values.includes(value) ? undefined : `'${value}' is none of ${values.join(', ')}`),
  example: values[0],
});

const list = (...values: readonly [string, ...string[]]): Variable => ({
  check: (value) => {
    const wrong = value.split(',').find((entry) => !values.includes(entry.trim()));
    return wrong === undefined ? undefined : `'${wrong.trim()}' is none of ${values.join(', ')}`;
  },
  example: values[0],
});

const ratio: Variable = {
  check: (value) => {
    const given = Number(value);
    return given >= 0 && given <= 1 ? undefined : `'${value}' is not a number from 0 to 1`;
  },
  example: '0.1',
};

const endpoint: Variable = {
  check: (value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    return url?.protocol === 'http:' || url?.protocol === 'https:'
      ? undefined
      : 'is not an http or https URL';
  },
  example: 'http://localhost:4318',
};

const isDecodable = (text: string): boolean => {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
};

/** `name=value,name=value` with percent encoding (W3C Baggage). The values may be secret and are not shown. */
const pairs = (name: RegExp, example: string): Variable => ({
  check: (value) => {
    const entries = value.split(',').filter((entry) => entry.trim() !== '');
    const wrong = entries.findIndex((entry) => {
      const at = entry.indexOf('=');
      return at < 1 || !name.test(entry.slice(0, at).trim()) || !isDecodable(entry.slice(at + 1));
    });
    return wrong < 0 ? undefined : `entry ${wrong + 1} is not name=value with percent encoding`;
  },
  example,
});
/** RFC 9110, 5.6.2: token. */
const headers = pairs(/^[\w!#$%&'*+.^`|~-]+$/, 'api-key=…');
const attributes = pairs(/^\S+$/, 'deployment.environment.name=production');

const file: Variable = {
  check: (value, readFile) => {
    try {
      readFile(value);
      return undefined;
    } catch (error) {
      return `the file cannot be read: ${(error as Error).message}`;
    }
  },
  example: '/etc/espalier/collector-ca.pem',
};

const text: Variable = { check: () => undefined, example: 'espalier' };
const boolean = choice('true', 'false');
const anyCase = ({ check, example }: Variable): Variable => ({
  check: (value, readFile) => check(value.toLowerCase(), readFile),
  example,
});
const unsupported = (instead: string): Variable => ({
  check: () => `is not supported here; ${instead}`,
  example: '',
});

const signals = ['', '_TRACES', '_METRICS', '_LOGS'];
const otlp = (name: string, variable: Variable): [string, Variable][] =>
  signals.map((signal) => [`OTEL_EXPORTER_OTLP${signal}_${name}`, variable]);
const batches = (prefix: string): [string, Variable][] => [
  [`${prefix}_SCHEDULE_DELAY`, number(0, 1_000)],
  [`${prefix}_EXPORT_TIMEOUT`, number(1, 30_000)],
  [`${prefix}_MAX_QUEUE_SIZE`, number(1, 2_048)],
  [`${prefix}_MAX_EXPORT_BATCH_SIZE`, number(1, 64)],
];
const limits = [
  'ATTRIBUTE_COUNT',
  'ATTRIBUTE_VALUE_LENGTH',
  'SPAN_ATTRIBUTE_COUNT',
  'SPAN_ATTRIBUTE_VALUE_LENGTH',
  'SPAN_EVENT_COUNT',
  'SPAN_LINK_COUNT',
  'EVENT_ATTRIBUTE_COUNT',
  'LINK_ATTRIBUTE_COUNT',
  'SPAN_ATTRIBUTE_PER_EVENT_COUNT',
  'SPAN_ATTRIBUTE_PER_LINK_COUNT',
  'LOGRECORD_ATTRIBUTE_COUNT',
  'LOGRECORD_ATTRIBUTE_VALUE_LENGTH',
];
const samplers = [
  'parentbased_traceidratio',
  'traceidratio',
  'always_on',
  'always_off',
  'parentbased_always_on',
  'parentbased_always_off',
] as const;

const variables: ReadonlyMap<string, Variable> = new Map([
  ['OTEL_SDK_DISABLED', anyCase(boolean)],
  ['OTEL_SERVICE_NAME', text],
  ['OTEL_RESOURCE_ATTRIBUTES', attributes],
  ['OTEL_LOG_LEVEL', anyCase(choice('info', 'none', 'error', 'warn', 'debug', 'verbose', 'all'))],
  ['OTEL_TRACES_EXPORTER', list('otlp', 'console', 'zipkin', 'none')],
  ['OTEL_METRICS_EXPORTER', list('otlp', 'console', 'prometheus', 'none')],
  ['OTEL_LOGS_EXPORTER', list('otlp', 'console', 'none')],
  ['OTEL_PROPAGATORS', list('tracecontext', 'baggage', 'b3', 'b3multi', 'none')],
  ['OTEL_TRACES_SAMPLER', choice(...samplers)],
  ['OTEL_TRACES_SAMPLER_ARG', ratio],
  ['OTEL_METRIC_EXPORT_INTERVAL', number(1, 60_000, 2 ** 31 - 1)],
  ['OTEL_METRIC_EXPORT_TIMEOUT', number(1, 30_000, 2 ** 31 - 1)],
  ['OTEL_METRICS_EXEMPLAR_FILTER', choice('trace_based', 'always_on', 'always_off')],
  [
    'OTEL_NODE_RESOURCE_DETECTORS',
    list('all', 'env', 'host', 'os', 'process', 'serviceinstance', 'service', 'none'),
  ],
  ['OTEL_NODE_EXPERIMENTAL_SDK_METRICS', anyCase(boolean)],
  ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', anyCase(choice('cumulative', 'delta', 'lowmemory'))],
  [
    'OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION',
    anyCase(choice('explicit_bucket_histogram', 'base2_exponential_bucket_histogram')),
  ],
  ['OTEL_EXPORTER_ZIPKIN_ENDPOINT', endpoint],
  ['OTEL_CONFIG_FILE', unsupported('set the other OTEL_ variables')],
  ['OTEL_EXPERIMENTAL_CONFIG_FILE', unsupported('set the other OTEL_ variables')],
  ...otlp('ENDPOINT', endpoint),
  ...otlp('PROTOCOL', choice('http/protobuf', 'http/json', 'grpc')),
  ...otlp('HEADERS', headers),
  ...otlp('TIMEOUT', number(1, 10_000, 2 ** 31 - 1)),
  ...otlp('COMPRESSION', choice('gzip', 'none')),
  ...otlp('CERTIFICATE', file),
  ...otlp('CLIENT_KEY', file),
  ...otlp('CLIENT_CERTIFICATE', file),
  ...otlp('INSECURE', anyCase(boolean)),
  ...batches('OTEL_BSP'),
  ...batches('OTEL_BLRP'),
  ...limits.map((name): [string, Variable] => [`OTEL_${name}_LIMIT`, number(0, 128)]),
]);

export const otelNames: ReadonlySet<string> = new Set(variables.keys());

/** An empty value is none, as the specification says. */
export const otelValue = (environment: Environment, name: string): string | undefined =>
  environment[name]?.trim() || undefined;

/** True where something is to be exported: there is an exporter that is not `none`, or an endpoint. */
export function asksForExport(environment: Environment): boolean {
  if (otelValue(environment, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false;
  return Object.keys(environment).some((name) => {
    const value = otelValue(environment, name);
    if (value === undefined) return false;
    if (/^OTEL_(TRACES|METRICS|LOGS)_EXPORTER$/.test(name)) return value !== 'none';
    return name.startsWith('OTEL_EXPORTER_');
  });
}

/** All faults at once; none where nothing is exported. */
export function checkOtelVariables({ environment, readFile }: ConfigSource): ConfigFault[] {
  const disabled = variables.get('OTEL_SDK_DISABLED');
  const names = Object.keys(environment).filter((name) => variables.has(name));
  const counted = asksForExport(environment)
    ? names
    : names.filter((name) => variables.get(name) === disabled);
  return counted.sort().flatMap((variable) => {
    const value = otelValue(environment, variable);
    const known = variables.get(variable);
    const problem = value === undefined ? undefined : known?.check(value, readFile);
    return problem === undefined || known === undefined
      ? []
      : [{ variable, problem, example: known.example }];
  });
}

const temporality = 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE';

/** The same of a process, which also answers Prometheus: its counts are those since its start, whoever takes them. */
export function checkProcessOtelVariables(source: ConfigSource): ConfigFault[] {
  const faults = checkOtelVariables(source);
  const wanted = otelValue(source.environment, temporality)?.toLowerCase();
  if (!asksForExport(source.environment) || wanted === undefined || wanted === 'cumulative') return faults;
  if (faults.some(({ variable }) => variable === temporality)) return faults;
  const problem = 'can only be cumulative on Node: let the collector make deltas (cumulativetodelta)';
  return [...faults, { variable: temporality, problem, example: 'cumulative' }];
}

const defaults = { interval: 60_000, timeout: 30_000 } as const;

/** Interval of sending metrics, and how long that may take: never longer than until the next time. */
export function metricTimes(environment: Environment): { intervalMs: number; timeoutMs: number } {
  const intervalMs = Number(otelValue(environment, 'OTEL_METRIC_EXPORT_INTERVAL') ?? defaults.interval);
  const timeoutMs = Number(otelValue(environment, 'OTEL_METRIC_EXPORT_TIMEOUT') ?? defaults.timeout);
  return { intervalMs, timeoutMs: Math.min(timeoutMs, intervalMs) };
}
