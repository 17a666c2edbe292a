import type { Sql, Transaction } from '../store/database.ts';
import { dueChannel } from '../store/notifications.ts';
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
  /** `general.reportDate` of the record: an older one never replaces a newer claim. */
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
        report_at = excluded.report_at, updated_at = now()
      where claims.report_at is null or excluded.report_at >= claims.report_at`;
  }
  return resolveRoutes(tx, tenantId, [...new Set([...listed, ...before])], by);
}

/** Devices decided in one transaction: its locks are held for that long. */
const rerouteBatch = 500;

/**
 * Decides the routes of every device that an instance claims anew, after it was enabled or disabled: a disabled
 * instance's claims rest. Computers that win a device are due to be read, for their state is now the device's.
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
    await sql.begin(async (tx) => {
      await lockDevices(tx, tenantId, deviceIds);
      for (const { changed, route } of await resolveRoutes(tx, tenantId, deviceIds, by)) {
        if (changed && route) await markComputerDue(tx, tenantId, route);
      }
      await tx`select pg_notify(${dueChannel}, 'computers')`;
    });
  }
}

/** The computer that has just won a device is due to be read. */
export async function markComputerDue(
  tx: Transaction,
  tenantId: string,
  { instanceId, jamfComputerId }: { readonly instanceId: string; readonly jamfComputerId: number },
): Promise<void> {
  await tx`
    update computers set wanted_revision = wanted_revision + 1, next_try_at = now()
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and jamf_computer_id = ${jamfComputerId}`;
}
