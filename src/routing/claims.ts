import type { Sql, Transaction } from '../store/database.ts';
import { dueChannel } from '../store/notifications.ts';
import { inTransaction } from '../store/retry.ts';
import {
  type Authorship,
  type ComputerId,
  lockDevices,
  type RouteOutcome,
  resolveRoutes,
} from './resolve.ts';

/** What one instance says of one of its computers: which Entra registrations it carries. */
export interface ComputerClaims {
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly registrations: readonly { readonly deviceId: string; readonly userId: string | null }[];
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly lastEnrolledAt: Date | null;
  readonly lastCheckInAt: Date | null;
  /** `general.reportDate` of the record; older pushed records do not come this far. */
  readonly reportAt: Date | null;
}

interface ClaimedDevice extends ComputerId {
  readonly deviceId: string;
}

/**
 * What these computers claimed until now, looked up one by one in their index: as a join the planner, which cannot know
 * how few claims a computer has, reads the whole table.
 */
const previousDevices = (
  tx: Transaction,
  tenantId: string,
  computers: readonly ComputerId[],
): Promise<ClaimedDevice[]> => tx<ClaimedDevice[]>`
  select known.device_id as "deviceId", computer.instance_id as "instanceId", computer.jamf_computer_id as "jamfComputerId"
  from unnest(${computers.map((one) => one.instanceId)}::uuid[], ${computers.map((one) => one.jamfComputerId)}::int[])
    as computer(instance_id, jamf_computer_id)
  cross join lateral (
    select c.device_id from claims c where c.tenant_id = ${tenantId} and c.instance_id = computer.instance_id
      and c.jamf_computer_id = computer.jamf_computer_id offset 0) known`;

interface ClaimRow extends ClaimedDevice {
  readonly userId: string | null;
  readonly computer: ComputerClaims;
}

const claimKey = ({ deviceId, instanceId, jamfComputerId }: ClaimedDevice): string =>
  `${deviceId}/${instanceId}/${jamfComputerId}`;

/** Dates as PostgreSQL takes them. */
const times = (
  rows: readonly ClaimRow[],
  read: (computer: ComputerClaims) => Date | null,
): (string | null)[] => rows.map(({ computer }) => read(computer)?.toISOString() ?? null);

