import type { Sql, Transaction } from '../store/database.ts';
import { dueChannel } from '../store/notifications.ts';
import { inTransaction } from '../store/retry.ts';

/** What comes in from Jamf Pro, committed before it is answered (contract section 5). */

export interface PushedRecord {
  readonly jamfComputerId: number;
  /** The record as it came. */
  readonly text: string;
  readonly reportAt: Date | null;
}

interface Origin {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly traceparent: string | null;
}

/** Marks computers as due to be read; resolves when it is committed. */
export async function markComputersDue(
  sql: Sql,
  origin: Origin,
  computerIds: readonly number[],
): Promise<void> {
  const unique = [...new Set(computerIds)].sort((a, b) => a - b);
  if (unique.length === 0) return;
  await inTransaction(sql, async (tx) => {
    await upsertDue(tx, origin, unique);
    await tx`select pg_notify(${dueChannel}, 'computers')`;
  });
}

/** Rows are taken in the order of their ids: two batches with the same computers cannot wait for each other. */
async function upsertDue(tx: Transaction, origin: Origin, computerIds: readonly number[]): Promise<void> {
  await tx`
    insert into computers (tenant_id, instance_id, jamf_computer_id, traceparent, received_at)
    select ${origin.tenantId}, ${origin.instanceId}, id, ${origin.traceparent}, now()
    from unnest(${computerIds}::int[]) as due(id)
    on conflict (tenant_id, instance_id, jamf_computer_id) do update set
      wanted_revision = computers.wanted_revision + 1, traceparent = excluded.traceparent, updated_at = now(),
      received_at = coalesce(computers.received_at, now()),
      next_try_at = case when computers.wanted_revision > computers.done_revision and computers.attempts > 0
                         then computers.next_try_at else now() end`;
}

/**
 * Keeps pushed records, the newest of each computer by `general.reportDate`; resolves when committed. A record
 * older than what is there is accepted without effect (contract section 11).
 */
export async function storePushedRecords(
  sql: Sql,
  origin: Origin,
  records: readonly PushedRecord[],
): Promise<void> {
  const newest = new Map<number, PushedRecord>();
  for (const record of records) {
    const known = newest.get(record.jamfComputerId);
    if (!known || (record.reportAt?.getTime() ?? 0) >= (known.reportAt?.getTime() ?? 0)) {
      newest.set(record.jamfComputerId, record);
    }
  }
  const ordered = [...newest.values()].sort((a, b) => a.jamfComputerId - b.jamfComputerId);
  if (ordered.length === 0) return;
  await inTransaction(sql, async (tx) => {
    await tx`
      insert into computers (tenant_id, instance_id, jamf_computer_id, pushed_record, pushed_report_at, pushed_revision, traceparent,
        received_at)
      select ${origin.tenantId}, ${origin.instanceId}, id, record, report_at, 1, ${origin.traceparent}, now()
      from unnest(${ordered.map((record) => record.jamfComputerId)}::int[],
                  ${ordered.map((record) => record.text)}::text[],
                  ${ordered.map((record) => record.reportAt?.toISOString() ?? null)}::timestamptz[])
        as pushed(id, record, report_at)
      on conflict (tenant_id, instance_id, jamf_computer_id) do update set
        pushed_record = excluded.pushed_record, pushed_report_at = excluded.pushed_report_at,
        wanted_revision = computers.wanted_revision + 1, pushed_revision = computers.wanted_revision + 1,
        traceparent = excluded.traceparent, updated_at = now(), next_try_at = now(),
        received_at = coalesce(computers.received_at, now())
      where coalesce(excluded.pushed_report_at, 'infinity') >=
            greatest(computers.report_at, computers.pushed_report_at, '-infinity')`;
    await tx`select pg_notify(${dueChannel}, 'computers')`;
  });
}
