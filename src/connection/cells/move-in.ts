/**
 * A tenant arrives from another deployment (docs/cells.md), in one transaction: all of its file, or nothing. What its
 * instances told the other deployment too late is found by a reconciliation of each.
 */

import { ProblemError, problem } from '../../problems.ts';
import type { Sealer } from '../../secrets/seal.ts';
import { FileBroken, openFile } from '../../secrets/sealed-file.ts';
import { writeTenantRows } from '../../store/cells/tenant-rows.ts';
import { feedRoutes } from '../../store/change-source.ts';
import { columns, pick } from '../../store/columns.ts';
import { askReconciliation } from '../../store/computers/reading.ts';
import { isUniqueViolation, type Queries, type Sql, type Transaction } from '../../store/database.ts';
import { deleteDeliveryCounts } from '../../store/delivery-counts.ts';
import { type HistoryOrigin, recorded } from '../../store/history.ts';
import { resealSecrets, secretAssociation } from '../../store/instances/secret.ts';
import { appliedMigration } from '../../store/migration-journal.ts';
import { type Placement, readPlacement, recordArrival } from '../../store/placements.ts';
import { deleteReports, recheckHeld } from '../../store/reports/due.ts';
import { deleteRoutes } from '../../store/routes/routes.ts';
import { instances, routeVersions } from '../../store/schema.ts';
import { applicationAssociation, resealApplications } from '../../store/tenants/application.ts';
import { removeTenant } from '../../store/tenants/settings.ts';
import { lockTenant } from '../../store/tenants/tenant.ts';
import { deleteTimelines } from '../../store/timeline.ts';
import { type FileHead, type FileSecrets, readHead, readPart } from './file.ts';

const conflict = (detail: string): ProblemError => new ProblemError(problem('conflict', detail));

export interface Arrival {
  readonly displayName: string;
  readonly moveId: string;
  readonly generation: number;
  /** True: this file was taken in before, and nothing was changed. */
  readonly already: boolean;
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
}

export interface MoveInOptions {
  /** One connection. */
  readonly bulk: Sql;
  readonly sealer: Sealer;
  readonly tenantId: string;
  readonly key: string;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly by: HistoryOrigin;
  readonly dryRun: boolean;
  /** Upper bound on the rows of the file. */
  readonly maxRows: number;
}

/** True: this very file was taken in before. Throws `conflict` where it must not be. */
function wasTaken(head: FileHead, placement: Placement | undefined, isHere: boolean): boolean {
  const leaves = placement !== undefined && placement.fencedAt !== null;
  if (placement && placement.generation >= head.generation) {
    const isSame = placement.moveId === head.moveId;
    if (isSame && isHere && !leaves) return true;
    throw conflict(
      isSame && leaves
        ? 'This deployment made the file: cancel the move-out to keep the tenant here.'
        : `The file is of generation ${head.generation}, and this deployment has seen generation ${placement.generation}: what it says may be old.`,
    );
  }
  if (isHere && !leaves) throw conflict('The tenant lives here already.');
  return false;
}

/** Removes what a tenant left here when it moved away. */
async function removeRemains(tx: Transaction, tenantId: string): Promise<void> {
  await deleteReports(tx, tenantId);
  await deleteRoutes(tx, tenantId);
  await deleteTimelines(tx, tenantId);
  await deleteDeliveryCounts(tx, tenantId);
  await removeTenant(tx, tenantId);
}

/**
 * A tenant that was here and never moved has a chain of its own, which goes on; the file's chain would contradict it.
 */
async function keepsOwnHistory(
  tx: Queries,
  tenantId: string,
  placement: Placement | undefined,
): Promise<boolean> {
  if (placement !== undefined) return false;
  const [row] = await tx<{ known: boolean }[]>`
    select exists (select from history_heads where tenant_id = ${tenantId}) as known`;
  return row?.known ?? false;
}

async function sealAnew(
  tx: Transaction,
  sealer: Sealer,
  tenantId: string,
  { application, instances: sealedInstances }: FileSecrets,
): Promise<void> {
  const anew = await Promise.all(
    sealedInstances.map(async ({ instanceId, sealed, secret }) => ({
      ...{ tenantId, instanceId, sealed },
      anew: await sealer.seal(secret, secretAssociation({ tenantId, instanceId })),
    })),
  );
  await resealSecrets(tx, anew);
  if (application === null) return;
  const { sealed, secret } = application;
  const own = await sealer.seal(secret, applicationAssociation(tenantId));
  await resealApplications(tx, [{ tenantId, sealed, anew: own }]);
}

