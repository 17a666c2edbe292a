import { columns, pick } from '../store/columns.ts';
import type { Queries, Transaction } from '../store/database.ts';
import { gatewayOrigin, type HistoryOrigin, type Note, recorded, unnoted } from '../store/history.ts';
import { retractReports } from '../store/reports/due.ts';
import { inTransaction } from '../store/retry.ts';
import type { ConnectionState } from '../store/row-types.ts';
import { tenants } from '../store/schema.ts';
import { inScope } from '../store/tenant-scope.ts';
import { type Moving, markLastInstance, recordTerminated } from '../store/tenants/connection.ts';
import { wishDeprovision } from '../store/tenants/deprovision.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import { type DeprovisionOptions, sendDeprovisions } from './deprovision.ts';
import { type ConnectionEvent, moveTenant, provisionedStates } from './state.ts';

/** Leaving and coming back: disable, disconnect, the last instance's end, termination by Intune. */

export type LifecycleOptions = DeprovisionOptions;

/**
 * Retractions that Intune has still to be told, of the table alias `r`. Held ones count: a hold must not pass for
 * told. One that can never be told, or whose fate Intune keeps to itself for an hour, does not keep the tenant.
 */
const unreported = (sql: Queries) => sql`
  r.retracted and r.state in ('due', 'held', 'sent', 'accepted')
  and r.reason is distinct from 'user-unknown'
  and not (r.state = 'accepted' and r.accepted_at < now() - interval '1 hour')`;

/** An event that does not fit the state; says what the state is. */
export interface Misfit {
  readonly ok: false;
  readonly state: ConnectionState;
}

export interface Moved extends Moving {
  readonly ok: true;
}

/** Moves the tenant and wishes the deprovisioning if Intune holds us for provisioned. */
async function leave(
  tx: Transaction,
  tenantId: string,
  event: ConnectionEvent,
  note: Note,
): Promise<Moving | undefined> {
  // One may have come meanwhile.
  if (event === 'last-instance-gone' && !(await markLastInstance(tx, tenantId))) return undefined;
  const moved = await moveTenant(tx, tenantId, event, note);
  if (moved && provisionedStates.includes(moved.before) && !provisionedStates.includes(moved.after)) {
    await wishDeprovision(tx, tenantId);
  }
  return moved;
}

async function move(
  options: LifecycleOptions,
  tenant: Tenant,
  event: ConnectionEvent,
  by: HistoryOrigin,
): Promise<Moved | Misfit> {
  const { log, sql, tenants } = options;
  const { tenantId } = tenant;
  const moved = await recorded(sql, by, (tx, note) => leave(tx, tenantId, event, note));
  tenants.forget(tenantId);
  if (!moved) return { ok: false, state: tenant.connectionState };
  log.info('connection.moved', { tenantId, connectionEvent: event, ...moved });
  await sendDeprovisions(options, tenantId);
  return { ok: true, ...moved };
}

/** Deprovisions at Intune and keeps all configuration, routes and reports (contract section 8). */
export const disableTenant = (
  options: LifecycleOptions,
  tenant: Tenant,
  by: HistoryOrigin,
): Promise<Moved | Misfit> => move(options, tenant, 'disabled', by);

/** Ends the connection as far as that is possible at once; the caller records the change as a whole. */
async function beginDisconnect(
  tx: Transaction,
  tenantId: string,
  retract: boolean,
): Promise<(Moving & { readonly retracting: number }) | undefined> {
  const started = await moveTenant(tx, tenantId, 'disconnect-started', unnoted);
  if (!started) return undefined;
  const { before } = started;
  // Intune does not hold us for provisioned here, so no deprovisioning has to be sent.
  if (!provisionedStates.includes(before)) {
    await moveTenant(tx, tenantId, 'disconnected', unnoted);
    return { before, after: 'disconnected', retracting: 0 };
  }
  if (retract) {
    await retractReports(tx, tenantId, 'all');
    const { left } = await retractionProgress(tx, tenantId);
    if (left > 0) return { before, after: 'disconnecting', retracting: left };
  }
  await leave(tx, tenantId, 'disconnected', unnoted);
  return { before, after: 'disconnected', retracting: 0 };
}

/**
 * Ends the connection; with `retract` Intune is told about every device first, and `finishDisconnects` goes on when
 * that is done. The consent itself is the administrator's to withdraw, in Entra.
 */