/** The conflict's condition leaves alone what is the same already: most reads find nothing new. */
async function writeClaims(tx: Transaction, tenantId: string, rows: readonly ClaimRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into claims (tenant_id, device_id, instance_id, jamf_computer_id, user_id, serial_number, udid,
      last_enrolled_at, last_check_in_at, report_at)
    select ${tenantId}, * from unnest(
      ${rows.map((row) => row.deviceId)}::uuid[], ${rows.map((row) => row.instanceId)}::uuid[],
      ${rows.map((row) => row.jamfComputerId)}::int[], ${rows.map((row) => row.userId)}::uuid[],
      ${rows.map(({ computer }) => computer.serialNumber)}::text[], ${rows.map(({ computer }) => computer.udid)}::text[],
      ${times(rows, (computer) => computer.lastEnrolledAt)}::timestamptz[],
      ${times(rows, (computer) => computer.lastCheckInAt)}::timestamptz[],
      ${times(rows, (computer) => computer.reportAt)}::timestamptz[])
    on conflict (tenant_id, device_id, instance_id, jamf_computer_id) do update set
      user_id = excluded.user_id, serial_number = excluded.serial_number, udid = excluded.udid,
      last_enrolled_at = excluded.last_enrolled_at, last_check_in_at = excluded.last_check_in_at,
      report_at = excluded.report_at, updated_at = now()
    where (claims.user_id, claims.serial_number, claims.udid, claims.last_enrolled_at, claims.last_check_in_at, claims.report_at)
      is distinct from (excluded.user_id, excluded.serial_number, excluded.udid, excluded.last_enrolled_at,
        excluded.last_check_in_at, excluded.report_at)`;
}

async function withdrawClaims(
  tx: Transaction,
  tenantId: string,
  gone: readonly ClaimedDevice[],
): Promise<void> {
  if (gone.length === 0) return;
  await tx`
    delete from claims c
    using unnest(${gone.map((one) => one.deviceId)}::uuid[], ${gone.map((one) => one.instanceId)}::uuid[],
                 ${gone.map((one) => one.jamfComputerId)}::int[]) as gone(device_id, instance_id, jamf_computer_id)
    where c.tenant_id = ${tenantId} and c.device_id = gone.device_id and c.instance_id = gone.instance_id
      and c.jamf_computer_id = gone.jamf_computer_id`;
}

/**
 * Replaces what these computers claimed by what they claim now, each at most once, and decides the routes of every
 * device that either list names. An empty list of registrations withdraws all (the computer is gone or was
 * unregistered).
 */
export async function recordClaims(
  tx: Transaction,
  tenantId: string,
  computers: readonly ComputerClaims[],
  by: (computer: ComputerId) => Authorship,
): Promise<RouteOutcome[]> {
  const rows = computers.flatMap((computer) =>
    computer.registrations.map(({ deviceId, userId }): ClaimRow => {
      const { instanceId, jamfComputerId } = computer;
      return { deviceId, userId, instanceId, jamfComputerId, computer };
    }),
  );
  const listed = rows.map(({ deviceId }) => deviceId);
  const known = await previousDevices(tx, tenantId, computers);
  await lockDevices(tx, tenantId, [...listed, ...known.map(({ deviceId }) => deviceId)]);
  // Read again under the locks: another reader of one of these computers may have been first.
  const before = await previousDevices(tx, tenantId, computers);
  const kept = new Set(rows.map(claimKey));
  const withdrawn = before.filter((one) => !kept.has(claimKey(one)));
  await withdrawClaims(tx, tenantId, withdrawn);
  await writeClaims(tx, tenantId, rows);
  const computerOf = new Map([...before, ...rows].map((one) => [one.deviceId, one]));
  const authorOf = (deviceId: string): Authorship => {
    const computer = computerOf.get(deviceId);
    return computer ? by(computer) : { author: 'espalier', reason: 'claims changed' };
  };
  const left = Map.groupBy(withdrawn, ({ deviceId }) => deviceId);
  return resolveRoutes(tx, tenantId, [...computerOf.keys()], authorOf, left);
}

/** Devices decided in one transaction: its locks are held for that long. */
const rerouteBatch = 500;

/**
 * Decides the routes of every device that an instance claims anew, after it was enabled or disabled: a disabled
 * instance's claims rest. Safe to repeat. Computers that win a device are due to be read, for their state is now
 * the device's.
 */
export async function rerouteInstance(
  sql: Sql,
  tenantId: string,
  instanceId: string,
  by: Authorship,
): Promise<void> {
  const claimed = await sql<{ deviceId: string }[]>`
    select distinct device_id as "deviceId" from claims where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
  for (let from = 0; from < claimed.length; from += rerouteBatch) {
    const deviceIds = claimed.slice(from, from + rerouteBatch).map((row) => row.deviceId);
    await inTransaction(sql, async (tx) => {
      await lockDevices(tx, tenantId, deviceIds);
      const outcomes = await resolveRoutes(tx, tenantId, deviceIds, by);
      await markComputersDue(
        tx,
        tenantId,
        outcomes.flatMap(({ changed, route }) => (changed && route ? [route] : [])),
      );
      await tx`select pg_notify(${dueChannel}, 'computers')`;
    });
  }
}

/** Computers that have just won a device are due to be read; rows are locked in the order of their keys. */
export async function markComputersDue(
  tx: Transaction,
  tenantId: string,
  computers: readonly { readonly instanceId: string; readonly jamfComputerId: number }[],
): Promise<void> {
  if (computers.length === 0) return;
  await tx`
    with won as materialized (
      select c.instance_id, c.jamf_computer_id from computers c
      join unnest(${computers.map((one) => one.instanceId)}::uuid[], ${computers.map((one) => one.jamfComputerId)}::int[])
        as winners(instance_id, jamf_computer_id)
        on c.instance_id = winners.instance_id and c.jamf_computer_id = winners.jamf_computer_id
      where c.tenant_id = ${tenantId}
      order by c.instance_id, c.jamf_computer_id for update of c
    )
    update computers c set wanted_revision = wanted_revision + 1, next_try_at = now(), background = false
    from won where c.tenant_id = ${tenantId} and c.instance_id = won.instance_id and c.jamf_computer_id = won.jamf_computer_id`;
}
