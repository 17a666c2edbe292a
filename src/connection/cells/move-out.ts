/**
 * A tenant leaves this deployment for another one (docs/cells.md): it is fenced, what is under way ends, and its file is made
 * as often as it is asked for. Nothing changes in a fenced tenant, so every file of it says the same.
 */

import { ProblemError, problem } from '../../problems.ts';
import { SealBroken, type Sealer } from '../../secrets/seal.ts';
import { sealFile } from '../../secrets/sealed-file.ts';
import { readTenantRows } from '../../store/cells/tenant-rows.ts';
import { columns, pick } from '../../store/columns.ts';
import type { Queries, Sql } from '../../store/database.ts';
import { findUnfenced } from '../../store/gateway-processes.ts';
import { type HistoryOrigin, recorded } from '../../store/history.ts';
import { secretAssociation } from '../../store/instances/secret.ts';
import { appliedMigration } from '../../store/migration-journal.ts';
import { openStates } from '../../store/moves/move.ts';
import {
  type Draining,
  endFence,
  fenceTenant,
  markSealed,
  type Placement,
  readDraining,
  readPlacement,
} from '../../store/placements.ts';
import { instances } from '../../store/schema.ts';
import { applicationAssociation, readStoredApplication } from '../../store/tenants/application.ts';
import { readConfirmation } from '../../store/tenants/confirmation.ts';
import { raiseVersion } from '../../store/tenants/settings.ts';
import { lockTenant, type Tenant } from '../../store/tenants/tenant.ts';
import { type FileHead, type FileSecrets, fileFormat, partOf } from './file.ts';
import { checkNotRelayed } from './relay.ts';

const conflict = (detail: string): ProblemError => new ProblemError(problem('conflict', detail));

/** What somebody has to end first, for it would be half done in both deployments; undefined: nothing. */
async function unfinished(sql: Queries, tenant: Tenant): Promise<string | undefined> {
  const { tenantId } = tenant;
  if (tenant.connectionState === 'disconnecting' || tenant.deprovisionWanted)
    return 'Its connection is being ended: wait until Intune has been told.';
  if ((await readConfirmation(sql, tenantId))?.state === 'running')
    return 'A confirm or enable is at work: wait for its end.';
  const [move] = await sql<{ open: number }[]>`
    select count(*)::int as open from moves where tenant_id = ${tenantId} and state = any(${openStates as readonly string[] as string[]})`;
  if ((move?.open ?? 0) > 0) return 'A move of devices is open: finish it or roll it back.';
  const old = await findUnfenced(sql);
  if (old !== undefined) return `The process ${old} is of an older version, which knows no fence: end it.`;
  return undefined;
}

/** Where a departure stands. */
export interface Departing {
  readonly placement: Placement;
  readonly draining: Draining;
}

export const isDrained = ({ computers, reports, seconds }: Draining): boolean =>
  computers === 0 && reports === 0 && seconds === 0;

/** Undefined: the tenant is not leaving. */
export async function readDeparture(sql: Queries, tenantId: string): Promise<Departing | undefined> {
  const placement = await readPlacement(sql, tenantId);
  const draining = await readDraining(sql, tenantId);
  return placement && draining && { placement, draining };
}

/** Throws `conflict` for what has to be ended first. */
export async function checkMoveOut(sql: Queries, tenant: Tenant): Promise<void> {
  const reason = await unfinished(sql, tenant);
  if (reason !== undefined) throw conflict(reason);
}

/** Fences the tenant; the same again changes nothing. */
export const beginMoveOut = (
  sql: Sql,
  tenantId: string,
  moveId: string,
  by: HistoryOrigin,
): Promise<boolean> =>
  recorded(sql, by, async (tx, note) => {
    const tenant = await lockTenant(tx, tenantId);
    const before = await readPlacement(tx, tenantId);
    if (!tenant || (before && before.fencedAt !== null)) return false;
    await checkMoveOut(tx, tenant);
    const { generation } = await fenceTenant(tx, tenantId, moveId);
    await raiseVersion(tx, tenantId);
    note({
      tenantId,
      action: 'tenant.move-out',
      object: { kind: 'tenant', id: tenantId, name: tenant.displayName },
      after: { moveId, generation },
    });
    return true;
  });

