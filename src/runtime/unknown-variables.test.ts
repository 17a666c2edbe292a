import { describe, expect, it } from 'vitest';
import { checkProcessOtelVariables, metricTimes } from './otel-variables.ts';
import { settings } from './settings.ts';
import { describeUnknownVariables } from './unknown-variables.ts';

const unknown = (...names: string[]): string[] =>
  describeUnknownVariables(names, ['public', 'usgov-dod', 'house']);

describe('a variable that nobody reads', () => {
  it.each([
    ['ESPALIER_POLL_SECOND', 'ESPALIER_POLL_SECONDS'],
    ['ESPALIER_DATA_LISTN', 'ESPALIER_DATA_LISTEN'],
    ['ESPALIER_ENTRA_CLIENT_SECRET_USGOV_DOT', 'ESPALIER_ENTRA_CLIENT_SECRET_USGOV_DOD'],
    ['ESPALIER_ENTRA_CERT_FILE_NXT', 'ESPALIER_ENTRA_CERT_FILE_NEXT'],
    ['espalier_tls', 'ESPALIER_TLS'],
    ['OTEL_EXPORTER_OTLP_ENDPIONT', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
  ])('%s is told with %s', (name, meant) => {
    expect(unknown(name)).toEqual([`${name} is not known and has no effect; did you mean ${meant}?`]);
  });

  it('that is like none is told without a name', () => {
    expect(unknown('ESPALIER_COLOUR_OF_THE_SKY_AT_NIGHT')).toEqual([
      'ESPALIER_COLOUR_OF_THE_SKY_AT_NIGHT is not known and has no effect',
    ]);
  });

  it('is none of the settings, of a cloud’s, of the second pair, of the instances or of others', () => {
    expect(
      unknown(
        ...Object.values(settings).map(({ name }) => name),
        'ESPALIER_ENTRA_CERT_FILE_USGOV_DOD_NEXT',
        'ESPALIER_ENTRA_CLIENT_ID_HOUSE',
        'ESPALIER_OPERATOR_CLIENT_SECRET_NEXT',
        'ESPALIER_INSTANCE_BERLIN',
        'ESPALIER_URL',
        'ESPALIER_API_KEY',
        'OTEL_BSP_SCHEDULE_DELAY',
        'PATH',
      ),
    ).toEqual([]);
  });
});

describe('OpenTelemetry’s variables', () => {
  const check = (environment: Record<string, string>) =>
    checkProcessOtelVariables({
      environment: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', ...environment },
      readFile: () => {
        throw new Error('ENOENT');
      },
    }).map(({ problem, variable }) => `${variable} ${problem}`);

  it.each([
    ['OTEL_METRIC_EXPORT_INTERVAL', 'soon'],
    ['OTEL_METRIC_EXPORT_INTERVAL', '0'],
    ['OTEL_METRIC_EXPORT_TIMEOUT', '-1'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http'],
    ['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', 'protobuf'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'localhost:4318'],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'ftp://collector'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'secret-without-name'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a b=1'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'key=%zz'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '10s'],
    ['OTEL_EXPORTER_OTLP_COMPRESSION', 'brotli'],
    ['OTEL_EXPORTER_OTLP_CERTIFICATE', '/nowhere'],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '2'],
    ['OTEL_TRACES_EXPORTER', 'otlp,jaeger'],
    ['OTEL_METRICS_EXPORTER', 'statsd'],
    ['OTEL_PROPAGATORS', 'xray'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'just-words'],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '0'],
    ['OTEL_SDK_DISABLED', 'yes'],
    ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'delta'],
    ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'sometimes'],
    ['OTEL_CONFIG_FILE', '/etc/otel.yaml'],
  ])('%s=%s is named', (name, value) => {
    const [line, ...more] = check({ [name]: value });
    expect(line).toMatch(new RegExp(`^${name} `));
    expect(more).toEqual([]);
    if (name.endsWith('HEADERS')) expect(line).not.toContain(value);
  });

  it('are taken when they are right, empty, or of an SDK that is off', () => {
    expect(
      check({
        OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
        OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%20b,x=y=z,',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0.25',
        OTEL_METRICS_EXPORTER: 'otlp,console',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_RESOURCE_ATTRIBUTES: 'service.namespace=a,deployment.environment.name=b',
        OTEL_METRIC_EXPORT_INTERVAL: '',
      }),
    ).toEqual([]);
    expect(check({ OTEL_SDK_DISABLED: 'TRUE', OTEL_TRACES_SAMPLER: 'sometimes' })).toEqual([]);
  });

  it('never wait longer for metrics than until they are sent again', () => {
    expect(metricTimes({ OTEL_METRIC_EXPORT_INTERVAL: '5000' })).toEqual({
      intervalMs: 5_000,
      timeoutMs: 5_000,
    });
    expect(metricTimes({ OTEL_METRIC_EXPORT_INTERVAL: '5000', OTEL_METRIC_EXPORT_TIMEOUT: '9000' })).toEqual({
      intervalMs: 5_000,
      timeoutMs: 5_000,
    });
    expect(metricTimes({ OTEL_METRIC_EXPORT_INTERVAL: '' })).toEqual({
      intervalMs: 60_000,
      timeoutMs: 30_000,
    });
  });
});
