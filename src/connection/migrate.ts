import { readPartnerState } from '../graph/partner-state.ts';
import { newId } from '../ids.ts';
import { makeDue } from '../store/computers/due.ts';
import { removeConsents } from '../store/consents.ts';
import type { Sql, Transaction } from '../store/database.ts';
import { type HistoryOrigin, recorded } from '../store/history.ts';
import { inTransaction } from '../store/retry.ts';
import { clearHold } from '../store/tenants/hold.ts';
import { switchConnection } from '../store/tenants/settings.ts';
import { lockTenant, type Tenant } from '../store/tenants/tenant.ts';
import { changeLogEntry } from './change-log.ts';
import { sendDeprovisions } from './deprovision.ts';
import { disableTenant, type LifecycleOptions } from './lifecycle.ts';
import {
  type MigrationFacts,
  type MigrationPlan,
  type MigrationTarget,
  planMigration,
} from './migration-plan.ts';
import { checkPartner, type PartnerWatchOptions } from './partner-watch.ts';
import { provisionedStates } from './state.ts';
import { readApplication } from './tenant-credentials.ts';

/** Changing a tenant's mode or connection type: the plan, and the steps of it that Espalier itself can take. */

export interface MigrateOptions {
  readonly lifecycle: LifecycleOptions;
  readonly partners: PartnerWatchOptions;
}

export type MigrationResult =
  | { readonly ok: true; readonly plan: MigrationPlan; readonly changed: boolean }
  /** Nothing but a deprovisioning was done; `detail` says what is in the way. */
  | { readonly ok: false; readonly detail: string; readonly owner: 'caller' | 'microsoft' };

/** States in which Graph shows a partner that Intune holds for connected, well or badly. */
const heldStates: readonly string[] = ['enabled', 'unresponsive', 'rejected'];

/**
 * True where Intune holds the tenant for connected while we are not its partner: then another application is. Known
 * only where the diagnostic application may look; else `confirm` finds out.
 */
async function isForeign(tenant: Tenant, options: PartnerWatchOptions): Promise<boolean> {
  const { access, clouds, hasDiagnostic, send, timeoutMs } = options;
  const cloud = clouds.get(tenant.cloud);
  const ours = provisionedStates.includes(tenant.connectionState) || tenant.deprovisionWanted;
  if (!cloud || ours || !hasDiagnostic(tenant.cloud)) return false;
  const granted = await access.token(tenant, 'graph', { application: 'diagnostic' });
  if (!granted.ok) return false;
  const { accessToken } = granted;
  const { mode } = tenant;
  const read = await readPartnerState({
    send,
    cloud,
    accessToken,
    clientRequestId: newId(),
    timeoutMs,
    mode,
  });
  return read.ok && read.found && heldStates.includes(read.state);
}

async function factsOf(tenant: Tenant, { lifecycle, partners }: MigrateOptions): Promise<MigrationFacts> {
  const { sql } = lifecycle;
  const { tenantId } = tenant;
  const application = await readApplication(sql, tenantId);
  const [counts] = await sql<{ devices: number; instances: number }[]>`
    select (select count(*) from routes where tenant_id = ${tenantId}) as devices,
           (select count(*) from instances where tenant_id = ${tenantId} and enabled) as instances`;
  return {
    tenant,
    application,
    enabledInstances: counts?.instances ?? 0,
    devices: counts?.devices ?? 0,
    foreign: await isForeign(tenant, partners),
    nowMs: Date.now(),
  };
}

/** The plan as things stand; looks at Intune first, so that a termination counts from when it was recognised. */
export async function dryRunMigration(
  options: MigrateOptions,
  tenant: Tenant,
  to: MigrationTarget,
): Promise<MigrationPlan> {
  const { lifecycle, partners } = options;
  let now = tenant;
  if (tenant.connectionState === 'connected') {
    const own = await readApplication(lifecycle.sql, tenant.tenantId);
    const clientId = tenant.connectionType === 'manual' ? own?.clientId : undefined;
    const watched = clientId === undefined ? partners : { ...partners, connectorClientId: () => clientId };
    await checkPartner(tenant, watched);
    now = (await lifecycle.tenants.fresh(tenant.tenantId)) ?? tenant;
  }
  return planMigration(now, to, await factsOf(now, options), true);
}

/** Longer than any process goes by a tenant's old mode (store/tenants/tenant.ts): none reads by it once they are due. */
const modeKnownAfterSeconds = 2;
/** A computer that is due already stays as fresh as it is; it only waits until the new mode is known. */
const readAllAgain = (tx: Transaction, tenantId: string) =>
  makeDue(
    tx,
    tx`select tenant_id, instance_id, jamf_computer_id from computers where tenant_id = ${tenantId}
      order by instance_id, jamf_computer_id for update`,
    {
      urgency: 'background',
      spread: { behind: 0 },
      backoff: 'keep',
      waiting: 'once-more',
      notBeforeSeconds: modeKnownAfterSeconds,
    },
  );