/**
 * Takes a departure back. Throws `conflict` where a file was given out, unless `force` says that it was put to no use: else the
 * tenant would live in two places.
 */
export const cancelMoveOut = (
  sql: Sql,
  tenantId: string,
  force: boolean,
  by: HistoryOrigin,
): Promise<boolean> =>
  recorded(sql, by, async (tx, note) => {
    const tenant = await lockTenant(tx, tenantId);
    const placement = await readPlacement(tx, tenantId);
    if (!tenant || !placement || placement.fencedAt === null) return false;
    if (!force) checkNotRelayed(placement);
    if (placement.sealedAt !== null && !force) {
      throw conflict(
        'A file of the tenant was made. If no deployment took it in, and none will, cancel with force; otherwise move it back.',
      );
    }
    await endFence(tx, tenantId);
    await raiseVersion(tx, tenantId);
    note({
      tenantId,
      action: 'tenant.move-out-cancel',
      object: { kind: 'tenant', id: tenantId, name: tenant.displayName },
      before: { moveId: placement.moveId, generation: placement.generation },
      after: { force },
    });
    return true;
  });

/** The tenant's secrets, opened: the other deployment seals them with its own key. */
async function openSecrets(sql: Queries, sealer: Sealer, tenantId: string): Promise<FileSecrets> {
  const application = await readStoredApplication(sql, tenantId);
  const rows = await sql<{ instanceId: string; sealed: string }[]>`
    select ${columns(sql, { ...pick(instances, 'instanceId'), sealed: instances.apiSecretSealed })} from instances
    where tenant_id = ${tenantId} and api_secret_sealed is not null`;
  try {
    return {
      application:
        application?.sealed === undefined
          ? null
          : {
              sealed: application.sealed,
              secret: await sealer.open(application.sealed, applicationAssociation(tenantId)),
            },
      instances: await Promise.all(
        rows.map(async (row) => ({
          ...row,
          secret: await sealer.open(row.sealed, secretAssociation({ tenantId, instanceId: row.instanceId })),
        })),
      ),
    };
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    throw conflict(`A secret of the tenant does not open (${error.message}): give it anew after a cancel.`);
  }
}

export interface TenantFileOptions {
  readonly sql: Sql;
  /** One connection, for the snapshot. */
  readonly bulk: Sql;
  readonly sealer: Sealer;
  readonly tenant: Tenant;
  readonly key: string;
  readonly by: HistoryOrigin;
}

/** The sealed file of a fenced tenant; throws `conflict` while something is under way. */
export async function tenantFile(options: TenantFileOptions): Promise<AsyncGenerator<Uint8Array>> {
  const { bulk, by, key, sealer, sql, tenant } = options;
  const { displayName, tenantId } = tenant;
  const departure = await readDeparture(sql, tenantId);
  if (!departure) throw conflict('The tenant is not leaving: begin its move-out first.');
  const { draining, placement } = departure;
  if (!isDrained(draining)) throw conflict('What was under way has not ended yet: see the move-out.');
  const secrets = await openSecrets(sql, sealer, tenantId);
  // Before the snapshot, so that the file's history has the entry and every later file is the same.
  await recorded(sql, by, async (tx, note) => {
    if (!(await markSealed(tx, tenantId))) return;
    note({
      tenantId,
      action: 'tenant.move-out-file',
      object: { kind: 'tenant', id: tenantId, name: displayName },
      after: { moveId: placement.moveId, generation: placement.generation },
    });
  });
  const head: FileHead = {
    espalier: fileFormat,
    tenantId,
    displayName,
    moveId: placement.moveId,
    generation: placement.generation,
    schema: await appliedMigration(sql),
  };
  async function* parts(): AsyncGenerator<string> {
    yield partOf({ part: 'secrets' }, JSON.stringify(secrets));
    const counts: Record<string, number> = {};
    for await (const { count, rows, table } of readTenantRows(bulk, tenantId)) {
      counts[table] = (counts[table] ?? 0) + count;
      yield partOf({ part: 'rows', table, count }, rows);
    }
    yield partOf({ part: 'end' }, JSON.stringify(counts));
  }
  return sealFile(key, head, parts());
}
