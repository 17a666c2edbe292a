import { backgroundPerSecond } from '../../limits.ts';
import type { Transaction } from '../../store/database.ts';
import { makeDue } from '../../store/reports/due.ts';
import { addTimelines } from '../../store/timeline.ts';

/** What a change in the directory makes due: the verdict stays Jamf's, and what Intune may have lost is told again. */

export interface Marking {
  readonly deviceIds: readonly string[];
  /**
   * Which reports are told again: `all` that were told, because Intune may take them now or not any more; `refused`,
   * those that failed or wait, because their cause may be gone; `none`.
   */
  readonly tell: 'all' | 'refused' | 'none';
  /** Behind what is fresh, and spread over time. */
  readonly background: boolean;
  /** For the devices' timelines; none is written for undefined. */
  readonly note: string | undefined;
}

/** The computers that the devices are routed to; one that waits already is not asked for twice in the background. */
const computersDue = (tx: Transaction, tenantId: string, { background, deviceIds }: Marking) => tx`
  with due as materialized (
    select c.instance_id, c.jamf_computer_id from computers c
    where c.tenant_id = ${tenantId} and c.gone_at is null
      and (not ${background}::boolean or c.wanted_revision <= c.done_revision)
      and (c.instance_id, c.jamf_computer_id) in (
        select r.instance_id, r.jamf_computer_id from routes r
        where r.tenant_id = ${tenantId} and r.device_id = any(${deviceIds as string[]}::uuid[]))
    order by c.instance_id, c.jamf_computer_id for update of c
  ), placed as (select *, row_number() over (order by instance_id, jamf_computer_id) - 1 as position from due)
  update computers c set wanted_revision = wanted_revision + 1, updated_at = now(), background = ${background},
    next_try_at = case when ${background} then now() + (placed.position / ${backgroundPerSecond}::float8) * interval '1 second'
      when wanted_revision > done_revision and attempts > 0 then coalesce(next_try_at, now()) else now() end
  from placed where c.tenant_id = ${tenantId} and c.instance_id = placed.instance_id
    and c.jamf_computer_id = placed.jamf_computer_id`;

/** A retraction is no state that an instance told, and stays. */
const reportsDue = (tx: Transaction, tenantId: string, { background, deviceIds, tell }: Marking) =>
  makeDue(tx, tenantId, {
    which: (sql) => sql`device_id = any(${deviceIds as string[]}::uuid[])
      and state = any(${tell === 'all' ? ['completed', 'verified', 'failed', 'held'] : ['failed', 'held']}::text[])`,
    reason: 'directory-change',
    background,
    retracted: false,
    dueSince: 'keep',
  });

/** In the order in which others lock: computers, then reports. */
export async function markDevices(tx: Transaction, tenantId: string, marking: Marking): Promise<void> {
  const { deviceIds, note, tell } = marking;
  if (deviceIds.length === 0) return;
  await computersDue(tx, tenantId, marking);
  if (tell !== 'none') await reportsDue(tx, tenantId, marking);
  if (note === undefined) return;
  await addTimelines(
    tx,
    deviceIds.map((deviceId) => ({ tenantId, deviceId, stage: 'received', detail: note })),
  );
}