/** Reason why the tenant cannot become manual now; its devices are counted under its lock. */
async function manualMisfit(tx: Transaction, tenantId: string): Promise<string | undefined> {
  if (!(await readApplication(tx, tenantId))) {
    return 'A manual connection needs an application of its own: give the tenant the id and secret of one first.';
  }
  const [row] = await tx<{ count: number }[]>`
    select count(*) as count from instances where tenant_id = ${tenantId} and enabled`;
  const count = row?.count ?? 0;
  return count > 1
    ? `A manual connection has one Jamf Pro instance, and this tenant has ${count}: remove or disable the others first.`
    : undefined;
}

/** Compares and sets: undefined when it was done, else what is in the way. */
async function change(
  sql: Sql,
  tenant: Tenant,
  to: MigrationTarget,
  by: HistoryOrigin,
): Promise<string | undefined> {
  const { connectionType, displayName, mode, tenantId, version } = tenant;
  return recorded(sql, by, async (tx, note) => {
    if ((await lockTenant(tx, tenantId))?.version !== version)
      return 'The tenant was changed at the same time; read it and try again.';
    const typeChanges = tenant.connectionType !== to.connectionType;
    const misfit =
      typeChanges && to.connectionType === 'manual' ? await manualMisfit(tx, tenantId) : undefined;
    if (misfit !== undefined) return misfit;
    await switchConnection(tx, tenantId, to);
    if (typeChanges) {
      // The consents were for the other application.
      await removeConsents(tx, tenantId);
      await clearHold(tx, tenantId, note);
    }
    if (mode !== to.mode) await readAllAgain(tx, tenantId);
    note({
      tenantId,
      action: 'connection.migrate',
      object: { kind: 'connection', id: tenantId, name: displayName },
      before: { connectionType, mode },
      after: { connectionType: to.connectionType, mode: to.mode },
    });
    return undefined;
  });
}

/**
 * Ends the present connection with the present application, before it changes. A deprovisioning that nobody can send
 * (the application was deleted already) is no reason to wait: Intune's side has ended it.
 */
async function endConnection(
  options: LifecycleOptions,
  tenant: Tenant,
  by: HistoryOrigin,
): Promise<MigrationResult | undefined> {
  const { access, tenants } = options;
  const { tenantId } = tenant;
  if (tenant.connectionState === 'connected') {
    const left = await disableTenant(options, tenant, by);
    if (!left.ok) return { ok: false, detail: `The connection is ${left.state}.`, owner: 'caller' };
  } else if (tenant.deprovisionWanted) await sendDeprovisions(options, tenantId);
  if (!(await tenants.fresh(tenantId))?.deprovisionWanted) return undefined;
  const granted = await access.token(tenant, 'intune', { fresh: true });
  if (!granted.ok && granted.kind === 'hold') return undefined;
  const detail = 'Intune has not confirmed the end of the present connection yet; try again in a minute.';
  return { ok: false, detail, owner: 'microsoft' };
}

/** Takes the steps that Espalier itself can take, and returns the plan with what is left. */
export async function migrateTenant(
  options: MigrateOptions,
  tenant: Tenant,
  to: MigrationTarget,
  by: HistoryOrigin,
): Promise<MigrationResult> {
  const { lifecycle } = options;
  const { access, log, sql, tenants } = lifecycle;
  const { connectionState, tenantId } = tenant;
  if (connectionState === 'disconnecting') {
    return {
      ok: false,
      detail: 'The connection is disconnecting; wait until it has ended.',
      owner: 'caller',
    };
  }
  const typeChanges = tenant.connectionType !== to.connectionType;
  if (typeChanges) {
    // Before anything ends: a misfit must not cost the present connection.
    const misfit =
      to.connectionType === 'manual'
        ? await inTransaction(sql, (tx) => manualMisfit(tx, tenantId))
        : undefined;
    if (misfit !== undefined) return { ok: false, detail: misfit, owner: 'caller' };
    const stopped = await endConnection(lifecycle, tenant, by);
    if (stopped) return stopped;
  }
  const before = (await tenants.fresh(tenantId)) ?? tenant;
  const changed = typeChanges || before.mode !== to.mode;
  if (changed) {
    const refused = await change(sql, before, to, by);
    tenants.forget(tenantId);
    if (refused !== undefined) return { ok: false, detail: refused, owner: 'caller' };
    access.invalidate(before, 'token');
    const { connectionType, mode } = tenant;
    log.info('tenant.migrated', { tenantId, from: { mode, connectionType }, to: { ...to } });
    const entry = {
      at: new Date(),
      author: { name: by.author.name, id: by.author.kind === 'user' ? -1 : 0 },
      subject: { tenant: tenantId },
      action: 'UPDATE' as const,
      before: { connectionType, mode },
      after: { ...to },
    };
    // The entry has Jamf Pro's form in JAMFChangeManagement.log (domain/jamf.md 4.8).
    log.info('change-management', { entry: changeLogEntry(entry) });
  }
  const after = (await tenants.fresh(tenantId)) ?? before;
  return { ok: true, changed, plan: planMigration(tenant, to, await factsOf(after, options), false) };
}