export async function disconnectTenant(
  options: LifecycleOptions,
  tenant: Tenant,
  retract: boolean,
  by: HistoryOrigin,
): Promise<(Moved & { retracting: number }) | Misfit> {
  const { log, sql, tenants } = options;
  const { displayName, tenantId } = tenant;
  const result = await recorded(sql, by, async (tx, note) => {
    const begun = await beginDisconnect(tx, tenantId, retract);
    if (!begun) return undefined;
    note({
      tenantId,
      action: 'connection.disconnect',
      object: { kind: 'connection', id: tenantId, name: displayName },
      before: { connectionState: begun.before },
      after: { connectionState: begun.after, retract, retracting: begun.retracting },
    });
    return begun;
  });
  tenants.forget(tenantId);
  if (!result) return { ok: false, state: tenant.connectionState };
  log.info('connection.moved', { tenantId, connectionEvent: 'disconnect-started', ...result });
  await sendDeprovisions(options, tenantId);
  return { ok: true, ...result };
}

/** Reports that Intune still has to be told of before a disconnect may end. */
export async function retractionProgress(
  sql: Queries,
  tenantId: string,
): Promise<{ total: number; left: number }> {
  const [row] = await sql<{ total: number; left: number }[]>`
    select count(*) filter (where r.retracted and r.sent_revision is not null) as total,
      count(*) filter (where ${unreported(sql)}) as left
    from reports r where r.tenant_id = ${tenantId}`;
  return row ?? { total: 0, left: 0 };
}

/** Ends the disconnects whose devices have all been told of; the runtime calls it now and then. */
export async function finishDisconnects(options: LifecycleOptions): Promise<void> {
  const { scope, sql } = options;
  const ready = await sql<{ tenantId: string }[]>`
    select ${columns(sql, pick(tenants, 'tenantId'))} from tenants t
    where connection_state = 'disconnecting' and ${inScope(sql, scope, sql`tenant_id`)} and not exists (
      select 1 from reports r where r.tenant_id = t.tenant_id and ${unreported(sql)})`;
  for (const { tenantId } of ready) {
    const tenant = await options.tenants.fresh(tenantId);
    if (tenant) await move(options, tenant, 'disconnected', gatewayOrigin);
  }
}

/** After instances were removed, disabled, added or enabled: notes whether the last enabled one went. */
export async function announceInstances(options: LifecycleOptions, tenantId: string): Promise<void> {
  await inTransaction(options.sql, (tx) => markLastInstance(tx, tenantId));
  await leaveEmptyTenants(options, tenantId);
}

/**
 * A tenant is deprovisioned only when its last enabled instance went (contract section 7), and not before Intune has
 * received the retractions.
 */
export async function leaveEmptyTenants(options: LifecycleOptions, tenantId?: string): Promise<void> {
  const { scope, sql } = options;
  const which =
    tenantId === undefined ? inScope(sql, scope, sql`t.tenant_id`) : sql`t.tenant_id = ${tenantId}`;
  const empty = await sql<{ tenantId: string }[]>`
    select ${columns(sql, pick(tenants, 'tenantId'))} from tenants t
    where ${which} and connection_state = 'connected' and last_instance_gone and not exists (
      select 1 from reports r where r.tenant_id = t.tenant_id and ${unreported(sql)})`;
  for (const { tenantId: emptyId } of empty) {
    const tenant = await options.tenants.fresh(emptyId);
    if (tenant) await move(options, tenant, 'last-instance-gone', gatewayOrigin);
  }
}

/** Macs are removed this long after a termination (domain/microsoft.md 4.6). */
const removalDays = 90;

/** Answers to what was asked before a confirm may come in this long after it. */
const confirmGraceMs = 3_000;

/** Intune refuses us although we were connected: its administrator ended the connection. */
export async function recordTermination(
  { log, sql, tenants }: Pick<LifecycleOptions, 'log' | 'sql' | 'tenants'>,
  tenantId: string,
  dates: { markedAt?: Date | undefined; removedAt?: Date | undefined } = {},
): Promise<void> {
  const moved = await recorded(sql, gatewayOrigin, async (tx, note) => {
    // An answer to a question from before the last confirm says nothing about the connection that it made.
    const recent = await tx`
      select 1 from tenants where tenant_id = ${tenantId} and last_confirm_at > now() - ${confirmGraceMs} * interval '1 millisecond'
      for update`;
    if (recent.length > 0) return undefined;
    const removedAt = dates.removedAt ?? new Date(Date.now() + removalDays * 86_400_000);
    const markedAt = dates.markedAt ?? null;
    const after = { devicesMarkedAt: markedAt, devicesRemovedAt: removedAt };
    const result = await moveTenant(tx, tenantId, 'terminated-by-intune', note, { after });
    if (result) await recordTerminated(tx, tenantId, { markedAt, removedAt });
    return result;
  });
  if (!moved) return;
  tenants.forget(tenantId);
  log.error('connection.terminated', {
    tenantId,
    remedy: 'connect or confirm the tenant again; devices and routes are kept',
  });
}
