import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientSecretOf } from '../../src/simulator/world.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  bootstrapKey,
  callerToken,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { bundleWorker } from './bundles.ts';
import { type Collector, type SentPoint, type SentSpan, startCollector } from './collector.ts';
import { type RunningWorker, startWorker } from './workerd.ts';

/**
 * Traces and metrics of Workers on workerd, as a collector decodes them, beside those of a Node process that was asked
 * for the same.
 */

const collectorKey = 'the-collectors-own-key';
const parentId = '1112131415161718';
const health = '/health/live';
/** Numbers of the protocol. */
const [serverKind, clientKind] = [2, 3];

interface Asked {
  readonly status: number;
  readonly text: string;
}
type Ask = (
  path: string,
  call?: { method?: string; headers?: Record<string, string>; body?: string },
) => Promise<Asked>;

/** Traces of the requests that both runtimes are asked. */
interface Traces {
  readonly webhook: string;
  readonly push: string;
  readonly call: string;
  readonly unsampled: string;
}

const newTraceId = (): string => randomBytes(16).toString('hex');
const newTraces = (): Traces => ({
  webhook: newTraceId(),
  push: newTraceId(),
  call: newTraceId(),
  unsampled: newTraceId(),
});
const parentOf = (traceId: string, flags = '01') => ({ traceparent: `00-${traceId}-${parentId}-${flags}` });

