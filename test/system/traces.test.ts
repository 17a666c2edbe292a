/** Spans as a collector of OpenTelemetry gets them: what each says, and how one webhook is followed to the end of its way. */

import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Collector, type SentSpan, startCollector } from '../conformance/collector.ts';
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
import { call } from '../harness/http.ts';

/** Numbers of the protocol. */
const [internalKind, serverKind, clientKind] = [1, 2, 3];
const failedStatus = 2;
const parentId = '1112131415161718';
const received = 'POST /jamf/:instanceId/webhooks';

describe('spans', () => {
  let collector: Collector;
  let scene: Scene;
  let berlin: AddedInstance;
  let tenantId: string;

  beforeAll(async () => {
    collector = await startCollector();
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 2 }] }] },
      environment: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_BSP_SCHEDULE_DELAY: '200',
      },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
  }, 120_000);
  afterAll(async () => {
    await scene?.close();
    collector?.close();
  });

  const spans = (): readonly SentSpan[] => collector.spans('espalier');
  const linkedTo = ({ spanId, traceId }: SentSpan): SentSpan[] =>
    spans().filter(({ links }) => links.some((link) => link.spanId === spanId && link.traceId === traceId));
  /** Everything that a span has caused, by links alone. */
  const causedBy = (span: SentSpan): SentSpan[] =>
    linkedTo(span).flatMap((next) => [next, ...causedBy(next)]);
  /** The line of the log that says how a request was answered. */
  const requestLine = (requestId: string): unknown =>
    scene.gateway
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.includes(requestId))
      .map((line) => JSON.parse(line) as { readonly event: string })
      .find(({ event }) => event === 'request');
  const below = ({ spanId }: SentSpan): SentSpan[] =>
    spans().filter(({ parentSpanId }) => parentSpanId === spanId);

  const sendWebhook = (computer: number, key: string, traceId: string) =>
    scene.data(`/jamf/${berlin.id}/webhooks`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-api-key': key,
        traceparent: `00-${traceId}-${parentId}-01`,
      },
      body: webhookBody('ComputerInventoryCompleted', computer),
    });

  it('one webhook is followed by links to what Entra shows', async () => {
    const [device] = scene.world.fleet.truth();
    const traceId = randomBytes(16).toString('hex');
    expect((await sendWebhook(device!.jamfComputerId, berlin.key, traceId)).status).toBe(202);
    const first = await eventually(() => {
      const [webhook] = spans().filter((span) => span.traceId === traceId && span.name === received);
      expect(webhook).toBeDefined();
      expect(causedBy(webhook!).map(({ attributes }) => attributes['espalier.state.after'])).toContain(
        'verified',
      );
      return webhook!;
    }, 30_000);
    expect(first).toMatchObject({
      kind: serverKind,
      parentSpanId: parentId,
      status: 0,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/jamf/:instanceId/webhooks',
        'http.response.status_code': 202,
        'url.path': `/jamf/${berlin.id}/webhooks`,
        'espalier.tenant': tenantId,
        'espalier.instance': berlin.id,
        'jamf.event': 'ComputerInventoryCompleted',
      },
    });
    const way = causedBy(first);
    expect(new Set(way.map(({ kind }) => kind))).toEqual(new Set([internalKind]));
    const [read] = way.filter(({ name }) => name === 'computer.read');
    expect(linkedTo(first)).toEqual([read]);
    const told = way.filter(({ name }) => name.startsWith('report.'));
    expect(new Set(told.map(({ attributes }) => attributes['espalier.state.after']))).toEqual(
      new Set(['accepted', 'completed', 'verified']),
    );
    const [row] = await scene.database.sql`
      select message_id as "messageId" from timeline where device_id = ${device!.deviceId} and stage = 'sent'`;
    expect(new Set(told.map(({ attributes }) => attributes['messaging.message.id']))).toEqual(
      new Set([row!.messageId]),
    );

    const asked = way.flatMap(below).filter(({ kind }) => kind === clientKind);
    expect(asked.map(({ attributes }) => attributes['service.peer.name'])).toEqual(
      expect.arrayContaining(['jamf-pro', 'intune', 'graph']),
    );
    const [upload] = asked.filter(({ name }) => name === 'PUT');
    expect(upload?.attributes).toMatchObject({
      'http.request.method': 'PUT',
      'http.response.status_code': expect.any(Number),
      'server.address': expect.any(String),
      'server.port': expect.any(Number),
      'url.full': expect.stringMatching(/^https:\/\/[^?]+$/),
      'http.request.header.client-request-id': expect.anything(),
    });
  }, 60_000);

  it('a device call is one of the server, and what the instance is asked one of the client below it', async () => {
    const [device] = scene.world.fleet.truth();
    const traceId = randomBytes(16).toString('hex');
    const path = `/t/${tenantId}/devices/${device!.deviceId}/compliance`;
    const headers = {
      authorization: `Bearer ${await callerToken(scene, tenantId)}`,
      traceparent: `00-${traceId}-${parentId}-01`,
      'x-request-id': `of-${traceId}`,
    };
    expect((await scene.data(path, { headers })).status).toBe(200);
    const [server, client] = await eventually(() => {
      const [call] = spans().filter((span) => span.traceId === traceId && span.kind === serverKind);
      const [ask] = call === undefined ? [] : below(call);
      expect(ask).toBeDefined();
      return [call!, ask!] as const;
    });
    expect(server).toMatchObject({
      name: 'GET /t/:tenantId/devices/:deviceId/compliance',
      attributes: { 'url.path': path, 'http.response.status_code': 200, 'espalier.call': 'compliance' },
    });
    expect(client).toMatchObject({
      name: 'GET',
      kind: clientKind,
      attributes: { 'service.peer.name': 'jamf-pro', 'http.response.status_code': 200 },
    });
    const seen = scene.world.journal.list({ service: 'jamf:berlin' }).map(({ traceparent }) => traceparent);
    expect(seen).toContain(`00-${traceId}-${client.spanId}-01`);
    const requestId = `of-${traceId}`;
    expect(server.attributes['espalier.request.id']).toBe(requestId);
    expect(requestLine(requestId)).toMatchObject({ listener: 'data', traceId, spanId: server.spanId });
  }, 30_000);

  it("an operator's request is one of the server with its request id, and a stranger's none", async () => {
    const [known, strangers] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
    const path = `/api/v1/tenants/${tenantId}`;
    const ask = (traceId: string, key: string, address = path) =>
      call(`${scene.gateway.admin}${address}`, {
        ca: scene.trust,
        headers: {
          authorization: `Bearer ${key}`,
          traceparent: `00-${traceId}-${parentId}-01`,
          'x-request-id': `of-${traceId}`,
        },
      });
    expect((await ask(strangers, 'esp_nobodys')).status).toBe(401);
    expect((await ask(known, bootstrapKey)).status).toBe(200);
    const missing = `/api/v1/tenants/${randomUUID()}`;
    expect((await ask(known, bootstrapKey, missing)).status).toBe(404);
    const servers = await eventually(() => {
      const found = spans().filter(({ kind, traceId }) => traceId === known && kind === serverKind);
      expect(found.length).toBe(2);
      return found;
    });
    const common = { 'http.request.method': 'GET', 'http.route': '/api/v1/tenants/:tenantId' };
    const requestId = `of-${known}`;
    expect(servers).toMatchObject([
      {
        name: 'GET /api/v1/tenants/:tenantId',
        parentSpanId: parentId,
        status: 0,
        attributes: {
          ...common,
          'url.path': path,
          'http.response.status_code': 200,
          'espalier.request.id': requestId,
          'espalier.tenant': tenantId,
        },
      },
      { status: 0, attributes: { ...common, 'url.path': missing, 'http.response.status_code': 404 } },
    ]);
    expect(spans().filter(({ traceId }) => traceId === strangers)).toEqual([]);
    expect(requestLine(requestId)).toMatchObject({
      listener: 'admin',
      traceId: known,
      spanId: servers[0]!.spanId,
    });
  }, 30_000);

  it('a failure of the server is one, and a stranger has none', async () => {
    const [device] = scene.world.fleet.truth();
    const [strangers, failing] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
    expect((await sendWebhook(device!.jamfComputerId, 'esp_nobodys', strangers)).status).toBe(401);
    scene.world.faults.add({
      service: 'jamf:berlin',
      status: 500,
      body: '{}',
      contentType: 'application/json',
    });
    const answer = await scene.data(`/t/${tenantId}/devices/${device!.deviceId}/inventory`, {
      headers: {
        authorization: `Bearer ${await callerToken(scene, tenantId)}`,
        traceparent: `00-${failing}-${parentId}-01`,
      },
    });
    expect(answer.status).toBe(502);
    await sendWebhook(device!.jamfComputerId, berlin.key, failing);
    await eventually(() => {
      const asked = spans().filter(
        ({ attributes, kind, traceId }) =>
          traceId === failing && kind === clientKind && attributes['http.response.status_code'] === 500,
      );
      expect(asked[0]).toMatchObject({ status: failedStatus, attributes: { 'error.type': '500' } });
      const [call] = spans().filter(({ kind, name, traceId }) => {
        return traceId === failing && kind === serverKind && name.startsWith('GET ');
      });
      expect(call).toMatchObject({ status: failedStatus, attributes: { 'error.type': '502' } });
    }, 30_000);
    expect(spans().filter(({ traceId }) => traceId === strangers)).toEqual([]);
  }, 60_000);
});
