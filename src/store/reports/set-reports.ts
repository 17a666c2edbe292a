/** Makes states the ones that Intune should hold. */

import { checkInReportedEveryMs } from '../../limits.ts';
import { type Sha256, webSha256 } from '../../secrets/sha256.ts';
import { columns, pick, type Row } from '../columns.ts';
import type { Transaction } from '../database.ts';
import { reports as reportRows } from '../schema.ts';
import { tombstoneUpdate } from './gone.ts';

/** A state as JSON: what is in it is for those who read and tell it (delivery/reports/report.ts). */
type StoredContent = { readonly lastCheckInAt: string | null };

/** Hash of what a new revision is worth: a later check-in alone is not. */
export function contentHash(content: StoredContent, sha256: Sha256): string | Promise<string> {
  const { lastCheckInAt: _, ...rest } = content;
  return sha256(JSON.stringify(rest));
}

const reportKey = pick(reportRows, 'deviceId');

export interface NewReport {
  readonly deviceId: string;
  readonly instanceId: string;
  readonly content: StoredContent;
  readonly traceparent: string | null;
}

/**
 * Sets the newest states of devices of one tenant, each at most once; answers the devices for which that is news. The
 * same state again changes nothing, save that the instance which says so is noted; a new one replaces an undelivered older
 * one and is due, keeping the back-off of a target that is failing, and behind a message whose outcome is not known yet.
 */
export async function setReports(
  tx: Transaction,
  tenantId: string,
  reports: readonly NewReport[],
  sha256: Sha256 = webSha256,
): Promise<ReadonlySet<string>> {
  if (reports.length === 0) return new Set();
  const ordered = [...reports].sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1));
  const hashes = await Promise.all(ordered.map(({ content }) => contentHash(content, sha256)));
  // A report that was to be read again and has been sent already is left as it was: Intune need not hear of it. The
  // same holds where only the instance is another one, since Intune knows of none.
  await tx`
    update reports r set instance_id = read.instance_id,
      read_again = r.read_again and r.state in ('due', 'held', 'sent')
    from unnest(${ordered.map((report) => report.deviceId)}::uuid[], ${ordered.map((report) => report.instanceId)}::uuid[],
                ${hashes}::text[]) as read(device_id, instance_id, hash)
    where r.tenant_id = ${tenantId} and r.device_id = read.device_id and r.content_hash = read.hash
      and (r.instance_id <> read.instance_id or (r.read_again and r.state not in ('due', 'held', 'sent')))`;
  const rows = await tx<Row<typeof reportKey>[]>`
    insert into reports (tenant_id, device_id, instance_id, content, content_hash, last_check_in_at, traceparent, last_update_at)
    select ${tenantId}, news.*, ${tombstoneUpdate(tx, tenantId, tx`news.device_id`)} from unnest(
      ${ordered.map((report) => report.deviceId)}::uuid[], ${ordered.map((report) => report.instanceId)}::uuid[],
      ${ordered.map((report) => JSON.stringify(report.content))}::text[], ${hashes}::text[],
      ${ordered.map((report) => report.content.lastCheckInAt)}::timestamptz[],
      ${ordered.map((report) => report.traceparent)}::text[])
      as news(device_id, instance_id, content, content_hash, last_check_in_at, traceparent)
    on conflict (tenant_id, device_id) do update set
      instance_id = excluded.instance_id, content = excluded.content, content_hash = excluded.content_hash, retracted = false,
      last_check_in_at = excluded.last_check_in_at, traceparent = excluded.traceparent,
      revision = reports.revision + 1, state = 'due', reason = null, detail = null, verification = null,
      next_try_at = case when reports.message_open or (reports.state = 'due' and reports.attempts > 0)
                         then coalesce(reports.next_try_at, now()) else now() end,
      attempts = case when reports.message_open or reports.state = 'due' then reports.attempts else 0 end,
      due_since = coalesce(reports.due_since, now()), failed_at = null, background = false, read_again = false,
      updated_at = now()
    where reports.content_hash <> excluded.content_hash or reports.read_again
      or excluded.last_check_in_at > coalesce(reports.check_in_told_at, reports.last_check_in_at, '-infinity') + ${checkInReportedEveryMs} * interval '1 millisecond'
    returning ${columns(tx, reportKey)}`;
  return new Set(rows.map(({ deviceId }) => deviceId));
}