/** Writes the parts of the file, and says how many rows of each table there were. */
async function writeParts(
  tx: Transaction,
  tenantId: string,
  parts: AsyncIterable<string>,
  { maxRows, skipHistory }: { readonly maxRows: number; readonly skipHistory: boolean },
): Promise<{ rows: Record<string, number>; secrets: FileSecrets }> {
  const rows: Record<string, number> = {};
  let total = 0;
  let secrets: FileSecrets = { application: null, instances: [] };
  for await (const part of parts) {
    const { label, text } = readPart(part);
    if (label.part === 'secrets') secrets = JSON.parse(text) as FileSecrets;
    else if (label.part === 'end') {
      const said = JSON.parse(text) as Record<string, number>;
      if (Object.entries(said).some(([table, count]) => rows[table] !== count))
        throw new FileBroken('the file has other numbers of rows than it says');
    } else {
      const { count, table } = label;
      total += count;
      if (total > maxRows)
        throw new ProblemError(
          problem(
            'payload-too-large',
            `A tenant of more than ${maxRows} rows has to move in at a Node process.`,
          ),
        );
      rows[table] = (rows[table] ?? 0) + count;
      const isHistory = table === 'history' || table === 'history_heads';
      if (isHistory && skipHistory) continue;
      if (!(await writeTenantRows(tx, tenantId, { table, rows: text, count })))
        throw new FileBroken(`a row of ${table} is of another tenant`);
    }
  }
  return { rows, secrets };
}

/** Has everybody who remembers or waits look again. */
async function announceArrival(tx: Transaction, tenantId: string, routes: number): Promise<void> {
  const [version] = await tx<{ version: number }[]>`
    select ${columns(tx, pick(routeVersions, 'version'))} from route_versions where tenant_id = ${tenantId}`;
  if (version !== undefined) await feedRoutes(tx, tenantId, version.version, routes);
  const found = await tx<{ instanceId: string }[]>`
    select ${columns(tx, pick(instances, 'instanceId'))} from instances where tenant_id = ${tenantId} order by instance_id`;
  for (const { instanceId } of found) await askReconciliation(tx, { tenantId, instanceId });
  await recheckHeld(tx, tenantId, { retracted: true });
}

/** Ends a transaction whose result is only shown. */
class Shown extends Error {
  readonly arrival: Arrival;
  constructor(arrival: Arrival) {
    super('a dry run was undone');
    this.arrival = arrival;
  }
}

async function arrive(options: MoveInOptions): Promise<Arrival> {
  const { bulk, by, chunks, dryRun, key, maxRows, sealer, tenantId } = options;
  const file = await openFile(key, chunks);
  const head = readHead(file.head);
  if (head.tenantId !== tenantId) throw new FileBroken(`the file is of the tenant ${head.tenantId}`);
  if (head.schema !== (await appliedMigration(bulk)))
    throw conflict('Both deployments must run the same version of Espalier, with its migrations applied.');
  const { displayName, generation, moveId } = head;
  let isAgain = false;
  return recorded(bulk, by, async (tx, note) => {
    // The body was read: what the database undid cannot be done again with it.
    if (isAgain)
      throw new ProblemError(problem('store-unavailable', 'The database undid it; send the file again.'));
    isAgain = true;
    const placement = await readPlacement(tx, tenantId);
    const present = await lockTenant(tx, tenantId);
    const arrival = { displayName, moveId, generation };
    if (wasTaken(head, placement, present !== undefined)) return { ...arrival, already: true, rows: {} };
    if (present) await removeRemains(tx, tenantId);
    const skipHistory = await keepsOwnHistory(tx, tenantId, placement);
    const { rows, secrets } = await writeParts(tx, tenantId, file.parts, { maxRows, skipHistory });
    await sealAnew(tx, sealer, tenantId, secrets);
    await recordArrival(tx, tenantId, head);
    await announceArrival(tx, tenantId, rows.routes ?? 0);
    const done: Arrival = { ...arrival, already: false, rows };
    if (dryRun) throw new Shown(done);
    note({
      tenantId,
      action: 'tenant.move-in',
      object: { kind: 'tenant', id: tenantId, name: displayName },
      after: { moveId, generation, rows },
    });
    return done;
  });
}

/** Throws `ProblemError` for a file that does not open or must not come in; then nothing was changed. */
export async function moveIn(options: MoveInOptions): Promise<Arrival> {
  try {
    return await arrive(options);
  } catch (error) {
    if (error instanceof Shown) return error.arrival;
    if (error instanceof FileBroken)
      throw new ProblemError(
        problem('invalid-request', `The file was not taken in: ${error.message}.`, {
          errors: [{ code: 'FILE_BROKEN', field: 'body', description: error.message }],
        }),
      );
    if (isUniqueViolation(error))
      throw conflict('The tenant, or one of its instances or keys, is in this deployment already.');
    throw error;
  }
}
