import { historyTrimBatch } from '../../limits.ts';
import type { Sql } from '../database.ts';

/** Result of trimming one page of a history; `last` is where the next page begins. */
export interface Page<Cursor> {
  readonly scanned: number;
  readonly deleted: number;
  readonly last: Cursor | null;
}

export interface ClaimCursor {
  readonly deviceId: string;
  readonly sequence: number;
}

/** Trims the next page of the history of claims: what went before the cutoff, and what was followed by other lines before it. */
export async function trimClaims(
  sql: Sql,
  { cutoff, tenantId }: { readonly cutoff: Date; readonly tenantId: string },
  after: ClaimCursor | undefined,
): Promise<Page<ClaimCursor>> {
  const [page] = await sql<Page<ClaimCursor>[]>`
    with page as materialized (
      select device_id, sequence, instance_id, jamf_computer_id, state, recorded_at from claim_history
      where tenant_id = ${tenantId}
        and ${after === undefined ? sql`true` : sql`(device_id, sequence) > (${after.deviceId}::uuid, ${after.sequence}::int8)`}
      order by device_id, sequence limit ${historyTrimBatch}
    ), gone as (
      delete from claim_history h using page
      where h.tenant_id = ${tenantId} and h.device_id = page.device_id and h.sequence = page.sequence
        and page.recorded_at < ${cutoff}
        and (page.state = 'withdrawn' or exists (
          select 1 from claim_history later where later.tenant_id = ${tenantId} and later.device_id = page.device_id
            and later.sequence > page.sequence and later.instance_id = page.instance_id
            and later.jamf_computer_id = page.jamf_computer_id and later.recorded_at < ${cutoff}))
      returning 1
    )
    select (select count(*) from page) as scanned, (select count(*) from gone) as deleted,
      (select jsonb_build_object('deviceId', device_id, 'sequence', sequence) from page
       order by device_id desc, sequence desc limit 1) as last`;
  return page ?? { scanned: 0, deleted: 0, last: null };
}
