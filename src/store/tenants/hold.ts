/**
 * A tenant's delivery waits for one of these: a hold that somebody must end, the operator's pause, the silence that
 * Intune asked for.
 */

import type { Queries, Sql, Transaction } from '../database.ts';
import { gatewayOrigin, type Note, recorded } from '../history.ts';
import { recheckHeld } from '../reports/due.ts';
import type { Hold } from '../row-types.ts';
import type { Tenant, TenantDirectory } from './tenant.ts';

/** Kept where the tenant's status shows it, and in the history; the same cause again changes nothing, whichever process sees it. */
export async function holdTenant(
  sql: Sql,
  tenants: TenantDirectory,
  tenant: Tenant,
  hold: Omit<Hold, 'since'>,
): Promise<void> {
  if (tenant.hold?.cause === hold.cause) return;
  const { tenantId } = tenant;
  const noted: Hold = { ...hold, since: new Date().toISOString() };
  await recorded(sql, gatewayOrigin, async (tx, note) => {
    const [row] = await tx<{ before: Hold | null; name: string }[]>`
      update tenants t set hold = ${tx.json({ ...noted })}, updated_at = now()
      from (select tenant_id, hold from tenants where tenant_id = ${tenantId} for update) old
      where t.tenant_id = old.tenant_id and old.hold->>'cause' is distinct from ${hold.cause}
      returning old.hold as before, t.display_name as name`;
    if (!row) return;
    note({
      tenantId,
      action: 'connection.hold',
      object: { kind: 'connection', id: tenantId, name: row.name },
      before: { hold: row.before },
      after: { hold: noted },
    });
  });
  tenants.forget(tenantId);
}

/** Takes the hold off in the caller's transaction, if there is one. */
export async function clearHold(tx: Transaction, tenantId: string, note: Note): Promise<void> {
  const [row] = await tx<{ before: Hold; name: string }[]>`
    update tenants t set hold = null, updated_at = now()
    from (select tenant_id, hold from tenants where tenant_id = ${tenantId} for update) old
    where t.tenant_id = old.tenant_id and old.hold is not null
    returning old.hold as before, t.display_name as name`;
  if (!row) return;
  note({
    tenantId,
    action: 'connection.release',
    object: { kind: 'connection', id: tenantId, name: row.name },
    before: { hold: row.before },
    after: { hold: null },
  });
}

/** Intune takes the tenant's data again: whatever held it is over, and what waited is due at once. */
export async function releaseTenant(sql: Sql, tenants: TenantDirectory, tenant: Tenant): Promise<void> {
  if (tenant.hold === null) return;
  const { tenantId } = tenant;
  await recorded(sql, gatewayOrigin, (tx, note) => clearHold(tx, tenantId, note));
  tenants.forget(tenantId);
  await recheckHeld(sql, tenantId, { retracted: true });
}

/** Undefined: there is no such tenant. */
export async function pauseTenant(
  tx: Transaction,
  tenantId: string,
  paused: boolean,
): Promise<{ readonly before: boolean; readonly version: number } | undefined> {
  const [row] = await tx<{ before: boolean; version: number }[]>`
    update tenants t set paused = ${paused}, version = version + 1, updated_at = now()
    from (select tenant_id, paused from tenants where tenant_id = ${tenantId} for update) old
    where t.tenant_id = old.tenant_id returning old.paused as before, t.version`;
  return row;
}

/** Answers that come together ask for nearly the same time: less than a second more is not written. */
export async function silenceTenant(sql: Queries, tenantId: string, until: Date): Promise<void> {
  await sql`
    update tenants set intune_quiet_until = ${until}
    where tenant_id = ${tenantId} and coalesce(intune_quiet_until, '-infinity') < ${until}::timestamptz - interval '1 second'`;
}
