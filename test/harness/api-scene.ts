/** Two tenants that have everything, and keys of every role: one tenant is the other's stranger. */

import { addHold } from './due-rows.ts';
import { type EntraPerson, operatorsTenant, tokenOf } from './entra-operator.ts';
import { connectTenant, type Scene, startScene } from './gateway.ts';

export interface TenantScene {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly otherInstanceId: string;
  readonly keyId: string;
  readonly deviceId: string;
  readonly moveId: string;
  readonly holdId: string;
  /** Told of this tenant alone. */
  readonly targetId: string;
  readonly sessionId: string;
  /** Bound to this tenant alone. */
  readonly operatorId: string;
}

export type RoleKeys = Readonly<Record<'admin' | 'operator' | 'viewer', string>>;

export interface ApiScene {
  readonly scene: Scene;
  readonly own: TenantScene;
  readonly foreign: TenantScene;
  /** Bound to `own`. */
  readonly bound: RoleKeys;
  /** Tokens of people of Entra who are bound to `own`, as everybody of their Entra tenant is. */
  readonly entra: RoleKeys;
  readonly unbound: RoleKeys;
  /** Ids of the unbound keys. */
  readonly unboundIds: RoleKeys;
}

async function fillTenant(scene: Scene, tenantId: string): Promise<TenantScene> {
  const added = [...(await connectTenant(scene, tenantId)).values()];
  const [instance, other] = added;
  if (!instance || !other) throw new Error('the tenant has no two instances');
  const path = `/tenants/${tenantId}`;
  const deviceId = crypto.randomUUID();
  const placed = await scene.api('PUT', `${path}/devices/${deviceId}`, {
    instanceId: instance.id,
    jamfComputerId: '9001',
    serialNumber: `C02${tenantId.slice(0, 6).toUpperCase()}`,
    pinned: true,
  });
  const move = await scene.api('POST', `${path}/moves`, {
    from: instance.id,
    to: other.id,
    unclaimed: true,
    shadow: false,
  });
  const operatorId = `${crypto.randomUUID()}:${crypto.randomUUID()}`;
  const assigned = await scene.api('PUT', `/operators/${operatorId}`, { tenants: [tenantId] });
  if (assigned.status !== 200) throw new Error(assigned.text);
  const target = await scene.api('POST', '/alerts/targets', {
    name: 'on call',
    url: 'https://alerts.invalid/',
    tenants: [tenantId],
    enabled: false,
  });
  if (target.status !== 201) throw new Error(target.text);
  const keys = await scene.api('GET', `${path}/instances/${instance.id}/keys`);
  if (placed.status !== 201 || move.status !== 201) throw new Error(`${placed.text}\n${move.text}`);
  return {
    tenantId,
    instanceId: instance.id,
    otherInstanceId: other.id,
    keyId: keys.json.results[0].id,
    deviceId,
    moveId: move.json.id,
    holdId: await addHold(scene.database.sql, tenantId),
    targetId: target.json.id,
    // Nobody has a session with a browser here.
    sessionId: crypto.randomUUID(),
    operatorId,
  };
}

/** One of the simulated world's own operators. */
function personOf(scene: Scene, name: string): EntraPerson {
  const account = `${name}@operators.simulated.test`;
  const found = scene.world.operators.people.find((one) => one.userPrincipalName === account);
  if (found === undefined) throw new Error(`the world has no operator ${name}`);
  return { entraTenantId: operatorsTenant, objectId: found.userId, account };
}

export async function startApiScene(environment: Record<string, string> = {}): Promise<ApiScene> {
  const macs = 2;
  const scene = await startScene({
    environment: { ESPALIER_LOG_LEVEL: 'error', ...environment },
    world: {
      clouds: ['public'],
      tenants: [
        {
          instances: [
            { name: 'berlin', macs },
            { name: 'munich', macs },
          ],
        },
        {
          instances: [
            { name: 'oslo', macs },
            { name: 'bergen', macs },
          ],
        },
      ],
    },
  });
  const [ownId = '', foreignId = ''] = scene.world.tenants.map(({ tenantId }) => tenantId);
  const own = await fillTenant(scene, ownId);
  const foreign = await fillTenant(scene, foreignId);
  const keys = async (tenants?: string[]) => {
    const made: Record<string, { id: string; key: string }> = {};
    for (const role of ['viewer', 'operator', 'admin']) {
      const { json } = await scene.api(
        'POST',
        '/keys',
        { name: role, role, ...(tenants && { tenants }) },
        adminKey,
      );
      made[role] = json;
      if (role === 'admin' && tenants === undefined) adminKey = json.key;
    }
    return made as Record<keyof RoleKeys, { id: string; key: string }>;
  };
  // The bootstrap key ends with the first admin key.
  let adminKey: string | undefined;
  const ofAll = await keys();
  const ofOwn = await keys([ownId]);
  const [admin, operator, viewer] = ['ada', 'otto', 'vera'].map((name) => personOf(scene, name));
  await scene.api('PUT', `/operators/${operatorsTenant}`, { tenants: [ownId] }, adminKey);
  const part = (made: typeof ofAll, name: 'id' | 'key'): RoleKeys => ({
    viewer: made.viewer[name],
    operator: made.operator[name],
    admin: made.admin[name],
  });
  return {
    scene,
    own,
    foreign,
    bound: part(ofOwn, 'key'),
    entra: {
      admin: await tokenOf(scene, admin!, 'Espalier.Admin'),
      operator: await tokenOf(scene, operator!, 'Espalier.Operator'),
      viewer: await tokenOf(scene, viewer!, 'Espalier.Viewer'),
    },
    unbound: part(ofAll, 'key'),
    unboundIds: part(ofAll, 'id'),
  };
}
