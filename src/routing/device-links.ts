import { computersPerIdentity, earlierRegistrations } from '../limits.ts';
import type { Transaction } from '../store/database.ts';
import type { ComputerClaims } from './claim-rows.ts';
import type { DeviceLink, NewLink, OtherRegistration } from './re-registration.ts';

/** The links between registrations of one Mac as the database keeps them. */

/** What is known elsewhere of registrations that a computer carries for the first time. */
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
    select 'computer' as kind, h.device_id as "deviceId", computer.instance_id as "instanceId",
      computer.jamf_computer_id as "jamfComputerId", computer.serial_number as "serialNumber", computer.udid,
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
    select device_id as "deviceId", previous_device_id as "previousDeviceId" from device_links
    where tenant_id = ${tenantId} and (device_id = any(${deviceIds}::uuid[]) or previous_device_id = any(${deviceIds}::uuid[]))`;
  return { others: [...found.filter(({ kind }) => kind === 'computer'), ...usable], links };
}

/** Two registrations that point at each other would each be the other's past: the first word stays. */
export async function writeLinks(
  tx: Transaction,
  tenantId: string,
  links: readonly NewLink[],
): Promise<void> {
  if (links.length === 0) return;
  await tx`
    insert into device_links (tenant_id, device_id, previous_device_id, linked_by)
    select ${tenantId}, link.* from unnest(
      ${links.map(({ deviceId }) => deviceId)}::uuid[], ${links.map(({ previousDeviceId }) => previousDeviceId)}::uuid[],
      ${links.map(({ linkedBy }) => linkedBy)}::text[]) as link(device_id, previous_device_id, linked_by)
    on conflict do nothing`;
}

/** Two registrations that one computer carries at the same time belong to two of its users. */
export async function removeLinks(
  tx: Transaction,
  tenantId: string,
  links: readonly DeviceLink[],
): Promise<void> {
  if (links.length === 0) return;
  await tx`
    delete from device_links l using unnest(${links.map(({ deviceId }) => deviceId)}::uuid[],
      ${links.map(({ previousDeviceId }) => previousDeviceId)}::uuid[]) as gone(device_id, previous_device_id)
    where l.tenant_id = ${tenantId} and l.device_id = gone.device_id and l.previous_device_id = gone.previous_device_id`;
}

/** Notes since when these older registrations have no route, or that they have one again. */
export async function noteRetired(
  tx: Transaction,
  tenantId: string,
  previousDeviceIds: readonly string[],
): Promise<void> {
  if (previousDeviceIds.length === 0) return;
  await tx`
    update device_links l set retired_at = case when exists (
        select 1 from routes r where r.tenant_id = l.tenant_id and r.device_id = l.previous_device_id)
      then null else coalesce(l.retired_at, now()) end
    where l.tenant_id = ${tenantId} and l.previous_device_id = any(${previousDeviceIds}::uuid[])`;
}
