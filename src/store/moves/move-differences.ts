import { nilGuid } from '../../ids.ts';
import type { Transaction } from '../database.ts';
import type { MoveKey } from './move.ts';

/** Counts the differences between the answers of a move's two instances. This file alone writes it. */

export interface CountedDifference {
  readonly kind: string;
  readonly call: string;
  readonly count: number;
  readonly deviceId: string;
  readonly example: string;
}

/** Adds to the counts and keeps the new example. */
export async function addDifferences(
  tx: Transaction,
  { moveId, tenantId }: MoveKey,
  rows: readonly CountedDifference[],
): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into move_differences (tenant_id, move_id, kind, call, count, example_device_id, example)
    select ${tenantId}, ${moveId}, * from unnest(${rows.map(({ kind }) => kind)}::text[],
      ${rows.map(({ call }) => call)}::text[], ${rows.map(({ count }) => count)}::bigint[],
      ${rows.map(({ deviceId }) => deviceId)}::uuid[], ${rows.map(({ example }) => example)}::text[])
    on conflict (tenant_id, move_id, kind, call) do update set count = move_differences.count + excluded.count,
      example_device_id = excluded.example_device_id, example = excluded.example, last_at = now()`;
}

/** Takes these devices out of the examples, when a person's data is erased; no example holds a value of the Mac. */
export async function eraseExamples(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<void> {
  await tx`
    update move_differences set example_device_id = ${nilGuid}
    where tenant_id = ${tenantId} and example_device_id = any(${deviceIds as string[]}::uuid[])`;
}
