import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TokenErrorKind, tokenErrorKinds } from '../../src/entra/error-kinds.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** What Entra refuses with becomes what the right person reads (domain/microsoft.md 1.8). */
describe("Entra's errors", () => {
  let scene: Scene;
  let tenantId: string;
  let sisterId: string;
  let instance: AddedInstance;
  let sisters: AddedInstance;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public', 'usgov'],
        tenants: [
          { cloud: 'public', instances: [{ name: 'one', macs: 3 }] },
          { cloud: 'public', instances: [{ name: 'two', macs: 3 }] },
          { cloud: 'public', instances: [] },
          { cloud: 'public', instances: [] },
        ],
      },
    });
    [tenantId, sisterId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    instance = (await connectTenant(scene, tenantId)).get('one')!;
    sisters = (await connectTenant(scene, sisterId)).get('two')!;
  });
  afterAll(() => scene?.close());

  const cloud = () => scene.world.cloud('public');
  const connector = () => scene.world.applications.get('public')!.connector.clientId;
  const status = async (id: string) => (await scene.api('GET', `/tenants/${id}/status`)).json;
  const devices = (name: string) => scene.world.fleet.truth().filter((device) => device.instance === name);
  const tokenStep = async (id = tenantId) => {
    const { json } = await scene.api('POST', `/tenants/${id}/confirm`);
    return json.steps.find((step: { name: string }) => step.name === 'token');
  };

  /** After these the tenant is left alone for a minute: each gets one of its own. */
  const waits = [50196, 90055];

  /** What the number means when the message and the resource that is asked for first, Graph, are heard too. */
  const meaningOf = (
    code: number,
    kind: TokenErrorKind,
  ): Pick<TokenErrorKind, 'cause' | 'owner' | 'remedy'> => {
    if (kind.cause === 'intune-not-provisioned')
      return {
        cause: 'graph-not-available',
        owner: 'configuration',
        remedy: 'Microsoft Graph as a resource',
      };
    // Its message says that the times of the assertion are the fault.
    return (code === 500133 ? tokenErrorKinds.get(700024) : undefined) ?? kind;
  };

  it.each([...tokenErrorKinds])('AADSTS%i names cause, owner and remedy', async (code, kind) => {
    const own = waits.indexOf(code);
    const id = own < 0 ? tenantId : scene.world.tenants[2 + own]!.tenantId;
    if (own >= 0) await connectTenant(scene, id);
    cloud().settings.tenant(id).entra.entraError = { code, appId: connector() };
    const step = await tokenStep(id);
    cloud().settings.tenant(id).entra.entraError = null;
    const meaning = meaningOf(code, kind);
    expect(step).toMatchObject({ ok: false, cause: meaning.cause, owner: meaning.owner });
    // Entra's answer names the cloud, and then so does the remedy.
    const remedy =
      kind.cause === 'wrong-cloud' ? 'The tenant lives in another national cloud' : meaning.remedy;
    expect(step.remedy).toContain(remedy);
    expect(step.detail).toContain(`AADSTS${code}`);
  });

  it('names the cloud in which the tenant lives', async () => {
    cloud().settings.tenant(tenantId).entra.entraError = {
      code: 90038,
      appId: connector(),
      message: "Tenant 'x' request is being redirected to the National Cloud 'MicrosoftOnline.US'.",
    };
    const step = await tokenStep();
    cloud().settings.tenant(tenantId).entra.entraError = null;
    expect(step.detail).toContain('usgov');
  });

  it('falls back by class for a code that nobody knows', async () => {
    cloud().settings.tenant(tenantId).entra.entraError = {
      code: 7999999,
      error: 'temporarily_unavailable',
      status: 503,
      appId: connector(),
      message: 'Something new.',
    };
    const step = await tokenStep();
    cloud().settings.tenant(tenantId).entra.entraError = null;
    expect(step).toMatchObject({ ok: false, cause: 'entra-unavailable', owner: 'microsoft' });
  });

  it('holds only the tenant whose fault it is, and delivers its reports when it is gone', async () => {
    cloud().settings.tenant(tenantId).entra.entraError = { code: 7000112, appId: connector() };
    await scene.restart('stop');
    await sendWebhook(scene, instance, devices('one')[0]!.jamfComputerId);
    await sendWebhook(scene, sisters, devices('two')[0]!.jamfComputerId);
    await eventually(async () =>
      expect((await status(tenantId)).hold).toMatchObject({ cause: tokenErrorKinds.get(7000112)!.cause }),
    );
    await eventually(async () => expect((await status(sisterId)).reports.verified).toBe(1));
    expect((await status(sisterId)).hold).toBeNull();
    cloud().settings.tenant(tenantId).entra.entraError = null;
    await eventually(async () => expect((await status(tenantId)).reports.verified).toBe(1));
    expect((await status(tenantId)).hold).toBeNull();
  });

  it('raises one alarm for the whole cloud when our registration is at fault, and stops hammering', async () => {
    cloud().settings.entraError = { code: 7000222, appId: connector() };
    await scene.restart('stop');
    const before = scene.world.journal.list({ service: 'entra', path: '/oauth2/v2.0/token' }).length;
    for (const device of devices('one'))
      await sendWebhook(scene, instance, device.jamfComputerId, 'ComputerInventoryCompleted');
    for (const device of devices('two'))
      await sendWebhook(scene, sisters, device.jamfComputerId, 'ComputerInventoryCompleted');
    await eventually(async () => {
      for (const id of [tenantId, sisterId])
        expect((await status(id)).hold).toMatchObject({
          cause: tokenErrorKinds.get(7000222)!.cause,
          owner: 'configuration',
        });
    });
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const alarms = scene.gateway
      .output()
      .split('\n')
      .filter((line) => line.includes('"registration.fault"'));
    expect(alarms).toHaveLength(1);
    const asked = scene.world.journal.list({ service: 'entra', path: '/oauth2/v2.0/token' }).length - before;
    // Both tenants may ask for both resources before the fault is known; after that there is one look for the whole cloud.
    expect(asked).toBeLessThanOrEqual(5);
    cloud().settings.entraError = null;
    // Looked at again as ESPALIER_HOLD_RECHECK_SECONDS says, which is a second here, with nobody's help.
    await eventually(() => expect(scene.gateway.output()).toContain('"registration.fault-over"'), 10_000);
    expect((await scene.api('POST', `/tenants/${tenantId}/confirm`)).json.ok).toBe(true);
    await eventually(async () => expect((await status(tenantId)).reports.verified).toBe(3));
    await eventually(async () => expect((await status(sisterId)).reports.verified).toBe(3));
  });
});
