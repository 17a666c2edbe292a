import { expect, it } from 'vitest';
import { exportFaults, exportSettings } from './export-settings.ts';

type Environment = Readonly<Record<string, string>>;

const endpoint = 'https://collector.example.com:4318';
const faultsOf = (environment: Environment) =>
  exportFaults({
    environment,
    readFile: () => {
      throw new Error('there are no files');
    },
  }).map(({ variable }) => variable);

it('exports nothing unless a variable asks for it', () => {
  for (const environment of [
    {},
    { OTEL_SERVICE_NAME: 'x' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'true' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' },
  ] as Environment[]) {
    expect(faultsOf(environment)).toEqual([]);
    expect(exportSettings(environment)).toBeUndefined();
  }
});

it('puts the path of each signal behind the address for all, and takes an own one as it is', () => {
  const found = exportSettings({
    OTEL_EXPORTER_OTLP_ENDPOINT: `${endpoint}/otel/`,
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'https://other.example.com/metrics?of=us',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20one, x-tenant = a%3Db ',
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'authorization=Bearer%20two',
    OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: '700',
  });
  expect(found).toMatchObject({
    traces: {
      url: `${endpoint}/otel/v1/traces`,
      headers: { authorization: 'Bearer one', 'x-tenant': 'a=b' },
      timeoutMs: 10_000,
    },
    metrics: {
      url: 'https://other.example.com/metrics?of=us',
      headers: { authorization: 'Bearer two', 'x-tenant': 'a=b' },
      timeoutMs: 700,
    },
  });
  expect(exportSettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint })).toMatchObject({
    traces: { url: endpoint },
    metrics: undefined,
  });
});

it('describes the isolate, each of which counts for itself', () => {
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_SERVICE_NAME: 'gateway',
    OTEL_RESOURCE_ATTRIBUTES: 'team=a%20b,service.name=other',
  };
  const [one, two] = [exportSettings(environment)?.resource, exportSettings(environment)?.resource];
  expect(one).toMatchObject({ 'service.name': 'gateway', team: 'a b' });
  expect(one?.['service.instance.id']).not.toBe(two?.['service.instance.id']);
});

it('refuses what a Worker cannot do, and shows no value of it', () => {
  const good = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
  for (const [wrong, variables] of [
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, ['OTEL_EXPORTER_OTLP_PROTOCOL']],
    [{ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' }, ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL']],
    [{ OTEL_TRACES_EXPORTER: 'otlp,console' }, ['OTEL_TRACES_EXPORTER']],
    [{ OTEL_METRICS_EXPORTER: 'prometheus' }, ['OTEL_METRICS_EXPORTER']],
    [
      { OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'cumulative' },
      ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE'],
    ],
    [{ OTEL_EXPORTER_OTLP_CERTIFICATE: '/etc/ca.pem' }, ['OTEL_EXPORTER_OTLP_CERTIFICATE']],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://me:hush@c.example.com' }, ['OTEL_EXPORTER_OTLP_ENDPOINT']],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'no-value' }, ['OTEL_EXPORTER_OTLP_HEADERS']],
    [{ OTEL_TRACES_SAMPLER: 'sometimes' }, ['OTEL_TRACES_SAMPLER']],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_TRACES_EXPORTER: 'otlp' }, []],
  ] as [Environment, string[]][]) {
    expect(faultsOf({ ...good, ...wrong }), JSON.stringify(wrong)).toEqual(variables);
  }
  expect(faultsOf({ OTEL_TRACES_EXPORTER: 'otlp' })).toEqual(['OTEL_EXPORTER_OTLP_ENDPOINT']);
  const shown = exportFaults({
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://me:hush@c.example.com' },
    readFile: () => '',
  });
  expect(JSON.stringify(shown)).not.toContain('hush');
});
