import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** The main job, end to end: a webhook becomes a route and a verified report, and a call finds its instance. */
describe('the main job', () => {
  let scene: Scene;
  let tenantId: string;
  let otherTenantId: string;
  let instances: Map<string, AddedInstance>;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        tenants: [
          {
            cloud: 'public',
            instances: [
              { name: 'berlin', macs: 3 },
              { name: 'paris', macs: 3 },
            ],
          },
          { cloud: 'usgov', instances: [{ name: 'boston', macs: 1 }] },
        ],
      },
    });
    [tenantId, otherTenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    instances = await connectTenant(scene, tenantId);
    await connectTenant(scene, otherTenantId);
  });
  afterAll(() => scene?.close());

  const truthOf = (name: string) => scene.world.fleet.truth().filter((device) => device.instance === name);

  it('takes a webhook to a verified report', async () => {
    const device = truthOf('berlin')[0]!;
    const answer = await sendWebhook(scene, instances.get('berlin')!, device.jamfComputerId);
    expect(answer.status).toBe(202);
    expect(answer.json).toEqual({ status: 'accepted' });
    const shown = await eventually(async () => {
      const read = await scene.api('GET', `/tenants/${tenantId}/devices/${device.deviceId}`);
      expect(read.json.report?.state).toBe('verified');
      return read.json;
    });
    expect(shown).toMatchObject({
      instanceId: instances.get('berlin')!.id,
      jamfComputerId: String(device.jamfComputerId),
      serialNumber: device.serialNumber,
      udid: device.udid,
    });
    const entra = scene.world.directory.tenant(tenantId)!.devices.get(device.deviceId)!;
    expect(entra.isCompliant).toBe(device.compliant);
  });

  it('shows the whole way in the timeline, newest first', async () => {
    const device = truthOf('berlin')[0]!;
    const { json } = await scene.api('GET', `/tenants/${tenantId}/devices/${device.deviceId}/timeline`);
    const stages = json.results.map((event: { stage: string }) => event.stage);
    expect(stages).toEqual(['verified', 'completed', 'accepted', 'sent', 'routed', 'fetched', 'received']);
    expect(json.totalCount).toBe(7);
  });

  it('keeps two instances with the same Jamf id apart', async () => {
    const [inBerlin] = truthOf('berlin');
    const inParis = truthOf('paris').find((device) => device.jamfComputerId === inBerlin!.jamfComputerId)!;
    expect(inParis.serialNumber).not.toBe(inBerlin!.serialNumber);
    await sendWebhook(scene, instances.get('paris')!, inParis.jamfComputerId);
    const token = await callerToken(scene, tenantId);
    for (const device of [inBerlin!, inParis]) {
      const answer = await eventually(async () => {
        const read = await scene.data(`/t/${tenantId}/devices/${device.deviceId}/inventory`, {
          headers: { authorization: `Bearer ${token}` },
        });
        expect(read.status).toBe(200);
        return read.json;
      });
      expect(answer.hardware.serialNumber).toBe(device.serialNumber);
      expect(answer.id).toBe(String(device.jamfComputerId));
    }
  });

  it('explains a route', async () => {
    const device = truthOf('berlin')[0]!;
    const { json } = await scene.api('GET', `/tenants/${tenantId}/devices/${device.deviceId}/explain`);
    expect(json).toMatchObject({
      instanceId: instances.get('berlin')!.id,
      rule: 'only-claim',
      version: expect.any(Number),
    });
    expect(json.claims).toHaveLength(1);
    expect(json.wouldChange.length).toBeGreaterThan(0);
  });

  it('answers a compliance call and a recalculation through the instance', async () => {
    const device = truthOf('berlin')[0]!;
    const headers = { authorization: `Bearer ${await callerToken(scene, tenantId)}` };
    const compliance = await scene.data(`/t/${tenantId}/devices/${device.deviceId}/compliance`, { headers });
    expect(compliance.status).toBe(200);
    expect(compliance.json[0]).toMatchObject({ deviceId: String(device.jamfComputerId) });
    const recalculated = await scene.data(`/t/${tenantId}/devices/${device.deviceId}/recalculate`, {
      method: 'POST',
      headers,
    });
    expect(recalculated.status).toBe(200);
    expect(recalculated.json.count).toBeGreaterThanOrEqual(0);
  });

  it("refuses a second tenant's token, and does not show whose device it is", async () => {
    const device = truthOf('berlin')[0]!;
    const headers = { authorization: `Bearer ${await callerToken(scene, otherTenantId)}` };
    const crossed = await scene.data(`/t/${tenantId}/devices/${device.deviceId}/compliance`, { headers });
    expect(crossed.status).toBe(403);
    const own = await scene.data(`/t/${otherTenantId}/devices/${device.deviceId}/compliance`, { headers });
    expect(own.status).toBe(404);
    expect(own.json.type).toBe('https://espalier.dev/problems/device-unknown');
  });

  it('counts what it did', async () => {
    const response = await fetch(`${scene.gateway.ops}/metrics`);
    const text = await response.text();
    for (const name of [
      'espalier_requests_total',
      'espalier_request_duration_seconds_bucket',
      'espalier_forward_duration_seconds_bucket',
      'espalier_route_lookups_total{result="miss"}',
      'espalier_reports{state="verified"}',
      'espalier_report_age_seconds{stage="reports"}',
      'espalier_uploads_total{outcome="accepted"}',
      'espalier_token_requests_total',
      'espalier_heartbeats_total{outcome="alive"}',
      'espalier_instance_up',
      'espalier_credential_expiry_seconds',
    ]) {
      expect(text).toContain(name);
    }
    for (const { deviceId } of scene.world.fleet.truth()) expect(text).not.toContain(deviceId);
  });

  it('never logs a token, a secret or a key', () => {
    const output = scene.gateway.output();
    expect(output).not.toMatch(/eyJ[A-Za-z0-9_-]{20,}\./);
    for (const { key } of instances.values()) expect(output).not.toContain(key);
  });
});
