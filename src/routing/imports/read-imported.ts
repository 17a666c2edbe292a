import {
  backgroundPerSecond,
  importedReadBatch,
  importedReadLockMs,
  importedReadTenants,
} from '../../limits.ts';
import { readManyWinners } from '../../store/computers/due.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import { dueTenants, endTurns, goOnAfter, takeTurn } from '../../store/routes/imported-reads.ts';
import { lockTenantRoutes } from '../resolve.ts';
import { nextRoute, planSteadily } from './steady-plans.ts';

/**
 * The computers of imported devices become due little by little. They are read at a bounded pace anyway, and writing a
 * million due rows takes longer than writing the routes. What is left to do is a row of the database's, so whichever
 * process comes next goes on.
 */

interface Page {
  readonly scanned: number;
  readonly version: number | null;
  readonly deviceId: string | null;
}

/**
 * The next batch, under the tenant's lock as every user of `readManyWinners`. A device that went elsewhere since counts with the computer that has it now.
 */
async function wantNext(tx: Transaction, tenantId: string): Promise<void> {
  await tx`select set_config('lock_timeout', ${String(importedReadLockMs)}, true)`;
  await lockTenantRoutes(tx, tenantId);
  await planSteadily(tx);
  const turn = await takeTurn(tx, tenantId);
  if (!turn) return;
  const changes = tx`
    select version, device_id from route_changes
    where tenant_id = ${tenantId} and (version, device_id) > (${turn.version}, ${turn.deviceId}::uuid)
      and version <= ${turn.upToVersion}
    order by version, device_id limit ${importedReadBatch}`;
  const [page] = await tx<Page[]>`
    with page as materialized (${changes})
    select count(*)::int as scanned, max(version) as version,
      (select device_id from page order by version desc, device_id desc limit 1) as "deviceId"
    from page`;
  const wanted = await readManyWinners(
    tx,
    tenantId,
    tx`select distinct r.instance_id, r.jamf_computer_id from (${changes}) c cross join lateral (
      select * from (${nextRoute(tx, tenantId, tx`c.device_id`)}) next where device_id = c.device_id) r`,
  );
  if (!page || page.scanned < importedReadBatch) await endTurns(tx, tenantId);
  else await goOnAfter(tx, tenantId, page, wanted / backgroundPerSecond);
}

/** Somebody changes many routes of the tenant just now, or a deadlock: its turn comes again. */
const comesAgain = (error: unknown): boolean =>
  ['55P03', '40P01'].includes((error as { code?: string } | null)?.code ?? '');

/** Makes the next computers due, of every tenant whose turn it is. */
export async function readImported(sql: Sql): Promise<void> {
  for (const tenantId of await dueTenants(sql, importedReadTenants)) {
    try {
      await sql.begin((tx) => wantNext(tx, tenantId));
    } catch (error) {
      if (!comesAgain(error)) throw error;
    }
  }
}
