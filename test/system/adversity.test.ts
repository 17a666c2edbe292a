import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  consent,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** What was accepted is delivered whatever fails meanwhile; what must not leave does not (contract section 7). */
describe('adversity', () => {
  let scene: Scene;
  let tenantId: string;
  let sisterId: string;
  let berlin: AddedInstance;
  let next = 0;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        tenants: [
          { cloud: 'public', instances: [{ name: 'berlin', macs: 12 }] },
          { cloud: 'public', instances: [{ name: 'oslo', macs: 1 }] },
        ],
        clouds: ['public'],
      },
      // Long enough that only a fresh discovery looks again.
      environment: { ESPALIER_FORWARD_TIMEOUT_SECONDS: '2', ESPALIER_MICROSOFT_TIMEOUT_SECONDS: '2' },
    });
    [tenantId, sisterId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    await connectTenant(scene, sisterId);
  });
  afterAll(() => scene?.close());
  beforeEach(() => scene.world.faults.clear());

  /** A device that no case before has touched. */
  const freshDevice = () =>
    scene.world.fleet.truth().filter((device) => device.instance === 'berlin')[next++]!;
  const report = async (deviceId: string, tenant = tenantId) =>
    (await scene.api('GET', `/tenants/${tenant}/devices/${deviceId}`)).json?.report;
  const reaches = (deviceId: string, state: string, withinMs?: number) =>
    eventually(async () => {
      const found = await report(deviceId);
      expect(found?.state).toBe(state);
      return found;
    }, withinMs);
  const applied = (deviceId: string) => scene.world.cloud('public').intune.device(tenantId, deviceId).history;
  const settings = () => scene.world.cloud('public').settings.tenant(tenantId);

  it('answers 202 while the instance and Microsoft are down, and delivers when they are back', async () => {
    const device = freshDevice();
    const { faults } = scene.world;
    faults.add({ service: 'jamf:berlin', reset: 'before' });
    faults.add({ service: 'intune', reset: 'before' });
    faults.add({ service: 'entra', status: 503, body: 'away' });
    faults.add({ service: 'graph', status: 503, body: 'away' });
    const answer = await sendWebhook(scene, berlin, device.jamfComputerId);
    expect(answer.status).toBe(202);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await report(device.deviceId)).toBeUndefined();
    faults.clear();
    await reaches(device.deviceId, 'verified');
  });

  it('delivers after kill -9 what was answered 202', async () => {
    const devices = [freshDevice(), freshDevice(), freshDevice()];
    scene.world.faults.add({
      service: 'jamf:berlin',
      status: 503,
      body: '{}',
      contentType: 'application/json',
    });
    for (const device of devices)
      expect((await sendWebhook(scene, berlin, device.jamfComputerId)).status).toBe(202);
    await scene.restart('kill');
    scene.world.faults.clear();
    for (const device of devices) await reaches(device.deviceId, 'verified', 40_000);
  });

  it('delivers after kill -9 between sending and the answer, with the same message id', async () => {
    const device = freshDevice();
    scene.world.faults.add({
      service: 'intune',
      path: 'DataUploadMessages',
      method: 'PUT',
      delayMs: 60_000,
      times: 1,
    });
    await sendWebhook(scene, berlin, device.jamfComputerId);
    const messageId = await eventually(async () => {
      const sent = await report(device.deviceId);
      expect(sent?.state).toBe('sent');
      return sent.messageId;
    });
    await scene.restart('kill');
    const verified = await reaches(device.deviceId, 'verified', 40_000);
    expect(verified.messageId).toBe(messageId);
    expect(applied(device.deviceId).map((state) => state.messageId)).toEqual([messageId]);
  });

  it('resends with the same id after an answer that never came, and Intune applies it once', async () => {
    const device = freshDevice();
    scene.world.faults.add({
      service: 'intune',
      path: 'DataUploadMessages',
      method: 'PUT',
      reset: 'after',
      times: 2,
    });
    await sendWebhook(scene, berlin, device.jamfComputerId);
    const { messageId } = await reaches(device.deviceId, 'verified');
    const puts = scene.world.journal.list({
      service: 'intune',
      path: `DataUploadMessages(guid'${messageId}')`,
    });
    expect(puts.filter((entry) => entry.method === 'PUT')).toHaveLength(3);
    expect(applied(device.deviceId)).toHaveLength(1);
  });

  it('sees a refusal inside HTTP 200', async () => {
    const device = freshDevice();
    settings().intune.uploadErrorCode = 404;
    settings().intune.uploadErrorDetail = 'Device not found';
    await sendWebhook(scene, berlin, device.jamfComputerId);
    const failed = await reaches(device.deviceId, 'failed');
    expect(failed.reason).toBe('device-not-in-entra');
    expect(failed.detail).toContain('Device not found');
    settings().intune.uploadErrorCode = null;
    settings().intune.uploadErrorDetail = null;
    // A newer state supersedes the failure.
    const mac = scene.world.fleet.findByDevice(device.deviceId)!;
    scene.world.fleet.setCompliant(mac, !device.compliant);
    await sendWebhook(scene, berlin, device.jamfComputerId);
    await reaches(device.deviceId, 'verified');
  });

  it('takes "202", no body and 204 as accepted', async () => {
    for (const answerStyle of ['no-content', 'empty', 'json'] as const) {
      const device = freshDevice();
      settings().intune.answerStyle = answerStyle;
      settings().intune.uploadErrorCode = answerStyle === 'json' ? '202' : null;
      await sendWebhook(scene, berlin, device.jamfComputerId);
      await reaches(device.deviceId, 'verified');
    }
    settings().intune.uploadErrorCode = null;
  });

  it('never tells an older state after a newer one', async () => {
    const device = freshDevice();
    const mac = scene.world.fleet.findByDevice(device.deviceId)!;
    settings().intune.processingJitterMs = 400;
    for (let round = 0; round < 6; round += 1) {
      scene.world.fleet.setCompliant(mac, round % 2 === 0);
      await sendWebhook(scene, berlin, device.jamfComputerId);
      await new Promise((resolve) => setTimeout(resolve, 120));
    }
    settings().intune.processingJitterMs = 0;
    const truth = scene.world.fleet.truth().find((one) => one.deviceId === device.deviceId)!;
    await eventually(async () => {
      expect((await report(device.deviceId))?.state).toBe('verified');
      expect(scene.world.directory.tenant(tenantId)!.devices.get(device.deviceId)!.isCompliant).toBe(
        truth.compliant,
      );
    });
    const times = applied(device.deviceId).map((state) => Date.parse(state.lastUpdateTime));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(times).size).toBe(times.length);
  });

  it('refuses a discovered foreign host and sends no token there', async () => {
    settings().discovery.address = 'foreign-host';
    const confirmed = await scene.api('POST', `/tenants/${tenantId}/confirm`);
    settings().discovery.address = 'own';
    expect(confirmed.status).toBe(200);
    expect(confirmed.json.ok).toBe(false);
    const step = confirmed.json.steps.find((one: { name: string }) => one.name === 'discovery');
    expect(step).toMatchObject({
      ok: false,
      cause: 'discovery-refused-host',
      owner: expect.any(String),
      remedy: expect.any(String),
    });
    const provisioning = confirmed.json.steps.find((one: { name: string }) => one.name === 'provisioning');
    expect(provisioning).toMatchObject({ ok: false, cause: 'not-tried' });
    expect((await scene.api('POST', `/tenants/${tenantId}/confirm`)).json.ok).toBe(true);
  });

  it("refuses another tenant's token of the same cloud", async () => {
    const [device] = scene.world.fleet.truth().filter((one) => one.instance === 'berlin');
    const answer = await scene.data(`/t/${tenantId}/devices/${device!.deviceId}/compliance`, {
      headers: { authorization: `Bearer ${await callerToken(scene, sisterId)}` },
    });
    expect(answer.status).toBe(403);
    expect(answer.json).toMatchObject({
      type: 'https://espalier.dev/problems/tenant-mismatch',
      owner: 'caller',
      httpStatus: 403,
    });
  });

  it('holds reports of a tenant that is not connected and says why', async () => {
    const device = freshDevice();
    await scene.database.sql`update tenants set connection_state = 'consented' where tenant_id = ${tenantId}`;
    // A process may go by what it knew for a second.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await sendWebhook(scene, berlin, device.jamfComputerId);
    const held = await reaches(device.deviceId, 'held');
    expect(held.reason).toBe('not-connected');
    const status = await scene.api('GET', `/tenants/${tenantId}/status`);
    expect(status.json.heldReasons['not-connected']).toBeGreaterThanOrEqual(1);
    await scene.api('POST', `/tenants/${tenantId}/confirm`);
    await reaches(device.deviceId, 'verified');
  });

  it('turns what an instance does wrong into the right problem', async () => {
    const [device] = scene.world.fleet.truth().filter((one) => one.instance === 'berlin');
    const path = `/t/${tenantId}/devices/${device!.deviceId}/compliance`;
    const ask = async () =>
      scene.data(path, { headers: { authorization: `Bearer ${await callerToken(scene, tenantId)}` } });
    const cases = [
      {
        fault: { status: 503, body: '<html>maintenance</html>', contentType: 'text/html' },
        slug: 'instance-error',
        status: 502,
      },
      {
        fault: { status: 200, body: 'hello', contentType: 'text/plain' },
        slug: 'instance-error',
        status: 502,
      },
      { fault: { reset: 'before' as const }, slug: 'instance-unreachable', status: 502 },
      { fault: { delayMs: 5_000 }, slug: 'instance-timeout', status: 504 },
    ];
    for (const { fault, slug, status } of cases) {
      scene.world.faults.clear();
      scene.world.faults.add({ service: 'jamf:berlin', path: 'device-compliance-information', ...fault });
      const answer = await ask();
      expect(answer.json.type).toBe(`https://espalier.dev/problems/${slug}`);
      expect(answer.status).toBe(status);
      expect(answer.headers['content-type']).toBe('application/problem+json');
    }
  });

  it('takes a new instance token when the instance refuses the old one', async () => {
    const [device] = scene.world.fleet.truth().filter((one) => one.instance === 'berlin');
    scene.world.faults.add({
      service: 'jamf:berlin',
      path: 'device-compliance-information',
      status: 401,
      body: '{"httpStatus":401,"errors":[]}',
      contentType: 'application/json',
      times: 1,
    });
    const answer = await scene.data(`/t/${tenantId}/devices/${device!.deviceId}/compliance`, {
      headers: { authorization: `Bearer ${await callerToken(scene, tenantId)}` },
    });
    expect(answer.status).toBe(200);
  });

  it('drains on SIGTERM and exits 0', async () => {
    expect(await scene.gateway.stop()).toBe(0);
    await scene.start();
    expect((await consent(scene, tenantId)).status).toBe(200);
  });
});
