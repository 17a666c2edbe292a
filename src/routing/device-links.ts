import { computersPerIdentity, earlierRegistrations } from '../limits.ts';
import type { ComputerClaims } from '../store/claims/claims.ts';
import { columns, pick } from '../store/columns.ts';
import type { Transaction } from '../store/database.ts';
import type { DeviceLink } from '../store/device-links.ts';
import { claims, deviceLinks } from '../store/schema.ts';
import type { OtherRegistration } from './re-registration.ts';

/** Records elsewhere of registrations that a computer carries for the first time. */
export interface Elsewhere {
  readonly others: readonly OtherRegistration[];
  /** Links that these registrations have already, with the other end. */
  readonly links: readonly DeviceLink[];
}

type Found = OtherRegistration & { readonly kind: 'computer' | 'udid' | 'serial-number' };

/**
 * Looks for earlier registrations of these computers: on record for the computer itself, also where it has long been
 * without one, and claimed by other records with its UDID or serial number. What too many computers share identifies
 * none of them. An order that no index has makes the planner price all matches: for the first few of them alone it may
 * read the whole table while it has no statistics.
 */
export async function findElsewhere(
  tx: Transaction,
  tenantId: string,
  computers: readonly ComputerClaims[],
  deviceIds: readonly string[],
): Promise<Elsewhere> {
  const found = await tx<Found[]>`
    with computer as materialized (
      select * from unnest(
        ${computers.map((one) => one.instanceId)}::uuid[], ${computers.map((one) => one.jamfComputerId)}::int[],
        ${computers.map((one) => one.udid)}::text[], ${computers.map((one) => one.serialNumber)}::text[])
        as computer(instance_id, jamf_computer_id, udid, serial_number)
    )
    select 'computer' as kind, ${columns(tx, pick(claims, 'deviceId'), 'h')},
      ${columns(tx, pick(claims, 'instanceId', 'jamfComputerId', 'serialNumber', 'udid'), 'computer')},
      null::timestamptz as "lastEnrolledAt"
    from computer cross join lateral (
      select device_id from claim_history where tenant_id = ${tenantId} and instance_id = computer.instance_id
        and jamf_computer_id = computer.jamf_computer_id
      group by device_id order by max(sequence) desc limit ${earlierRegistrations}) h
    union all
    select 'udid', c.device_id, c.instance_id, c.jamf_computer_id, c.serial_number, c.udid, c.last_enrolled_at
    from (select distinct udid from computer where udid is not null) one cross join lateral (
      select * from claims where tenant_id = ${tenantId} and udid = one.udid
      order by device_id::text limit ${computersPerIdentity + 1}) c
    union all
    select 'serial-number', c.device_id, c.instance_id, c.jamf_computer_id, c.serial_number, c.udid, c.last_enrolled_at
    from (select distinct serial_number from computer where serial_number is not null) one cross join lateral (
      select * from claims where tenant_id = ${tenantId} and serial_number = one.serial_number
      order by device_id::text limit ${computersPerIdentity + 1}) c`;
  const shared = Map.groupBy(
    found.filter(({ kind }) => kind !== 'computer'),
    ({ kind, serialNumber, udid }) => `${kind} ${kind === 'udid' ? udid : serialNumber}`,
  );
  const usable = [...shared.values()].filter((rows) => rows.length <= computersPerIdentity).flat();
  const links = await tx<DeviceLink[]>`
    select ${columns(tx, pick(deviceLinks, 'deviceId', 'previousDeviceId'))} from device_links
    where tenant_id = ${tenantId} and (device_id = any(${deviceIds}::uuid[]) or previous_device_id = any(${deviceIds}::uuid[]))`;
  return { others: [...found.filter(({ kind }) => kind === 'computer'), ...usable], links };
}
