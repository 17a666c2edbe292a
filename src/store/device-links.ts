import type { Transaction } from './database.ts';

/** The links between registrations of one Mac. This file alone writes them. */

export type LinkedBy = 'computer' | 'udid' | 'serial-number';

/** The same Mac under an older and a newer registration. */
export interface DeviceLink {
  readonly deviceId: string;
  readonly previousDeviceId: string;
}

export interface NewLink extends DeviceLink {
  /** The attribute that both registrations share. */
  readonly linkedBy: LinkedBy;
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
export async function recordRetired(
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
