import { pages } from '../../src/console/pages/all.ts';
import type { DeviceTruth } from '../../src/simulator/fleet.ts';
import { type AlertReceiver, startAlertReceiver } from './alert-receiver.ts';
import { newKey } from './console.ts';
import { addHold } from './due-rows.ts';
import { operatorsTenant } from './entra-operator.ts';
import { eventually } from './eventually.ts';
import { type AddedInstance, connectTenant, type Scene, sendWebhook, startScene } from './gateway.ts';

/** A world in which every page of the console has something to show, with the ids that their addresses take. */
export interface ConsoleScene {
  readonly scene: Scene;
  /** The tenant of most pages, with two instances, and another one of somebody else. */
  readonly contoso: string;
  readonly fabrikam: string;
  readonly berlin: AddedInstance;
  readonly paris: AddedInstance;
  /** A device of Contoso whose report Entra shows. */
  readonly device: DeviceTruth;
  /** Takes the alerts of Contoso. */
  readonly receiver: AlertReceiver;
  /** An admin's key for all tenants. */
  readonly key: string;
  readonly api: Scene['api'];
  /** The address of every page, of Contoso where it is of a tenant. */
  paths(): string[];
  /** Of one page, by its path in `pages/all.ts`. */
  pathOf(path: string): string;
  close(): Promise<void>;
}

async function reportOne(scene: Scene, api: Scene['api'], berlin: AddedInstance): Promise<DeviceTruth> {
  const device = scene.world.fleet.truth().find(({ instance }) => instance === 'berlin')!;
  await sendWebhook(scene, berlin, device.jamfComputerId);
  await eventually(async () => {
    const { json } = await api('GET', `/tenants/${device.tenantId}/devices/${device.deviceId}`);
    if (json.report?.state !== 'verified') throw new Error(`the report is ${json.report?.state}`);
  }, 60_000);
  return device;
}

/** A disconnect that touches so many devices that it waits for a second operator. */
async function askApproval({ database }: Scene, api: Scene['api'], tenantId: string, instanceId: string) {
  await database.sql`
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, confirmed_revision, state, due_since)
    select ${tenantId}, gen_random_uuid(), '{}', 'seeded', ${instanceId}, 1, 'completed', null
    from generate_series(1, 101)`;
  const asked = await api('POST', `/tenants/${tenantId}/disconnect`, { retract: true });
  await database.sql`delete from reports where content_hash = 'seeded'`;
  if (asked.status !== 202) throw new Error(`asking for an approval: ${asked.text}`);
  return asked.json.approvalId as string;
}

export async function startConsoleScene(): Promise<ConsoleScene> {
  const scene = await startScene({
    environment: { ESPALIER_APPROVALS: 'on' },
    world: {
      clouds: ['public'],
      tenants: [
        {
          displayName: 'Contoso',
          instances: [
            { name: 'berlin', macs: 3 },
            { name: 'paris', macs: 1 },
          ],
        },
        { displayName: 'Fabrikam', instances: [{ name: 'munich', macs: 1 }] },
      ],
    },
  });
  const [contoso, fabrikam] = scene.world.tenants.map(({ tenantId }) => tenantId) as [string, string];
  const instances = await connectTenant(scene, contoso);
  await connectTenant(scene, fabrikam);
  const [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
  const { id: keyId, key } = await newKey(scene, 'admin');
  const api: Scene['api'] = (method, path, body, by = key) => scene.api(method, path, body, by);
  const device = await reportOne(scene, api, berlin);
  // The Entra tenants of operators are listed within the first minute otherwise.
  await api('PUT', `/operators/${operatorsTenant}`, { tenants: null });
  const receiver = await startAlertReceiver(scene.world.authority);
  const target = { name: 'on call', url: `${receiver.url}/alerts`, tenants: [contoso] };
  const move = { from: berlin.id, to: paris.id, shadow: false, unclaimed: true };
  const known: Readonly<Record<string, string>> = {
    tenantId: contoso,
    instanceId: berlin.id,
    deviceId: device.deviceId,
    action: 'disconnect',
    keyId,
    operatorId: operatorsTenant,
    moveId: (await api('POST', `/tenants/${contoso}/moves`, move)).json.id,
    targetId: (await api('POST', '/alerts/targets', target)).json.id,
    holdId: await addHold(scene.database.sql, contoso),
    approvalId: await askApproval(scene, api, contoso, berlin.id),
  };
  const pathOf = (path: string): string =>
    path.replace(/:(\w+)/g, (_, name: string) => {
      const id = known[name];
      if (id === undefined) throw new Error(`test/harness/console-scene.ts has no ${name} for ${path}`);
      return id;
    });
  const paths = (): string[] => pages.map(({ path }) => pathOf(path));
  const close = async (): Promise<void> => {
    await scene.close();
    await receiver.close();
  };
  return { scene, contoso, fabrikam, berlin, paris, device, receiver, key, api, paths, pathOf, close };
}