describe('telemetry of Workers', () => {
  let collector: Collector;
  let scene: Scene;
  let worker: RunningWorker;
  let berlin: AddedInstance;
  let tenantId: string;
  let token: string;
  const traces = { node: newTraces(), workers: newTraces() };

  const bindings = (service: string): Record<string, string> => {
    const given = Object.entries(scene.environment).filter(([name]) => name !== 'NODE_EXTRA_CA_CERTS');
    const texts = given.map(([name, value]) => [
      name,
      name.includes('_FILE') ? readFileSync(value, 'utf8') : value,
    ]);
    const { DATABASE_URL: _, ...others } = Object.fromEntries(texts) as Record<string, string>;
    return {
      ...others,
      ESPALIER_SHARDS: '1',
      OTEL_SERVICE_NAME: service,
      OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
    };
  };
  const onWorkers: Ask = (path, call) =>
    worker.fetch(`${scene.environment.ESPALIER_PUBLIC_URL}${path}`, call);

  async function deliver(ask: Ask, computer: number, traceparent: { traceparent?: string }): Promise<string> {
    const { deviceId } = scene.world.fleet.truth().find(({ jamfComputerId }) => jamfComputerId === computer)!;
    const told = await ask(`/jamf/${berlin.id}/webhooks`, {
      method: 'POST',
      headers: { 'x-api-key': berlin.key, 'content-type': 'application/json', ...traceparent },
      body: webhookBody('ComputerInventoryCompleted', computer),
    });
    expect(told.status, told.text).toBe(202);
    await eventually(async () => {
      const [row] = await scene.database.sql`select state from reports where device_id = ${deviceId}`;
      expect(row?.state).toBe('verified');
    }, 60_000);
    return deviceId;
  }

  /** The same requests for one computer: told of by a webhook until it is verified, pushed, and asked about. */
  async function askFor(
    ask: Ask,
    computer: number,
    { call, push, unsampled, webhook }: Traces,
  ): Promise<void> {
    const deviceId = await deliver(ask, computer, parentOf(webhook));
    const pushed = await ask(`/jamf/${berlin.id}/inventory`, {
      method: 'POST',
      headers: { 'x-api-key': berlin.key, 'content-type': 'application/json', ...parentOf(push) },
      body: JSON.stringify([{ id: String(computer) }, { nonsense: true }]),
    });
    expect(pushed.status, pushed.text).toBeLessThan(500);
    const device = `/t/${tenantId}/devices/${deviceId}`;
    const authorization = `Bearer ${token}`;
    const calls: [string, Record<string, string>, number][] = [
      [`${device}/compliance`, { authorization, ...parentOf(call) }, 200],
      [`${device}/inventory`, { authorization, ...parentOf(call) }, 200],
      [`${device}/compliance`, { authorization, ...parentOf(unsampled, '00') }, 200],
      [`${device}/compliance`, parentOf(newTraceId()), 401],
    ];
    for (const [path, headers, status] of calls) {
      const answer = await ask(path, { headers });
      expect(answer.status, answer.text).toBe(status);
    }
  }

  beforeAll(async () => {
    const bundling = bundleWorker();
    collector = await startCollector();
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 3 }] }] },
      environment: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_EXPORTER_OTLP_HEADERS: `x-collector-key=${collectorKey}`,
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=tests%20of%20both',
        OTEL_SERVICE_NAME: 'on-node',
        OTEL_BSP_SCHEDULE_DELAY: '200',
        OTEL_METRIC_EXPORT_INTERVAL: '500',
        OTEL_METRIC_EXPORT_TIMEOUT: '400',
      },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    token = await callerToken(scene, tenantId);
    const [first, second] = scene.world.fleet.truth();
    await askFor((path, call) => scene.data(path, call), first!.jamfComputerId, traces.node);
    // Its gauges count all reports, and so share a count for a while.
    await eventually(
      () => expect(collector.points('on-node').map(({ name }) => name)).toContain('espalier_reports'),
      30_000,
    );
    await scene.gateway.stop();
    worker = await startWorker({
      bundle: await bundling,
      bindings: bindings('on-workers'),
      trust: scene.world.authority.certificatePem,
      hyperdrive: scene.database.url,
      delivers: true,
    });
    await askFor(onWorkers, second!.jamfComputerId, traces.workers);
  }, 180_000);
  afterAll(async () => {
    await worker?.close();
    await scene?.close();
    collector?.close();
  });

  const spansOf = (service: string, traceId: string): readonly SentSpan[] =>
    collector.spans(service).filter((span) => span.traceId === traceId);
  const names = (spans: readonly SentSpan[]) => [...new Set(spans.map(({ name }) => name))].sort();

  it('a device call is a span below its caller, and the instance is asked below that', async () => {
    const calls = () => spansOf('on-workers', traces.workers.call).filter(({ kind }) => kind === serverKind);
    await eventually(() => expect(calls()).toHaveLength(2), 20_000);
    for (const span of calls()) {
      expect(span.name).toMatch(/^GET \/t\/:tenantId\/devices\/:deviceId\/(compliance|inventory)$/);
      expect(span.parentSpanId).toBe(parentId);
      expect(span.attributes).toMatchObject({
        'espalier.tenant': tenantId,
        'espalier.instance': berlin.id,
        'espalier.outcome': '200',
      });
      // An isolate that is new asks for a token and the version first, which has spans beside it.
      const clients = spansOf('on-workers', span.traceId).filter(
        (one) => one.parentSpanId === span.spanId && one.kind === clientKind,
      );
      const below = new Set(clients.map(({ spanId }) => `00-${span.traceId}-${spanId}-01`));
      const asked = scene.world.journal.list({ service: 'jamf:berlin' });
      expect(asked.filter(({ traceparent }) => below.has(traceparent ?? ''))).toHaveLength(1);
    }
  });

  it('a call whose caller does not record it has no span, and says so to the instance', () => {
    expect(spansOf('on-workers', traces.workers.unsampled)).toEqual([]);
    const asked = scene.world.journal.list({ service: 'jamf:berlin' });
    const below = new RegExp(`^00-${traces.workers.unsampled}-[0-9a-f]{16}-00$`);
    expect(asked.filter(({ traceparent }) => below.test(traceparent ?? ''))).toHaveLength(1);
  });

  it('one trace reaches from the webhook through the object that delivers to the upload', async () => {
    const received = 'POST /jamf/:instanceId/webhooks';
    const whole = ['GET', 'PUT', received, 'computer.read', 'report.accepted', 'report.due'];
    await eventually(
      () =>
        expect(names(spansOf('on-workers', traces.workers.webhook))).toEqual(expect.arrayContaining(whole)),
      30_000,
    );
    const spans = spansOf('on-workers', traces.workers.webhook);
    const [webhook] = spans.filter(({ name }) => name === received);
    const [read] = spans.filter(({ name }) => name === 'computer.read');
    expect(webhook?.parentSpanId).toBe(parentId);
    expect(read?.parentSpanId).toBe(webhook?.spanId);
    expect(read?.links).toEqual([{ traceId: webhook?.traceId, spanId: webhook?.spanId }]);
    for (const { parentSpanId } of spans.filter(
      ({ attributes }) => attributes['service.peer.name'] === 'jamf-pro',
    ))
      expect(parentSpanId).toBe(read?.spanId);
    for (const { links } of spans.filter(({ name }) => name.startsWith('report.')))
      expect(links).toEqual([{ traceId: read?.traceId, spanId: read?.spanId }]);
  });

  it('spans have the names, kinds and attributes that Node gives them', async () => {
    const shapes = (service: string, of: Traces) => {
      const ids = new Set(Object.values(of));
      const spans = collector
        .spans(service)
        .filter(({ traceId }) => ids.has(traceId))
        // Tokens that this process or isolate had already.
        .filter(({ kind, name }) => kind !== clientKind || name !== 'POST');
      const shape = ({ attributes, kind, name, status }: SentSpan) => {
        // It is there where Intune took a second look to be done.
        const { 'espalier.reason': _, ...others } = attributes;
        return JSON.stringify([name, kind, status, Object.keys(others).sort()]);
      };
      return [...new Set(spans.map(shape))].sort();
    };
    expect(shapes('on-node', traces.node).length).toBeGreaterThan(4);
    await eventually(
      () => expect(shapes('on-workers', traces.workers)).toEqual(shapes('on-node', traces.node)),
      20_000,
    );
  });

  it('metrics have the names, kinds and labels that Node gives them', async () => {
    const shapes = (service: string) => {
      const shape = ({ bounds, description, kind, labels, name }: SentPoint) =>
        JSON.stringify([name, description, kind, bounds, labels]);
      return new Set(collector.points(service).map(shape));
    };
    /** All but what tells of one runtime, or of a time that each has spent otherwise. */
    const comparable = (service: string) =>
      [...shapes(service)].filter((shape) => /_requests_total|_duration_|_uploads_/.test(shape)).sort();
    await eventually(() => {
      for (const part of ['espalier_uploads_total', 'espalier_reports', 'espalier_instance_up'])
        expect(
          [...shapes('on-workers')].some((shape) => shape.includes(`"${part}"`)),
          part,
        ).toBe(true);
    }, 90_000);
    const ofData = (service: string) =>
      comparable(service).filter((shape) => shape.includes('"listener":"data"'));
    const asked = await eventually(() => {
      const sent = ofData('on-workers');
      expect(sent.length).toBeGreaterThan(8);
      return sent;
    }, 30_000);
    expect(ofData('on-node')).toEqual(expect.arrayContaining(asked));
    const nameOf = (shape: string) => JSON.stringify(JSON.parse(shape).slice(0, 4));
    const onNode = new Set([...shapes('on-node')].map(nameOf));
    expect([...shapes('on-workers')].map(nameOf).filter((name) => !onNode.has(name))).toEqual([]);
    for (const { kind, temporality } of collector.points('on-workers'))
      expect(temporality).toBe(kind === 'gauge' ? undefined : 1);
  }, 120_000);

  const isHealth = ({ labels, name }: SentPoint) =>
    name === 'espalier_requests_total' && labels.route === health && labels.status === '200';
  const healthPoints = () => collector.points('on-workers').filter(isHealth);
  const counted = () => healthPoints().reduce((sum, { value }) => sum + value, 0);
  let askedHealth = 0;
  const askHealth = async (times: number): Promise<void> => {
    for (let done = 0; done < times; done += 10)
      await Promise.all(
        Array.from({ length: Math.min(10, times - done) }, async () => {
          const { status } = await onWorkers(health);
          expect(status).toBe(200);
          askedHealth += 1;
        }),
      );
  };

  it('counts add up over lots, each of which begins where the one before ended', async () => {
    await askHealth(250);
    await eventually(() => expect(counted()).toBe(askedHealth), 20_000);
    const lots = healthPoints();
    expect(lots.length).toBeGreaterThan(1);
    for (const [at, lot] of lots.entries()) {
      expect(lot.instance).toBe(lots[0]!.instance);
      expect(lot.toNano).toBeGreaterThanOrEqual(lot.fromNano);
      if (at > 0) expect(lot.fromNano).toBeGreaterThanOrEqual(lots[at - 1]!.toNano);
    }
    const times = collector
      .points('on-workers')
      .filter(({ labels, name }) => name === 'espalier_request_duration_seconds' && labels.route === health);
    expect(times.reduce((sum, { value }) => sum + value, 0)).toBe(askedHealth);
    for (const { counts, value } of times) expect(counts.reduce((sum, count) => sum + count, 0)).toBe(value);
  });

  it('a collector that hangs or refuses delays no answer, and loses no count', async () => {
    const logged = () => worker.output().match(/"event":"telemetry\.not-sent"[^\n]*/g) ?? [];
    expect(logged()).toEqual([]);
    collector.answer = 'hang';
    // More than a lot, so that messages hang while others are answered.
    await askHealth(150);
    await eventually(() => expect(collector.hanging()).toBeGreaterThan(0), 10_000);
    await askHealth(150);
    const [, , third] = scene.world.fleet.truth();
    await deliver(onWorkers, third!.jamfComputerId, {});
    await eventually(() => expect(logged().length).toBeGreaterThan(0), 20_000);
    expect(logged()[0]).toContain('"failure":"');
    collector.answer = 'refuse';
    const before = collector.arrived();
    await eventually(async () => {
      await askHealth(1);
      expect(collector.arrived()).toBeGreaterThan(before);
    }, 40_000);
    collector.answer = 'take';
    await eventually(async () => {
      await askHealth(1);
      expect(counted()).toBeGreaterThan(500);
    }, 90_000);
    await eventually(() => expect(counted()).toBe(askedHealth), 20_000);
    // Once a minute for each signal, of the isolate and of the object.
    expect(logged().length).toBeLessThanOrEqual(8);
  }, 240_000);

  it('the admin Worker sends what it did, too', async () => {
    const admin = await startWorker({
      which: 'admin',
      bundle: await bundleWorker('admin'),
      bindings: bindings('on-admin'),
      trust: scene.world.authority.certificatePem,
      hyperdrive: scene.database.url,
    });
    try {
      const url = `${scene.environment.ESPALIER_ADMIN_URL}/api/v1/tenants`;
      expect((await admin.fetch(url)).status).toBe(401);
      await eventually(() => {
        const found = collector.points('on-admin').filter(({ name }) => name === 'espalier_requests_total');
        expect(found.map(({ labels, value }) => [labels.listener, labels.status, value])).toEqual([
          ['admin', '401', 1],
        ]);
      }, 20_000);
    } finally {
      await admin.close();
    }
  }, 120_000);

  it('sends its own key to the collector alone, and no other secret', () => {
    const { connector, diagnostic } = scene.world.applications.get('public')!;
    const known = [
      ...[token, token.split('.')[2]!, berlin.key, bootstrapKey, collectorKey],
      ...[clientSecretOf(scene.world.instance('berlin')), diagnostic.clientSecret],
      scene.environment.ESPALIER_SECRETS_KEY!,
      connector.certificate.keyPem.split('\n')[3]!,
    ];
    const own = collector.taken.filter(({ body }) => body.includes('on-workers'));
    expect(own.length).toBeGreaterThan(4);
    for (const { headers } of own) expect(headers).toContain(`"x-collector-key":"${collectorKey}"`);
    const sent = own.map(({ body }) => body).join('\n');
    expect(sent).toContain('tests of both');
    for (const secret of known) {
      expect(secret.length).toBeGreaterThan(10);
      expect(sent).not.toContain(secret);
      expect(worker.output()).not.toContain(secret);
    }
    expect(sent).not.toMatch(/eyJ[\w-]{10,}\.|Bearer /);
    expect(worker.output()).not.toMatch(/uncaught|unhandled|telemetry\.failed/i);
  });
});
