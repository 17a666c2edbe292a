import type { Sql, Transaction } from '../store/database.ts';
import { dueChannel } from '../store/notifications.ts';
import { inTransaction } from '../store/retry.ts';
import type { ConnectionState, Tenant } from '../store/tenants.ts';
import { type DeprovisionOptions, sendDeprovisions } from './deprovision.ts';
import { type ConnectionEvent, moveTenant, provisionedStates } from './state.ts';

/** Leaving and coming back: disable, disconnect, the last instance's end, termination by Intune. */

export type LifecycleOptions = DeprovisionOptions;

/** Marks a report whose content was made here and not read from an instance: the next read replaces it. */
const retractedHash = 'retracted';

const retraction = (tx: Transaction) => tx`
  revision = revision + 1, state = 'due', reason = 'retracted', attempts = 0, next_try_at = now(), verification = null,
  updated_at = now(), content_hash = ${retractedHash},
  content = (content::jsonb || '{"managed":false,"verdict":"not-compliant"}'::jsonb)::text`;

/** Makes one device's report say that it is not managed and not compliant. */
export async function retractDevices(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<number> {
  const rows = await tx`
    update reports set ${retraction(tx)}
    where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[]) and sent_revision is not null
      and content_hash <> ${retractedHash}
    returning 1`;
  return rows.length;
}

/** An event that does not fit the state; says what the state is. */
export interface Misfit {
  readonly ok: false;
  readonly state: ConnectionState;
}

export interface Moved {
  readonly ok: true;
  readonly before: ConnectionState;
  readonly after: ConnectionState;
}

/** Moves the tenant and wishes the deprovisioning if Intune holds us for provisioned. */
async function leave(
  tx: Transaction,
  tenantId: string,
  event: ConnectionEvent,
): Promise<{ before: ConnectionState; after: ConnectionState } | undefined> {
  const moved = await moveTenant(tx, tenantId, event);
  if (moved && provisionedStates.includes(moved.before) && !provisionedStates.includes(moved.after)) {
    await tx`update tenants set deprovision_wanted = true, deprovision_try_at = null where tenant_id = ${tenantId}`;
  }
  return moved;
}

async function move(
  options: LifecycleOptions,
  tenant: Tenant,
  event: ConnectionEvent,
): Promise<Moved | Misfit> {
  const { log, sql, tenants } = options;
  const { tenantId } = tenant;
  const moved = await inTransaction(sql, (tx) => leave(tx, tenantId, event));
  tenants.forget(tenantId);
  if (!moved) return { ok: false, state: tenant.connectionState };
  log.info('connection.moved', { tenantId, connectionEvent: event, ...moved });
  await sendDeprovisions(options, tenantId);
  return { ok: true, ...moved };
}

/** Deprovisions at Intune and keeps all configuration, routes and reports (contract section 8). */
export const disableTenant = (options: LifecycleOptions, tenant: Tenant): Promise<Moved | Misfit> =>
  move(options, tenant, 'disabled');

/** Makes every report of the tenant say that the device is not managed and not compliant. */
async function retractAll(tx: Transaction, tenantId: string): Promise<number> {
  const rows = await tx`
    update reports set ${retraction(tx)}
    where tenant_id = ${tenantId} and sent_revision is not null and content_hash <> ${retractedHash}
    returning 1`;
  await tx`select pg_notify(${dueChannel}, 'reports')`;
  return rows.length;
}

/**
 * Ends the connection; with `retract` Intune is told about every device first, and `finishDisconnects` goes on when
 * that is done. The consent itself is the administrator's to withdraw, in Entra.
 */
export async function disconnectTenant(
  options: LifecycleOptions,
  tenant: Tenant,
  retract: boolean,
): Promise<(Moved & { retracting: number }) | Misfit> {
  const { log, sql, tenants } = options;
  const { tenantId } = tenant;
  const canTell = tenant.connectionState === 'connected' || tenant.connectionState === 'disconnecting';
  const started = await inTransaction(sql, async (tx) => {
    const moved = await moveTenant(tx, tenantId, 'disconnect-started');
    return (
      moved && { ...moved, retracting: retract && canTell ? await retractAll(tx, tenantId) : 0, canTell }
    );
  });
  tenants.forget(tenantId);
  if (!started) return { ok: false, state: tenant.connectionState };
  log.info('connection.moved', { tenantId, connectionEvent: 'disconnect-started', ...started });
  if (!canTell) {
    // Intune does not hold us for provisioned: there is nobody to tell.
    await inTransaction(sql, (tx) => moveTenant(tx, tenantId, 'disconnected'));
    tenants.forget(tenantId);
    return { ok: true, before: started.before, after: 'disconnected', retracting: 0 };
  }
  const { left } = await retractionProgress(sql, tenantId);
  // Asked again while devices are being retracted: still on its way, unless it is not to wait for them.
  if (retract && left > 0)
    return { ok: true, before: started.before, after: 'disconnecting', retracting: left };
  const ended = await move(options, { ...tenant, connectionState: 'disconnecting' }, 'disconnected');
  return ended.ok ? { ...ended, before: started.before, retracting: 0 } : ended;
}

/** Reports that Intune still has to be told of before a disconnect may end. */
export async function retractionProgress(
  sql: Sql,
  tenantId: string,
): Promise<{ total: number; left: number }> {
  const [row] = await sql<{ total: number; left: number }[]>`
    select count(*) filter (where content_hash = ${retractedHash}) as total,
      count(*) filter (where content_hash = ${retractedHash} and state in ('due', 'sent', 'accepted')) as left
    from reports where tenant_id = ${tenantId}`;
  return row ?? { total: 0, left: 0 };
}

/** Ends the disconnects whose devices have all been told of; the runtime calls it now and then. */
export async function finishDisconnects(options: LifecycleOptions): Promise<void> {
  const { sql } = options;
  const ready = await sql<{ tenantId: string }[]>`
    select tenant_id as "tenantId" from tenants t
    where connection_state = 'disconnecting' and not exists (
      select 1 from reports r where r.tenant_id = t.tenant_id and r.state in ('due', 'sent', 'accepted'))`;
  for (const { tenantId } of ready) {
    const tenant = await options.tenants.fresh(tenantId);
    if (tenant) await move(options, tenant, 'disconnected');
  }
}

/**
 * After instances were removed, disabled, added or enabled: notes whether the last enabled one went. Counted under
 * the tenant's lock, so that two removals at once do not both miss it.
 */
export async function noteInstances(options: LifecycleOptions, tenantId: string): Promise<void> {
  await inTransaction(options.sql, async (tx) => {
    await tx`select 1 from tenants where tenant_id = ${tenantId} for update`;
    await tx`
      update tenants set last_instance_gone = not exists (
        select 1 from instances i where i.tenant_id = ${tenantId} and i.enabled)
      where tenant_id = ${tenantId}`;
  });
  await leaveEmptyTenants(options);
}

/**
 * Only when the last enabled instance went is the tenant deprovisioned (contract section 7), and not before Intune
 * was told what is to be retracted.
 */
export async function leaveEmptyTenants(options: LifecycleOptions): Promise<void> {
  const { sql } = options;
  const empty = await sql<{ tenantId: string }[]>`
    select tenant_id as "tenantId" from tenants t
    where connection_state = 'connected' and last_instance_gone and not exists (
      select 1 from reports r where r.tenant_id = t.tenant_id and r.content_hash = ${retractedHash}
        and r.state in ('due', 'sent', 'accepted'))`;
  for (const { tenantId } of empty) {
    const tenant = await options.tenants.fresh(tenantId);
    if (tenant) await move(options, tenant, 'last-instance-gone');
  }
}

/** Macs are removed this long after a termination (domain/microsoft.md 4.6). */
const removalDays = 90;

/** Intune refuses us although we were connected: its administrator ended the connection. */
export async function noteTermination(
  { log, sql, tenants }: Pick<LifecycleOptions, 'log' | 'sql' | 'tenants'>,
  tenantId: string,
  dates: { markedAt?: Date | undefined; removedAt?: Date | undefined } = {},
): Promise<void> {
  const moved = await inTransaction(sql, async (tx) => {
    const result = await moveTenant(tx, tenantId, 'terminated-by-intune');
    if (!result) return undefined;
    await tx`
      update tenants set terminated_at = now(), devices_marked_at = ${dates.markedAt ?? null},
        devices_removed_at = coalesce(${dates.removedAt ?? null}::timestamptz, now() + ${removalDays} * interval '1 day')
      where tenant_id = ${tenantId}`;
    return result;
  });
  if (!moved) return;
  tenants.forget(tenantId);
  log.error('connection.terminated', {
    tenantId,
    remedy: 'connect or confirm the tenant again; devices and routes are kept',
  });
}
