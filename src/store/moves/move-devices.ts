import type { Fragment, Transaction } from '../database.ts';
import type { MoveDeviceState, MoveKey, SkipReason } from './move.ts';

/** The devices of a move. This file alone writes them. */

/**
 * Stores devices that are new in a plan, and those that were skipped for another reason than now. `candidates` selects
 * a row for each device, with the reason for which it is skipped.
 */
export async function putPlanned(
  tx: Transaction,
  { moveId, tenantId }: MoveKey,
  candidates: Fragment,
): Promise<void> {
  await tx`
    insert into move_devices (tenant_id, move_id, device_id, bucket, from_jamf_computer_id, to_jamf_computer_id,
      state, reason, rule, placed_at)
    select ${tenantId}, ${moveId}, found.device_id, found.bucket, found.from_jamf_computer_id,
      case when found.reason is null then found.to_jamf_computer_id end,
      case when found.reason is null then 'planned' else 'skipped' end, found.reason, found.rule, found.placed_at
    from (${candidates}) found
    left join move_devices m on m.tenant_id = ${tenantId} and m.move_id = ${moveId} and m.device_id = found.device_id
    where m.device_id is null or (m.state = 'skipped' and m.reason is distinct from found.reason)
    on conflict (tenant_id, move_id, device_id) do update set
      from_jamf_computer_id = excluded.from_jamf_computer_id, to_jamf_computer_id = excluded.to_jamf_computer_id,
      state = excluded.state, reason = excluded.reason, rule = excluded.rule, placed_at = excluded.placed_at,
      updated_at = now()`;
}

/** Outcome of a device's turn; null keeps the recorded value. */
export interface DeviceTurn {
  readonly deviceId: string;
  readonly state: MoveDeviceState;
  readonly reason: SkipReason | null;
  readonly to: number | null;
  /** Version of the source route; `rule` and `placedAt` of the route that the device had there are written with it. */
  readonly from: number | null;
  readonly rule: string | null;
  readonly placedAt: string | null;
  readonly version: number | null;
}

export async function writeTurns(
  tx: Transaction,
  { moveId, tenantId }: MoveKey,
  rows: readonly DeviceTurn[],
): Promise<void> {
  await tx`
    update move_devices m set state = turned.state, reason = turned.reason,
      to_jamf_computer_id = coalesce(turned.to_id, m.to_jamf_computer_id),
      from_jamf_computer_id = coalesce(turned.from_id, m.from_jamf_computer_id),
      rule = case when turned.from_id is null then m.rule else turned.rule end,
      placed_at = case when turned.from_id is null then m.placed_at else turned.placed_at end,
      moved_version = coalesce(turned.version, m.moved_version), updated_at = now()
    from unnest(${rows.map((row) => row.deviceId)}::uuid[], ${rows.map((row) => row.state)}::text[],
                ${rows.map((row) => row.reason)}::text[], ${rows.map((row) => row.to)}::int[],
                ${rows.map((row) => row.from)}::int[], ${rows.map((row) => row.rule)}::text[],
                ${rows.map((row) => row.placedAt)}::timestamptz[], ${rows.map((row) => row.version)}::bigint[])
      as turned(device_id, state, reason, to_id, from_id, rule, placed_at, version)
    where m.tenant_id = ${tenantId} and m.move_id = ${moveId} and m.device_id = turned.device_id`;
}

/** Forgets that these devices were part of moves, when a person's data is erased. */
export async function eraseMoveDevices(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<number> {
  const { count } = await tx`
    delete from move_devices where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[])`;
  return count;
}
