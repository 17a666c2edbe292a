/**
 * Tenants that were moved between deployments (docs/cells.md). A fence is a row here, which every statement that takes up work
 * for a tenant looks at itself: what a process remembers of the tenant does not decide.
 */

import { columns, omit, type Row } from './columns.ts';
import type { Fragment, Queries, Transaction } from './database.ts';
import { placements } from './schema.ts';

const shape = omit(placements, 'tenantId');
export type Placement = Row<typeof shape>;

/** True for a tenant that has left this deployment, or is leaving it; `tenantId` is a column. */
export const isFenced = (sql: Queries, tenantId: Fragment): Fragment => sql`
  exists (select from placements fence where fence.tenant_id = ${tenantId} and fence.fenced_at is not null)`;

/** Undefined: the tenant was never moved. */
export async function readPlacement(sql: Queries, tenantId: string): Promise<Placement | undefined> {
  const [row] = await sql<Placement[]>`
    select ${columns(sql, shape)} from placements where tenant_id = ${tenantId}`;
  return row;
}

/** The same for one tenant by its id: whether it has left, or is leaving. */
export async function readFence(sql: Queries, tenantId: string): Promise<boolean> {
  const placement = await readPlacement(sql, tenantId);
  return placement !== undefined && placement.fencedAt !== null;
}

/** Fences a tenant under the next generation. One that is fenced stays as it is, so the same command may come again. */
export async function fenceTenant(tx: Transaction, tenantId: string, moveId: string): Promise<Placement> {
  await tx`
    insert into placements (tenant_id, generation, move_id, fenced_at)
    values (${tenantId}, 1, ${moveId}, clock_timestamp())
    on conflict (tenant_id) do update set generation = placements.generation + 1, move_id = excluded.move_id,
      fenced_at = excluded.fenced_at, sealed_at = null, relay_to = null, relay_until = null
    where placements.fenced_at is null`;
  const placement = await readPlacement(tx, tenantId);
  if (!placement) throw new Error('a placement that was written is not there');
  return placement;
}

/** Notes that a sealed file is given out, the first time; false: it was before, or the tenant is not fenced. */
export async function markSealed(tx: Transaction, tenantId: string): Promise<boolean> {
  const { count } = await tx`
    update placements set sealed_at = now()
    where tenant_id = ${tenantId} and fenced_at is not null and sealed_at is null`;
  return count > 0;
}

/** Ends the fence: the tenant lives here again. The generation rises, so that a file of before counts as older. */
export async function endFence(tx: Transaction, tenantId: string): Promise<void> {
  await tx`
    update placements set fenced_at = null, relay_to = null, relay_until = null, generation = generation + case when sealed_at is null then 0 else 1 end
    where tenant_id = ${tenantId}`;
}

/** Where a tenant that has left lives, and until when what comes here for it is passed on. */
export interface Relay {
  readonly to: string;
  /** A date of ISO 8601, which stays one in JSON. */
  readonly until: string;
}

/** The relay of a tenant that has left, else null; `tenantId` is a column. */
export const relayColumn = (sql: Queries, tenantId: Fragment): Fragment => sql`
  (select json_build_object('to', gone.relay_to, 'until', gone.relay_until) from placements gone
    where gone.tenant_id = ${tenantId} and gone.fenced_at is not null and gone.relay_to is not null)`;

/** Undefined: nothing is passed on. */
export const relayOf = ({ relayTo, relayUntil }: Placement): Relay | undefined =>
  relayTo === null || relayUntil === null ? undefined : { to: relayTo, until: relayUntil.toISOString() };

/** Has what comes for a tenant that has left passed on; undefined: not any more. */
export async function writeRelay(tx: Transaction, tenantId: string, relay: Relay | undefined): Promise<void> {
  await tx`
    update placements set relay_to = ${relay?.to ?? null}, relay_until = ${relay?.until ?? null}
    where tenant_id = ${tenantId} and fenced_at is not null and sealed_at is not null`;
}

/** The tenant lives here from now on, by the file of this generation. */
export async function recordArrival(
  tx: Transaction,
  tenantId: string,
  { generation, moveId }: Pick<Placement, 'generation' | 'moveId'>,
): Promise<void> {
  await tx`
    insert into placements (tenant_id, generation, move_id, arrived_at)
    values (${tenantId}, ${generation}, ${moveId}, now())
    on conflict (tenant_id) do update set generation = excluded.generation, move_id = excluded.move_id,
      fenced_at = null, sealed_at = null, relay_to = null, relay_until = null, arrived_at = excluded.arrived_at`;
}

/**
 * Requests that were let in before the fence have ended: a body takes 60 s at most, and a key is remembered for a second
 * (store/credentials.ts). So have statements and heartbeats that began before it.
 */
const oldRequestsSeconds = 65;

export interface Draining {
  /** Rows under a lease from before the fence: a read or an upload may be under way. */
  readonly computers: number;
  readonly reports: number;
  /** Time until what was let in before the fence has certainly ended. */
  readonly seconds: number;
}

/** What a fenced tenant's file has still to wait for; undefined: it is not fenced. */
export async function readDraining(sql: Queries, tenantId: string): Promise<Draining | undefined> {
  const [row] = await sql<Draining[]>`
    select
      (select count(*)::int from computers c where c.tenant_id = ${tenantId} and c.next_try_at is not null
        and c.lease_until > now()) as computers,
      (select count(*)::int from reports r where r.tenant_id = ${tenantId} and r.next_try_at is not null
        and r.lease_until > now()) as reports,
      greatest(0, ceil(extract(epoch from fenced_at - now()) + ${oldRequestsSeconds}))::int as seconds
    from placements where tenant_id = ${tenantId} and fenced_at is not null`;
  return row;
}
