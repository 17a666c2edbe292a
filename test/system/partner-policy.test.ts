import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consent, type Scene, startScene } from '../harness/gateway.ts';

/** The policy by which the partner decides for macOS, where Intune does not let us make it. */
describe('the partner compliance policy', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [] }, { instances: [] }] },
    });
  });
  afterAll(() => scene?.close());

  const policyStep = async (tenantId: string) => {
    const { json } = await scene.api('POST', `/tenants/${tenantId}/confirm`);
    return json.steps.find((step: { name: string }) => step.name === 'policy');
  };

  it('names the partner that is not added in Intune, and who adds it', async () => {
    const [{ tenantId }] = scene.world.tenants as unknown as [{ tenantId: string }];
    await consent(scene, tenantId);
    const nothing = { service: 'intune', tenant: tenantId, path: 'PartnerCompliancePolicies', status: 204 };
    const fault = scene.world.faults.add(nothing);
    const step = await policyStep(tenantId);
    expect(step).toMatchObject({ ok: false, cause: 'partner-not-added', owner: 'configuration' });
    expect(step.remedy).toContain('Partner compliance management');
    scene.world.faults.remove(fault.id);
    expect(await policyStep(tenantId)).toMatchObject({ ok: true });
  });

  it("names another partner's policy and leaves it alone", async () => {
    const { tenantId } = scene.world.tenants[1]!;
    await consent(scene, tenantId);
    const { policies } = scene.world.cloud('public').intune.tenant(tenantId);
    policies.push({
      id: crypto.randomUUID(),
      displayName: 'Other',
      description: '',
      platform: 'macOS',
      assignments: [],
    });
    const step = await policyStep(tenantId);
    expect(step).toMatchObject({ ok: false, cause: 'policy-not-ours', owner: 'configuration' });
    expect(step.detail).toContain('Other (macOS)');
    expect(policies).toMatchObject([{ displayName: 'Other', assignments: [] }]);
  });
});
