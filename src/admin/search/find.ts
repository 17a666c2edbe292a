/**
 * Finds what a text or an id may mean among the tenants that an operator sees. Tenants and instances are few and matched
 * anywhere in their names; devices are matched by what an index serves, tenant by tenant.
 */

import { searchResults } from '../../limits.ts';
import type { Sql } from '../../store/database.ts';

export interface Asked {
  readonly text: string;
  /** The same, where it is one. */
  readonly guid: string | undefined;
  /** undefined: every tenant. */
  readonly scope: readonly string[] | undefined;
}

/** One more than is shown: then there are more. */
const limit = searchResults + 1;

/** `%` and `_` of the text are themselves. */
const literally = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&');

export interface FoundTenant {
  readonly tenantId: string;
  readonly displayName: string;
  readonly connectionState: string;
}

export const findTenants = (sql: Sql, { guid, scope, text }: Asked) => sql<FoundTenant[]>`
  select tenant_id as "tenantId", display_name as "displayName", connection_state as "connectionState"
  from tenants
  where ${scope === undefined ? sql`true` : sql`tenant_id = any(${[...scope]}::uuid[])`}
    and (display_name ilike ${`%${literally(text)}%`} or tenant_id = ${guid ?? null}::uuid)
  order by display_name, tenant_id limit ${limit}`;

export interface FoundInstance {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly instanceId: string;
  readonly name: string;
  readonly url: string;
}

export const findInstances = (sql: Sql, { guid, scope, text }: Asked) => sql<FoundInstance[]>`
  select i.tenant_id as "tenantId", t.display_name as "tenantName", i.instance_id as "instanceId", i.name, i.url
  from instances i join tenants t on t.tenant_id = i.tenant_id
  where ${scope === undefined ? sql`true` : sql`i.tenant_id = any(${[...scope]}::uuid[])`}
    and (i.name ilike ${`%${literally(text)}%`} or i.url ilike ${`%${literally(text)}%`}
      or i.instance_id = ${guid ?? null}::uuid)
  order by i.name, i.tenant_id, i.instance_id limit ${limit}`;

export type Match = 'device-id' | 'user' | 'udid' | 'serial-number' | 'computer-name';

interface Candidate {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly matched: Match;
}

const byId = (sql: Sql, guid: string, scope: Asked['scope']) => sql<Candidate[]>`
  select t.tenant_id as "tenantId", found.device_id as "deviceId", min(found.matched) as matched
  from tenants t cross join lateral (
    (select r.device_id, 'device-id' as matched from routes r
     where r.tenant_id = t.tenant_id and r.device_id = ${guid}::uuid)
    union all
    (select p.device_id, 'device-id' from reports p where p.tenant_id = t.tenant_id and p.device_id = ${guid}::uuid)
    union all
    (select c.device_id, 'device-id' from claims c
     where c.tenant_id = t.tenant_id and c.device_id = ${guid}::uuid limit 1)
    union all
    (select c.device_id, 'udid' from claims c
     where c.tenant_id = t.tenant_id and c.udid in (lower(${guid}), upper(${guid})) limit ${limit})
    union all
    (select c.device_id, 'user' from claims c
     where c.tenant_id = t.tenant_id and c.user_id = ${guid}::uuid limit ${limit})) found
  where ${scope === undefined ? sql`true` : sql`t.tenant_id = any(${[...scope]}::uuid[])`}
  group by t.tenant_id, found.device_id
  order by t.tenant_id, found.device_id limit ${limit}`;

const byName = (sql: Sql, text: string, scope: Asked['scope']) => sql<Candidate[]>`
  select t.tenant_id as "tenantId", found.device_id as "deviceId", max(found.matched) as matched
  from tenants t cross join lateral (
    (select c.device_id, 'serial-number' as matched from claims c
     where c.tenant_id = t.tenant_id and c.serial_number in (${text}, upper(${text})) limit ${limit})
    union all
    (select p.device_id, 'computer-name' from reports p
     where p.tenant_id = t.tenant_id
       and lower(p.content::jsonb ->> 'deviceName') like lower(${`${literally(text)}%`})
     order by lower(p.content::jsonb ->> 'deviceName') using ~<~ limit ${limit})) found
  where ${scope === undefined ? sql`true` : sql`t.tenant_id = any(${[...scope]}::uuid[])`}
  group by t.tenant_id, found.device_id
  order by t.tenant_id, found.device_id limit ${limit}`;

export interface FoundDevice extends Candidate {
  readonly tenantName: string;
  readonly serialNumber: string | null;
  readonly computerName: string | null;
  readonly userId: string | null;
  readonly instanceId: string | null;
  readonly instanceName: string | null;
}

/** Finds devices by id, where the text is one; else by serial number, whole, and by how the computer's name begins. */
export async function findDevices(sql: Sql, { guid, scope, text }: Asked): Promise<readonly FoundDevice[]> {
  const found = guid === undefined ? await byName(sql, text, scope) : await byId(sql, guid, scope);
  if (found.length === 0) return [];
  const about = await sql<Omit<FoundDevice, 'matched'>[]>`
    select t.tenant_id as "tenantId", t.display_name as "tenantName", f.device_id as "deviceId",
      claim.serial_number as "serialNumber", claim.user_id as "userId",
      p.content::jsonb ->> 'deviceName' as "computerName", i.instance_id as "instanceId", i.name as "instanceName"
    from unnest(${found.map(({ tenantId }) => tenantId)}::uuid[], ${found.map(({ deviceId }) => deviceId)}::uuid[])
      as f(tenant_id, device_id)
    join tenants t on t.tenant_id = f.tenant_id
    left join routes r on r.tenant_id = f.tenant_id and r.device_id = f.device_id
    left join instances i on i.tenant_id = r.tenant_id and i.instance_id = r.instance_id
    left join reports p on p.tenant_id = f.tenant_id and p.device_id = f.device_id
    left join lateral (
      select c.serial_number, c.user_id from claims c
      where c.tenant_id = f.tenant_id and c.device_id = f.device_id
      order by c.instance_id is not distinct from r.instance_id desc, c.updated_at desc limit 1) claim on true`;
  const matchOf = new Map(
    found.map(({ deviceId, matched, tenantId }) => [`${tenantId}/${deviceId}`, matched]),
  );
  return about
    .map((row) => ({ ...row, matched: matchOf.get(`${row.tenantId}/${row.deviceId}`) ?? 'device-id' }))
    .sort((a, b) => a.tenantName.localeCompare(b.tenantName) || a.deviceId.localeCompare(b.deviceId));
}
