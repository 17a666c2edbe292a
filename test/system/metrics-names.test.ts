/** Names of customers are no metrics, unless ESPALIER_METRICS_NAMES asks for them. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { addInstance, consent, type GatewayProcess, type Scene, startScene } from '../harness/gateway.ts';

let scene: Scene;
let named: GatewayProcess;
let tenantId: string;

beforeAll(async () => {
  scene = await startScene({
    world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1, compliantShare: 1 }] }] },
  });
  named = await scene.another({ ESPALIER_METRICS_NAMES: 'on' });
  tenantId = scene.world.tenants[0]!.tenantId;
  await consent(scene, tenantId);
  await scene.api('PATCH', `/tenants/${tenantId}`, { displayName: 'Contoso "Ltd"' });
});
afterAll(async () => {
  await named?.stop();
  await scene?.close();
});

const metricsOf = async ({ ops }: GatewayProcess): Promise<string> => (await fetch(`${ops}/metrics`)).text();

it('an info metric carries names for ids where it is asked for, and nothing does where it is not', async () => {
  const { id } = await addInstance(scene, tenantId, 'berlin');
  const ids = `tenant="${tenantId}",instance_id="${id}"`;
  await eventually(async () =>
    expect(await metricsOf(named)).toContain(
      `espalier_instance_info{${ids},tenant_name="Contoso \\"Ltd\\"",instance_name="berlin"} 1`,
    ),
  );
  const without = await metricsOf(scene.gateway);
  expect(without).toContain(`espalier_instance_up{${ids}}`);
  for (const name of ['espalier_instance_info', 'Contoso', 'berlin']) expect(without).not.toContain(name);
});

it('a tenant and an instance that are renamed have their new names at once', async () => {
  const { json } = await scene.api('GET', `/tenants/${tenantId}/instances`);
  const [{ id }] = json.results;
  await scene.api('PATCH', `/tenants/${tenantId}`, { displayName: 'Fabrikam' });
  await scene.api('PATCH', `/tenants/${tenantId}/instances/${id}`, { name: 'paris' });
  await eventually(async () =>
    expect(await metricsOf(named)).toMatch(/_info\{[^}]*tenant_name="Fabrikam",instance_name="paris"\} 1/),
  );
});
