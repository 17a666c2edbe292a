/**
 * Trims what is older than the retention from the history of routes and claims. What the table was at the cutoff stays,
 * so that every later answer can be given again; of a device whose route ended before nothing stays.
 */

import { historyTrimBatch, historyTrimEveryMs } from '../../limits.ts';
import type { Log } from '../../telemetry/log.ts';
import { type ClaimCursor, type Page, trimClaims } from '../claims/trim-claims.ts';
import { columns, pick } from '../columns.ts';
import type { Sql, Transaction } from '../database.ts';
import { routeVersions } from '../schema.ts';

interface Turn {
  readonly tenantId: string;
  readonly cutoff: Date;
  readonly trimmedVersion: number;
}

/**
 * Takes the next tenant whose turn it is, once a day whichever process comes first. First it is noted what cannot be
 * told any more, then that is deleted: nobody is answered from half of a history. Who dies between leaves the rest
 * to the next day.
 */
async function takeTurn(sql: Sql, keepDays: number): Promise<Turn | undefined> {
  const [turn] = await sql<Turn[]>`
    with cut as materialized (
      select date_trunc('milliseconds', now() - ${keepDays} * interval '1 day') as cutoff
    ), turn as materialized (
      select v.tenant_id from route_versions v, cut
      where v.trimmed_before is null or v.trimmed_before < cut.cutoff - ${historyTrimEveryMs} * interval '1 millisecond'
      order by v.trimmed_before nulls first limit 1 for update of v skip locked
    )
    update route_versions v set trimmed_before = cut.cutoff, trimmed_version = greatest(v.trimmed_version, coalesce((
      select c.version from route_changes c
      where c.tenant_id = v.tenant_id and c.changed_at < cut.cutoff order by c.version desc limit 1), 0))
    from turn, cut where v.tenant_id = turn.tenant_id
    returning ${columns(sql, pick(routeVersions, 'tenantId', 'trimmedVersion'), 'v')}, cut.cutoff`;
  return turn;
}

interface ChangeCursor {
  readonly version: number;
  readonly deviceId: string;
}

/** Trims from old to new, so that what ended a route goes after what it ended. */
async function trimChanges(
  sql: Sql,
  { tenantId, trimmedVersion }: Turn,
  after: ChangeCursor | undefined,
): Promise<Page<ChangeCursor>> {
  const [page] = await sql<Page<ChangeCursor>[]>`
    with page as materialized (
      select version, device_id, to_instance_id from route_changes
      where tenant_id = ${tenantId} and version <= ${trimmedVersion}
        and ${after === undefined ? sql`true` : sql`(version, device_id) > (${after.version}, ${after.deviceId}::uuid)`}
      order by version, device_id limit ${historyTrimBatch}
    ), gone as (
      delete from route_changes c using page
      where c.tenant_id = ${tenantId} and c.version = page.version and c.device_id = page.device_id
        and (page.to_instance_id is null or exists (
          select 1 from route_changes later where later.tenant_id = ${tenantId} and later.device_id = page.device_id
            and later.version > page.version and later.version <= ${trimmedVersion}))
      returning 1
    )
    select (select count(*) from page) as scanned, (select count(*) from gone) as deleted,
      (select jsonb_build_object('version', version, 'deviceId', device_id) from page
       order by version desc, device_id desc limit 1) as last`;
  return page ?? { scanned: 0, deleted: 0, last: null };
}

/** Page after page, each a transaction of its own; how many rows went. */
async function throughout<Cursor>(
  trim: (after: Cursor | undefined) => Promise<Page<Cursor>>,
): Promise<number> {
  let deleted = 0;
  let after: Cursor | undefined;
  for (;;) {
    const page = await trim(after);
    deleted += page.deleted;
    if (page.scanned < historyTrimBatch || page.last === null) return deleted;
    after = page.last;
  }
}

/** Trims every tenant whose turn it is. `keepDays` 0 keeps everything. */
export async function trimRouteHistory(sql: Sql, keepDays: number, log: Log): Promise<void> {
  if (keepDays === 0) return;
  for (;;) {
    const turn = await takeTurn(sql, keepDays);
    if (!turn) return;
    const changes = await throughout<ChangeCursor>((after) => trimChanges(sql, turn, after));
    const claims = await throughout<ClaimCursor>((after) => trimClaims(sql, turn, after));
    const { cutoff, tenantId } = turn;
    if (changes + claims > 0)
      log.info('routes.history-trimmed', { tenantId, before: cutoff, changes, claims });
  }
}

/** Forgets every route that these devices had, when a person's data is erased. Versions stay, without these devices. */
export async function eraseRouteChanges(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<number> {
  const { count } = await tx`
    delete from route_changes where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[])`;
  return count;
}
