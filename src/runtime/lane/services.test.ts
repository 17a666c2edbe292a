import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Instance } from '../../store/instances/instance.ts';
import { createLog } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import type { LaneRequest } from './reader.ts';
import { createLaneServices, type LaneParts } from './services.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const parentId = 'b7ad6b7169203331';
const request: LaneRequest = {
  method: 'GET',
  role: 'Device.Read',
  call: 'compliance',
  tenantId: 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb',
  deviceId: 'cccccccc-1111-4222-8333-dddddddddddd',
  token: 'a.b.c',
  tokenFault: undefined,
  host: 'a',
  accept: undefined,
  acceptLanguage: undefined,
  requestId: undefined,
  traceparent: undefined,
  tracestate: undefined,
  forwarded: undefined,
  forwardedFor: undefined,
  tokenHash: undefined,
  repeats: undefined,
};
const instance = { instanceId: 'eeeeeeee-1111-4222-8333-ffffffffffff' } as Instance;
const target = { origin: 'https://jamf.example.test:8443', basePath: '/jamf', caCertificate: undefined };
const tracedWith = (traceShare: number) => {
  const { traced } = createLaneServices({
    traceShare,
    log: createLog({ level: 'error', format: 'json', write: () => undefined }),
    metrics: createMetrics(),
  } as LaneParts);
  return (of: LaneRequest) =>
    traced(of, instance, target, { method: 'GET', path: '/api/v1/one?query=secret' }, 'of-a-test');
};

describe('spans of the fast lane', () => {
  const ended: unknown[] = [];
  const sdk = new NodeSDK({
    metricReaders: [],
    logRecordProcessors: [],
    spanProcessors: [
      {
        onStart: () => undefined,
        onEnd: (span) => ended.push(span),
        forceFlush: async () => undefined,
        shutdown: async () => undefined,
      },
    ],
  });
  beforeAll(() => sdk.start());
  afterAll(async () => {
    await sdk.shutdown();
    // The SDK leaves what it registered, which other files of this process would meet.
    context.disable();
    propagation.disable();
    trace.disable();
  });

  test('a sampled caller gets one that continues its trace, and the instance is informed of it', () => {
    const traced = tracedWith(1e-12);
    const span = traced({ ...request, traceparent: `00-${traceId}-${parentId}-01` });
    expect(span?.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect(span?.traceparent).not.toContain(parentId);
    span?.end('200', 200);
    expect(ended).toMatchObject([
      {
        name: 'GET',
        kind: SpanKind.CLIENT,
        attributes: {
          'http.request.method': 'GET',
          'http.response.status_code': 200,
          'server.address': 'jamf.example.test',
          'server.port': 8443,
          'service.peer.name': 'jamf-pro',
          'url.full': 'https://jamf.example.test:8443/jamf/api/v1/one',
        },
      },
      {
        name: 'GET /t/:tenantId/devices/:deviceId/compliance',
        kind: SpanKind.SERVER,
        parentSpanContext: { spanId: parentId },
        attributes: {
          'http.request.method': 'GET',
          'http.route': '/t/:tenantId/devices/:deviceId/compliance',
          'http.response.status_code': 200,
          'url.path': `/t/${request.tenantId}/devices/${request.deviceId}/compliance`,
          'espalier.request.id': 'of-a-test',
          'espalier.tenant': request.tenantId,
          'espalier.instance': instance.instanceId,
          'espalier.call': 'compliance',
          'espalier.outcome': '200',
        },
      },
    ]);
  });

  test('the line of an answer names the span, or the trace of the caller where it has none', () => {
    const lines: Record<string, unknown>[] = [];
    const log = createLog({ level: 'debug', format: 'json', write: (line) => lines.push(JSON.parse(line)) });
    const services = createLaneServices({ traceShare: 1, log, metrics: createMetrics() } as LaneParts);
    const called = { ...request, traceparent: `00-${traceId}-${parentId}-00` };
    const own = { traceId, spanId: 'c7ad6b7169203331' };
    services.onAnswer(called, 200, 'first', 0.012, own);
    services.onAnswer(called, 200, 'second', 0.012, undefined);
    services.onAnswer(request, 200, 'third', 0.012, undefined);
    expect(lines).toMatchObject([
      { event: 'request', requestId: 'first', ms: 12, ...own },
      { requestId: 'second', traceId, spanId: parentId },
      { requestId: 'third' },
    ]);
    expect(lines[2]).not.toHaveProperty('traceId');
  });

  test('others get one by their share, and none when nothing is exported', () => {
    const unsampled = { ...request, traceparent: `00-${traceId}-${parentId}-00` };
    expect(tracedWith(1)(request)).toBeDefined();
    expect(tracedWith(1)(unsampled)).toBeDefined();
    expect(tracedWith(1e-12)(request)).toBeUndefined();
    expect(tracedWith(1e-12)(unsampled)).toBeUndefined();
    const sampled = { ...request, traceparent: `00-${traceId}-${parentId}-01` };
    expect(tracedWith(0)(sampled)).toBeUndefined();
  });
});
