import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
} from '../harness/gateway.ts';
import { deviceIdOf, enrolTwins } from '../moves/twins.ts';
import { hireOperators, type Operators } from './operators.ts';
import { growOlder } from './past.ts';
import { holdStill } from './scene.ts';
import { makeTroubles } from './troubles.ts';

/** What has happened at the provider before the pictures are taken. */

export interface Customer {
  readonly tenantId: string;
  readonly instances: ReadonlyMap<string, AddedInstance>;
}

export interface Showroom extends Operators {
  readonly scene: Scene;
  /** By display name. */
  readonly customers: ReadonlyMap<string, Customer>;
  readonly moveId: string;
  readonly approvalId: string;
  /** Path of the tenant that is still being connected. */
  readonly beginning: string;
  /** Addresses of this machine, and those that an installation would have in their place. */
  readonly addresses: readonly (readonly [from: string, to: string])[];
  /** A Mac that two instances claim and that is not compliant. */
  readonly disputedDeviceId: string;
}

const settleMs = 300_000;

export const customerNamed = ({ customers }: Pick<Showroom, 'customers'>, name: string): Customer => {
  const found = customers.get(name);
  if (found === undefined) throw new Error(`there is no customer ${name}`);
  return found;
};
export const instanceNamed = ({ instances }: Customer, name: string): AddedInstance => {
  const found = instances.get(name);
  if (found === undefined) throw new Error(`there is no instance ${name}`);
  return found;
};

async function connectAll(scene: Scene, { mara }: Operators): Promise<Map<string, Customer>> {
  const asMara = {
    ...scene,
    world: scene.world,
    trust: scene.trust,
    api: ((method, path, body) => scene.api(method, path, body, mara.key)) as Scene['api'],
  };
  const customers = new Map<string, Customer>();
  for (const { displayName, instances, tenantId } of scene.world.tenants) {
    // The one that is still being connected: troubles.ts.
    if (instances.length === 0) continue;
    customers.set(displayName, { tenantId, instances: await connectTenant(asMara, tenantId) });
  }
  return customers;
}

/** Every Mac's inventory comes by webhook, and is told and verified. */
async function tellAll(scene: Scene, customers: ReadonlyMap<string, Customer>): Promise<void> {
  const byName = new Map([...customers.values()].flatMap(({ instances }) => [...instances]));
  for (const mac of scene.world.fleet.macs())
    await sendWebhook(scene, byName.get(mac.instanceName)!, mac.computerId);
  await eventually(async () => {
    const [waiting] = await scene.database.sql<{ count: number }[]>`
      select count(*)::int as count from reports where state not in ('verified', 'completed')`;
    const [told] = await scene.database.sql<{ count: number }[]>`select count(*)::int as count from reports`;
    if (waiting!.count > 0 || told!.count < scene.world.fleet.macs().length)
      throw new Error(`${waiting!.count} of ${told!.count} reports are on their way`);
  }, settleMs);
}

/** Half of Hamburg's Macs are known in Rotterdam too, and are being moved there. */
async function moveToRotterdam(scene: Scene, { tomas }: Operators, customer: Customer): Promise<string> {
  const { tenantId } = customer;
  const from = instanceNamed(customer, 'hamburg');
  const to = instanceNamed(customer, 'rotterdam');
  const twins = enrolTwins(scene.world, 'hamburg', 'rotterdam', 6);
  for (const twin of twins) await sendWebhook(scene, to, twin.to.id);
  await eventually(async () => {
    const [claims] = await scene.database.sql<{ count: number }[]>`
      select count(*)::int as count from claims where instance_id = ${to.id}`;
    if (claims!.count < twins.length) throw new Error(`${claims!.count} claims of ${twins.length}`);
  }, settleMs);
  const moves = `/tenants/${tenantId}/moves`;
  const { id } = await tomas.do('POST', moves, {
    from: from.id,
    to: to.id,
    percent: 25,
    threshold: 0.1,
    reason: 'CHG-2318: the Hamburg office moves to the Rotterdam server',
  });
  await tomas.do('POST', `${moves}/${id}/advance`, {});
  // One Mac that the two instances judge differently.
  scene.world.instance('rotterdam').groups.compliance.members.delete(twins[2]!.to.id);
  const authorization = `Bearer ${await callerToken(scene, tenantId)}`;
  for (const call of ['compliance', 'inventory'])
    for (const twin of twins)
      await scene.data(`/t/${tenantId}/devices/${deviceIdOf(twin.mac)}/${call}`, {
        headers: { authorization },
      });
  await eventually(async () => {
    const { shadowing } = await tomas.do('GET', `${moves}/${id}`);
    if (shadowing.compared < twins.length) throw new Error(`${shadowing.compared} answers were compared`);
  }, settleMs);
  await tomas.do('POST', `${moves}/${id}/advance`, { percent: 40, reason: 'CHG-2318, first step' });
  return id;
}

export async function fillShowroom(scene: Scene): Promise<Showroom> {
  const operators = await hireOperators(scene);
  const customers = await connectAll(scene, operators);
  await tellAll(scene, customers);
  const bergmann = customerNamed({ customers }, 'Bergmann Logistik');
  const moveId = await moveToRotterdam(scene, operators, bergmann);
  await growOlder(scene, customers);
  await holdStill(scene);
  const troubles = await makeTroubles(scene, operators, customers);
  return {
    ...{ scene, customers, moveId },
    ...troubles,
    ...operators,
    disputedDeviceId: await disputed(scene, bergmann),
    addresses: [
      [scene.world.publicUrl, 'https://gateway.example.com'],
      [scene.world.adminUrl, 'https://espalier.example.com'],
      ...[...scene.world.instances].map(([name, { url }]) => [url, `https://${name}.jamfcloud.com`] as const),
    ],
  };
}

async function disputed({ database: { sql } }: Scene, { tenantId }: Customer): Promise<string> {
  const [found] = await sql<{ deviceId: string }[]>`
    select r.device_id as "deviceId" from reports r join routes using (tenant_id, device_id)
    where tenant_id = ${tenantId} and content::jsonb ->> 'verdict' = 'not-compliant'
      and rule <> 'moved' and (select count(*) from claims c where c.tenant_id = r.tenant_id and c.device_id = r.device_id) > 1
    order by device_id limit 1`;
  if (found === undefined) throw new Error('no Mac is claimed twice and not compliant');
  return found.deviceId;
}
