/**
 * Tracks which computers of imported devices are still to become due: a row of a tenant says how far in its history
 * they are. `routing/imports/read-imported.ts` goes on from there.
 */

import { columns, omit, pick, type Row } from '../columns.ts';
import type { Queries, Sql, Transaction } from '../database.ts';
import { routeReads } from '../schema.ts';

/** No device comes after it. */
const lastDevice = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The computers of this version's devices are to be read; committed with it. The caller holds the tenant's lock. */
export async function recordImported(tx: Transaction, tenantId: string, version: number): Promise<void> {
  await tx`
    insert into route_reads as r (tenant_id, version, device_id, up_to_version)
    values (${tenantId}, ${version - 1}, ${lastDevice}, ${version})
    on conflict (tenant_id) do update set up_to_version = greatest(r.up_to_version, excluded.up_to_version)`;
}

/** Tenants whose turn it is, the longest waiting first. */
export async function dueTenants(sql: Sql, limit: number): Promise<string[]> {
  const rows = await sql<{ tenantId: string }[]>`
    select ${columns(sql, pick(routeReads, 'tenantId'))} from route_reads where next_at <= now() order by next_at limit ${limit}`;
  return rows.map(({ tenantId }) => tenantId);
}

const turn = omit(routeReads, 'tenantId', 'nextAt');

/** The tenant's row until the transaction ends; undefined: it is not its turn. */
export async function takeTurn(tx: Transaction, tenantId: string): Promise<Row<typeof turn> | undefined> {
  const [row] = await tx<Row<typeof turn>[]>`
    select ${columns(tx, turn)} from route_reads where tenant_id = ${tenantId} and next_at <= now() for update`;
  return row;
}

/** The next turn goes on after this change. */
export async function goOnAfter(
  tx: Transaction,
  tenantId: string,
  change: { readonly version: number | null; readonly deviceId: string | null },
  inSeconds: number,
): Promise<void> {
  await tx`
    update route_reads set version = ${change.version}, device_id = ${change.deviceId},
      next_at = now() + ${inSeconds}::float8 * interval '1 second'
    where tenant_id = ${tenantId}`;
}

export const endTurns = (sql: Queries, tenantId: string) =>
  sql`delete from route_reads where tenant_id = ${tenantId}`;
