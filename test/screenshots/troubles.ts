import { createHash } from 'node:crypto';
import type { Scene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import type { Operators } from './operators.ts';
import { type Customer, customerNamed, instanceNamed, type Showroom } from './seed.ts';

/** What needs the engineer today. */

const named = (customers: ReadonlyMap<string, Customer>, name: string): Customer =>
  customerNamed({ customers }, name);

/** Makes so many of a tenant's reported devices fail, or holds them. */
const turn = (
  { database: { sql } }: Scene,
  tenantId: string,
  to: {
    readonly state: 'failed' | 'held';
    readonly reason: string;
    readonly detail: string;
    readonly count: number;
    readonly minutesAgo: number;
  },
) => sql`
  update reports r set state = ${to.state}, reason = ${to.reason}, detail = ${to.detail}, attempts = 1,
    due_since = now() - ${to.minutesAgo} * interval '1 minute', completed_at = null, verified_at = null, verification = null,
    failed_at = ${to.state === 'failed' ? sql`now() - ${to.minutesAgo} * interval '1 minute'` : null},
    next_try_at = ${to.state === 'failed' ? null : sql`now() + interval '1 hour'`},
    updated_at = now() - ${to.minutesAgo} * interval '1 minute'
  from (select tenant_id, device_id from reports where tenant_id = ${tenantId} and state in ('verified', 'completed')
        order by device_id limit ${to.count}) chosen
  where r.tenant_id = chosen.tenant_id and r.device_id = chosen.device_id`;

async function failSome(scene: Scene, customers: ReadonlyMap<string, Customer>): Promise<void> {
  const saintLuc = named(customers, 'Hôpital Saint-Luc').tenantId;
  await turn(scene, saintLuc, {
    state: 'failed',
    reason: 'user-not-assigned',
    detail: 'The user is not in the group that is assigned to the partner.',
    count: 5,
    minutesAgo: 260,
  });
  await turn(scene, saintLuc, {
    state: 'held',
    reason: 'verdict-unknown',
    detail: 'Jamf Pro is still computing whether the Mac is compliant',
    count: 1,
    minutesAgo: 12,
  });
  await turn(scene, named(customers, 'Verde Foods').tenantId, {
    state: 'failed',
    reason: 'device-not-in-entra',
    detail: 'Device not found.',
    count: 2,
    minutesAgo: 1_900,
  });
}

/** Intune's licence of the school district has ended. */
async function holdOne(scene: Scene, { tenantId }: Customer): Promise<void> {
  const { sql } = scene.database;
  const hold = {
    cause: 'no-intune',
    detail: 'Graph names no Intune service of this tenant.',
    remedy: 'The tenant has no Intune, or its licence ended: add one.',
    owner: 'configuration',
    since: new Date(Date.now() - 8_100_000).toISOString(),
  };
  await sql`update tenants set hold = ${sql.json(hold)} where tenant_id = ${tenantId}`;
  await turn(scene, tenantId, {
    state: 'held',
    reason: 'no-intune',
    detail: hold.detail,
    count: 9,
    minutesAgo: 134,
  });
}

/** The administrator's browser as far as the second consent, whose page he closed. */
async function consentOnce(scene: Scene, first: string): Promise<void> {
  const ca = [scene.trust, scene.world.authority.certificatePem];
  const isConsent = (url: string): boolean => new URL(url).pathname.endsWith('/adminconsent');
  let url = first;
  do {
    const { headers } = await call(url, { ca });
    url = new URL(String(headers.location), url).href;
  } while (!isConsent(url));
}

/** Nordlys gave the first consent of two. Resolves to its path. */
async function beginOne(scene: Scene, { tomas }: Operators): Promise<string> {
  const { cloud, displayName, tenantId } = scene.world.tenants.find(
    ({ instances }) => instances.length === 0,
  )!;
  await tomas.do('POST', '/tenants', { tenantId, cloud, displayName }, 'New customer, contract 88-1042');
  const { consentUrls } = await tomas.do('POST', `/tenants/${tenantId}/connect`);
  await consentOnce(scene, consentUrls[0].url);
  await scene.database
    .sql`update tenants set created_at = now() - interval '3 hours' where tenant_id = ${tenantId}`;
  return `/tenants/${tenantId}`;
}

/** Leeds is closed: its 138 Macs are to be forgotten, which is more than one person may decide. */
async function askToDelete(scene: Scene, { tomas }: Operators, kestrel: Customer): Promise<string> {
  const { sql } = scene.database;
  const leeds = instanceNamed(kestrel, 'leeds').id;
  const serial = (place: number): string =>
    `C02${createHash('sha256').update(String(place)).digest('hex').slice(0, 7).toUpperCase()}`;
  const macs = Array.from({ length: 135 }, (_, place) => ({
    deviceId: crypto.randomUUID(),
    serial: serial(place),
  }));
  const ids = macs.map(({ deviceId }) => deviceId);
  await sql`
    insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, serial_number, rule, version, since)
    select ${kestrel.tenantId}, id, ${leeds}, 1000 + place, serial, 'only-claim', 1, now() - place * interval '7 hours'
    from unnest(${ids}::uuid[], ${macs.map(({ serial: one }) => one)}::text[]) with ordinality as macs(id, serial, place)`;
  await sql`
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, confirmed_revision, state, due_since, verified_at, next_try_at)
    select tenant_id, id, content, content_hash, ${leeds}, 1, 'verified', null, now() - interval '9 hours', null
    from unnest(${ids}::uuid[]) as ids(id), (select * from reports where tenant_id = ${kestrel.tenantId} limit 1) told`;
  const { approvalId } = await tomas.do(
    'DELETE',
    `/tenants/${kestrel.tenantId}/instances/${leeds}?force=true`,
    undefined,
    'The Leeds office closed, its Macs were wiped',
  );
  return approvalId;
}

/** Its server refuses connections, and webhooks that came meanwhile wait. */
async function loseGdynia(scene: Scene, bergmann: Customer): Promise<void> {
  const { sql } = scene.database;
  const gdynia = instanceNamed(bergmann, 'gdynia').id;
  scene.world.faults.add({ service: 'jamf:gdynia', status: 503, body: 'Service Unavailable' });
  await sql`
    update instances set last_error = 'It answers HTTP 503, as it does during maintenance.', last_error_at = now() - interval '3 minutes',
      last_seen_at = now() - interval '96 minutes'
    where instance_id = ${gdynia}`;
}

export async function makeTroubles(
  scene: Scene,
  operators: Operators,
  customers: ReadonlyMap<string, Customer>,
): Promise<Pick<Showroom, 'approvalId' | 'beginning'>> {
  const { sql } = scene.database;
  const { mara, tomas } = operators;
  await failSome(scene, customers);
  await holdOne(scene, named(customers, 'Ridgeway School District'));
  const beginning = await beginOne(scene, operators);
  await loseGdynia(scene, named(customers, 'Bergmann Logistik'));
  await sql`
    update instance_keys set expires_at = now() + interval '9 days'
    where instance_id = ${instanceNamed(named(customers, 'Alder & Finch Architects'), 'alder').id}`;
  await tomas.do(
    'POST',
    `/tenants/${named(customers, 'Maison Lavigne').tenantId}/pause`,
    undefined,
    'Maintenance of their network until Monday',
  );
  await mara.do(
    'PATCH',
    `/tenants/${named(customers, 'Blackwood Legal').tenantId}`,
    { displayName: 'Blackwood Legal LLP' },
    'Their new name',
  );
  await sql`
    update tenants set connection_state = 'terminated', terminated_at = now() - interval '20 hours',
      devices_marked_at = now() + interval '4 hours', devices_removed_at = now() + interval '27 days'
    where tenant_id = ${named(customers, 'Harbour City Council').tenantId}`;
  const approvalId = await askToDelete(scene, operators, named(customers, 'Kestrel Insurance'));
  return { approvalId, beginning };
}
