import { makeDue as makeComputersDue } from '../../store/computers/due.ts';
import type { Transaction } from '../../store/database.ts';
import { makeDue as makeReportsDue } from '../../store/reports/due.ts';
import { addTimelines } from '../../store/timeline.ts';

/**
 * Makes reports due after a change in the directory: the verdict stays Jamf's, and what Intune may have lost is sent
 * again.
 */

export interface Marking {
  readonly deviceIds: readonly string[];
  /**
   * Selects the reports that are sent again: `all` that were reported, because Intune may take them now or not any
   * more; `refused`, those that failed or wait, because their cause may be gone; `none`.
   */
  readonly tell: 'all' | 'refused' | 'none';
  /** Behind what is fresh, and spread over time. */
  readonly background: boolean;
  /** Text for the devices' timelines; none is written for undefined. */
  readonly note: string | undefined;
}

/** The computers that the devices are routed to; one that waits already is not asked for twice in the background. */
const computersDue = (tx: Transaction, tenantId: string, { background, deviceIds }: Marking) =>
  makeComputersDue(
    tx,
    tx`select c.tenant_id, c.instance_id, c.jamf_computer_id from computers c
      where c.tenant_id = ${tenantId} and c.gone_at is null
        and (c.instance_id, c.jamf_computer_id) in (
          select r.instance_id, r.jamf_computer_id from routes r
          where r.tenant_id = ${tenantId} and r.device_id = any(${deviceIds as string[]}::uuid[]))
      order by c.instance_id, c.jamf_computer_id for update of c`,
    { urgency: background ? 'background' : 'fresh', spread: { behind: 0 }, backoff: 'keep' },
  );

/** A retraction is no state that an instance told, and stays. */
const reportsDue = (tx: Transaction, tenantId: string, { background, deviceIds, tell }: Marking) =>
  makeReportsDue(tx, tenantId, {
    which: (sql) => sql`device_id = any(${deviceIds as string[]}::uuid[])
      and state = any(${tell === 'all' ? ['completed', 'verified', 'failed', 'held'] : ['failed', 'held']}::text[])`,
    reason: 'directory-change',
    background,
    retracted: false,
    dueSince: 'keep',
  });

/** Rows are locked in the order that others use: computers, then reports. */
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
