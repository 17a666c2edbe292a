/**
 * The claims of a device as the rules saw them are appended here, so that a past answer can be given again
 * (`routing/explain.ts`).
 */

import { columns, omit } from '../columns.ts';
import type { Fragment, Queries, Transaction } from '../database.ts';
import { claimHistory } from '../schema.ts';
import { type KnownClaim, sameComputer } from './claim.ts';

export type ClaimState = 'active' | 'resting' | 'stale' | 'withdrawn';

type HistoryClaim = Pick<
  KnownClaim,
  'instanceId' | 'jamfComputerId' | 'lastEnrolledAt' | 'lastCheckInAt' | 'enabled' | 'stale'
>;

export interface ClaimChange extends Omit<HistoryClaim, 'enabled' | 'stale'> {
  readonly deviceId: string;
  readonly state: ClaimState;
}

const stateOf = ({ enabled, stale }: Pick<HistoryClaim, 'enabled' | 'stale'>): ClaimState =>
  stale ? 'stale' : enabled ? 'active' : 'resting';

const sameTime = (one: Date | null, other: Date | null): boolean => one?.getTime() === other?.getTime();

const changeOf = (deviceId: string, claim: HistoryClaim, state = stateOf(claim)): ClaimChange => {
  const { instanceId, jamfComputerId, lastCheckInAt, lastEnrolledAt } = claim;
  return { deviceId, instanceId, jamfComputerId, lastCheckInAt, lastEnrolledAt, state };
};

/**
 * Lists the changes of a device's claims that are worth an entry. Check-ins decide only where two claims stand: one
 * alone is not written, so all are when the second one comes. Pure.
 */
export function claimChanges(
  deviceId: string,
  before: readonly HistoryClaim[],
  after: readonly HistoryClaim[],
): ClaimChange[] {
  const gone = before
    .filter((claim) => !after.some((one) => sameComputer(one, claim)))
    .map((claim) => changeOf(deviceId, claim, 'withdrawn'));
  const contested = after.length > 1;
  const now = after.flatMap((claim) => {
    const was = before.find((one) => sameComputer(one, claim));
    const same =
      was !== undefined &&
      stateOf(was) === stateOf(claim) &&
      sameTime(was.lastEnrolledAt, claim.lastEnrolledAt) &&
      (!contested || (before.length > 1 && sameTime(was.lastCheckInAt, claim.lastCheckInAt)));
    return same ? [] : [changeOf(deviceId, claim)];
  });
  return [...gone, ...now];
}

/** Appends what `changes` has, by the names of the columns. */
const append = (tx: Transaction, tenantId: string, changes: Fragment) => tx`
  insert into claim_history (tenant_id, device_id, instance_id, jamf_computer_id, last_enrolled_at, last_check_in_at, state)
  select ${tenantId}, device_id, instance_id, jamf_computer_id, last_enrolled_at, last_check_in_at, state from ${changes}`;

/** Appends in one statement; the caller holds the devices' locks. */
export async function appendClaimHistory(
  tx: Transaction,
  tenantId: string,
  changes: readonly ClaimChange[],
): Promise<void> {
  if (changes.length === 0) return;
  await append(
    tx,
    tenantId,
    tx`
      unnest(${changes.map(({ deviceId }) => deviceId)}::uuid[], ${changes.map(({ instanceId }) => instanceId)}::uuid[],
      ${changes.map(({ jamfComputerId }) => jamfComputerId)}::int[],
      ${changes.map(({ lastEnrolledAt }) => lastEnrolledAt?.toISOString() ?? null)}::timestamptz[],
      ${changes.map(({ lastCheckInAt }) => lastCheckInAt?.toISOString() ?? null)}::timestamptz[],
      ${changes.map(({ state }) => state)}::text[])
      as change(device_id, instance_id, jamf_computer_id, last_enrolled_at, last_check_in_at, state)`,
  );
}

/**
 * Notes that an instance's claims on these devices rest or count again after it was disabled or enabled; nothing where
 * the last line says so already. The caller holds the devices' locks.
 */
export async function recordInstanceState(
  tx: Transaction,
  tenantId: string,
  instanceId: string,
  deviceIds: readonly string[],
): Promise<void> {
  const turned = tx`
    select c.device_id, c.instance_id, c.jamf_computer_id, c.last_enrolled_at, c.last_check_in_at, now.state
    from claims c
    join instances i on i.tenant_id = c.tenant_id and i.instance_id = c.instance_id
    cross join lateral (
      select case when c.stale then 'stale' when i.enabled then 'active' else 'resting' end as state) now
    left join lateral (
      select h.state from claim_history h
      where h.tenant_id = c.tenant_id and h.device_id = c.device_id and h.instance_id = c.instance_id
        and h.jamf_computer_id = c.jamf_computer_id
      order by h.sequence desc limit 1) last on true
    where c.tenant_id = ${tenantId} and c.instance_id = ${instanceId} and c.device_id = any(${deviceIds}::uuid[])
      and last.state is distinct from now.state`;
  await append(tx, tenantId, tx`(${turned}) turned`);
}

/** Removes the claims for which a condition on `claims` holds for good, with a line for each; the caller holds the devices' locks. */
export async function removeClaims(tx: Transaction, tenantId: string, which: Fragment): Promise<void> {
  await tx`
    with gone as (
      delete from claims where tenant_id = ${tenantId} and ${which}
      returning device_id, instance_id, jamf_computer_id, last_enrolled_at, last_check_in_at, 'withdrawn' as state
    )
    ${append(tx, tenantId, tx`gone`)}`;
}

const lastKnown = omit(claimHistory, 'tenantId', 'deviceId', 'sequence', 'recordedAt');

/** The claims on a device as the rules knew them just before a time. Those of instances that are gone are among them. */
export function claimsBefore(
  sql: Queries,
  tenantId: string,
  deviceId: string,
  before: Date,
): PromiseLike<Omit<ClaimChange, 'deviceId'>[]> {
  return sql<Omit<ClaimChange, 'deviceId'>[]>`
    select distinct on (instance_id, jamf_computer_id) ${columns(sql, lastKnown)}
    from claim_history where tenant_id = ${tenantId} and device_id = ${deviceId} and recorded_at < ${before}
    order by instance_id, jamf_computer_id, sequence desc`;
}

/** Forgets what was ever claimed of these devices, when a person's data is erased. */
export async function eraseClaimHistory(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<number> {
  const { count } = await tx`
    delete from claim_history where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[])`;
  return count;
}
