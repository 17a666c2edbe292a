import type { Transaction } from '../database.ts';
import type { InstanceRef } from '../instances/instance.ts';
import { trustedAt } from '../trusted-dates.ts';
import { type Made, makeDue, makeMixedDue } from './due.ts';

/**
 * A page of an instance's list of computers makes computers due: the list itself is never taken in, each computer is
 * read.
 */

/** One computer of a page, as far as the list tells. */
export interface ListedComputer {
  readonly jamfComputerId: number;
  /** null where the record has none. */
  readonly reportedAt: Date | null;
  /** Its record could not be read; the computer is read on its own, whatever its date. */
  readonly unreadable: boolean;
  /** Entra device ids; undefined where the record came without its accounts. */
  readonly deviceIds: readonly string[] | undefined;
}

const idsOf = (listed: readonly ListedComputer[]): number[] => listed.map((one) => one.jamfComputerId);

const listedRows = (tx: Transaction, listed: readonly ListedComputer[]) => tx`
  select distinct on (id) id, report_at, id = any(${idsOf(listed.filter((one) => one.unreadable))}::int[]) as unreadable,
    id = any(${idsOf(listed.filter((one) => one.deviceIds !== undefined))}::int[]) as named
  from unnest(${idsOf(listed)}::int[], ${listed.map((one) => one.reportedAt?.toISOString() ?? null)}::timestamptz[])
    as page(id, report_at)`;

/**
 * True where the list (alias `l`) has news of a computer (alias `c`): unknown here, unreadable, back, or with a later
 * report than the one that was taken in or pushed. A date ahead of the clock says nothing about what is later
 * (`store/trusted-dates.ts`): it is news when it is another than the known one.
 */
const isNews = (tx: Transaction) => tx`(
  c.jamf_computer_id is null or l.unreadable or c.gone_at is not null
  or case when ${trustedAt(tx, tx`l.report_at`)} is not null
          then l.report_at > greatest(${trustedAt(tx, tx`c.report_at`)}, ${trustedAt(tx, tx`c.pushed_report_at`)}, '-infinity')
          when l.report_at is not null
          then l.report_at is distinct from c.report_at and l.report_at is distinct from c.pushed_report_at
          else false end)`;

/**
 * Makes the computers due of which a poll's page has news, in one statement; returns how many. The caller's
 * transaction also moves the poll's cursor.
 */
export async function markChanged(
  tx: Transaction,
  { instanceId, tenantId }: InstanceRef,
  listed: readonly ListedComputer[],
): Promise<number> {
  if (listed.length === 0) return 0;
  const { fresh } = await makeDue(
    tx,
    tx`
      with l as (${listedRows(tx, listed)})
      select ${tenantId}::uuid as tenant_id, ${instanceId}::uuid as instance_id, l.id as jamf_computer_id from l
      left join computers c on c.tenant_id = ${tenantId} and c.instance_id = ${instanceId} and c.jamf_computer_id = l.id
      where ${isNews(tx)}`,
    { urgency: 'fresh', spread: 'none', backoff: 'keep' },
  );
  return fresh;
}

/** A stretch of ids that a reconciliation's page speaks for. */
export interface Stretch {
  readonly afterId: number;
  /** Inclusive; the largest id that there is for the last page. */
  readonly upToId: number;
}

/** Background rows that this run has made due so far: they follow each other at a steady rate. */
export interface Spread {
  readonly since: Date;
  readonly behind: number;
}

/**
 * Makes due what a reconciliation's page gives reason for, in one statement. At once: what is news, and where the
 * registrations are not those claimed here. In the background, spread over time: every other computer with
 * registrations, whose verdict may have changed without a report, and every computer known here that the page should
 * hold and does not.
 */
export async function markReconciled(
  tx: Transaction,
  { instanceId, tenantId }: InstanceRef,
  listed: readonly ListedComputer[],
  stretch: Stretch,
  spread: Spread,
): Promise<Pick<Made, 'fresh' | 'background'>> {
  const registrations = listed.flatMap(({ deviceIds = [], jamfComputerId }) =>
    deviceIds.map((deviceId) => ({ deviceId, jamfComputerId })),
  );
  const selection = tx`
    with l as materialized (${listedRows(tx, listed)}),
    carried as materialized (
      select * from unnest(${registrations.map((one) => one.jamfComputerId)}::int[],
                           ${registrations.map((one) => one.deviceId)}::uuid[]) as page(id, device_id)
    ),
    claimed as materialized (
      select jamf_computer_id as id, device_id from claims
      where tenant_id = ${tenantId} and instance_id = ${instanceId} and jamf_computer_id = any(${idsOf(listed)}::int[])
    ),
    differing as materialized (
      select id from (select * from carried except select * from claimed) as added
      union
      -- A record without its accounts says nothing about registrations.
      select id from (select * from claimed except select * from carried) as ended
      where id in (select id from l where named)
    ),
    due as (
      select l.id, not (${isNews(tx)} or l.id in (select id from differing)) as background from l
      left join computers c on c.tenant_id = ${tenantId} and c.instance_id = ${instanceId} and c.jamf_computer_id = l.id
      where ${isNews(tx)} or l.id in (select id from differing) or l.id in (select id from claimed)
      union all
      select c.jamf_computer_id, true from computers c
      where c.tenant_id = ${tenantId} and c.instance_id = ${instanceId} and c.gone_at is null
        and c.jamf_computer_id > ${stretch.afterId} and c.jamf_computer_id <= ${stretch.upToId}
        and not (c.jamf_computer_id = any(${idsOf(listed)}::int[]))
    )
    select ${tenantId}::uuid as tenant_id, ${instanceId}::uuid as instance_id, id as jamf_computer_id, background from due`;
  // Computers that wait already are read soon enough.
  return makeMixedDue(tx, selection, { spread, backoff: 'keep' });
}
