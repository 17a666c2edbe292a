import type { Sql, Transaction } from '../store/database.ts';
import { dueChannel } from '../store/notifications.ts';
import { inTransaction } from '../store/retry.ts';
import { type Authorship, lockDevices, type RouteOutcome, resolveRoutes } from './resolve.ts';

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

async function previousDevices(
  tx: Transaction,
  tenantId: string,
  computer: ComputerClaims,
): Promise<string[]> {
  const rows = await tx<{ deviceId: string }[]>`
    select device_id as "deviceId" from claims
    where tenant_id = ${tenantId} and instance_id = ${computer.instanceId} and jamf_computer_id = ${computer.jamfComputerId}`;
  return rows.map((row) => row.deviceId);
}

/**
 * Replaces what this computer claimed by what it claims now and decides the routes of every device that either
 * list names. An empty list of registrations withdraws all (the computer is gone or was unregistered).
 */
export async function recordClaims(
  tx: Transaction,
  tenantId: string,
  computer: ComputerClaims,
  by: Authorship,
): Promise<RouteOutcome[]> {
  const { instanceId, jamfComputerId } = computer;
  const listed = computer.registrations.map((registration) => registration.deviceId);
  await lockDevices(tx, tenantId, [...listed, ...(await previousDevices(tx, tenantId, computer))]);
  // Read again under the locks: another reader of this computer may have been first.
  const before = await previousDevices(tx, tenantId, computer);
  await tx`
    delete from claims
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and jamf_computer_id = ${jamfComputerId}
      and not (device_id = any(${listed}::uuid[]))`;
  for (const { deviceId, userId } of computer.registrations) {
    await tx`
      insert into claims (tenant_id, device_id, instance_id, jamf_computer_id, user_id, serial_number, udid,
        last_enrolled_at, last_check_in_at, report_at)
      values (${tenantId}, ${deviceId}, ${instanceId}, ${jamfComputerId}, ${userId}, ${computer.serialNumber},
        ${computer.udid}, ${computer.lastEnrolledAt}, ${computer.lastCheckInAt}, ${computer.reportAt})
      on conflict (tenant_id, device_id, instance_id, jamf_computer_id) do update set
        user_id = excluded.user_id, serial_number = excluded.serial_number, udid = excluded.udid,
        last_enrolled_at = excluded.last_enrolled_at, last_check_in_at = excluded.last_check_in_at,
        report_at = excluded.report_at, updated_at = now()`;
  }
  return resolveRoutes(tx, tenantId, [...new Set([...listed, ...before])], by);
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
    update computers c set wanted_revision = wanted_revision + 1, next_try_at = now()
    from won where c.tenant_id = ${tenantId} and c.instance_id = won.instance_id and c.jamf_computer_id = won.jamf_computer_id`;
}
