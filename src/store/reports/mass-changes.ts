/** Mass changes as people see and decide them: what a hold has, its release or refusal, and its end by itself. */

import { and, eq } from 'drizzle-orm';
import { backgroundReportsPerSecond, massChangeKeptMs, massChangeMs, replayBatch } from '../../limits.ts';
import { columns, pick, type Row } from '../columns.ts';
import type { Queries, Sql, Transaction } from '../database.ts';
import { gatewayOrigin, recordHistory } from '../history.ts';
import { dueChannel } from '../notifications.ts';
import { query } from '../query.ts';
import { inTransaction } from '../retry.ts';
import type { MassChangeState } from '../row-types.ts';
import { massChanges, reports } from '../schema.ts';

export interface HoldKey {
  readonly tenantId: string;
  readonly holdId: string;
}

export type Hold = typeof massChanges.$inferSelect;

export async function readHold(sql: Sql, { holdId, tenantId }: HoldKey): Promise<Hold | undefined> {
  const [row] = await query(sql)
    .select()
    .from(massChanges)
    .where(and(eq(massChanges.tenantId, tenantId), eq(massChanges.holdId, holdId)));
  return row;
}

const decidable = pick(massChanges, 'tenantId', 'holdId', 'state', 'version');
export type DecidableHold = Row<typeof decidable>;

/** The row, and with it the right to decide, until the transaction ends. */
export async function lockHold(
  tx: Transaction,
  { holdId, tenantId }: HoldKey,
): Promise<DecidableHold | undefined> {
  const [row] = await tx<DecidableHold[]>`
    select ${columns(tx, decidable)} from mass_changes
    where tenant_id = ${tenantId} and hold_id = ${holdId} for update`;
  return row;
}

/** How many reports each of these holds has now, from an index that has nothing else. */
export async function countHeldBy(
  sql: Queries,
  tenantId: string,
  holdIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (holdIds.length === 0) return new Map();
  const rows = await sql<{ holdId: string; held: number }[]>`
    select ${columns(sql, pick(reports, 'holdId'))}, count(*) as held from reports
    where tenant_id = ${tenantId} and hold_id = any(${[...holdIds]}::uuid[]) and state = 'held'
    group by hold_id`;
  return new Map(rows.map(({ held, holdId }) => [holdId, held]));
}

/** How many reports of the hold came of each instance: where the cause is. */
export const readHeldByInstance = (sql: Queries, { holdId, tenantId }: HoldKey) => sql<
  { instanceId: string; held: number }[]
>`
  select ${columns(sql, pick(reports, 'instanceId'))}, count(*) as held from reports
  where tenant_id = ${tenantId} and hold_id = ${holdId} and state = 'held'
  group by instance_id order by count(*) desc, instance_id`;

const example = pick(reports, 'deviceId', 'instanceId', 'content', 'sentContent', 'dueSince');

export const readHeldExamples = (sql: Queries, { holdId, tenantId }: HoldKey, limit: number) => sql<
  Row<typeof example>[]
>`
  select ${columns(sql, example)} from reports
  where tenant_id = ${tenantId} and hold_id = ${holdId} and state = 'held'
  order by device_id limit ${limit}`;

/**
 * The caller's transaction holds the row (`lockHold`). A released hold has ended, and the count of the hour begins anew: what
 * a person found right must not make the next change look like an accident. A refused one stays in force.
 */
export async function decideHold(
  tx: Transaction,
  { holdId, tenantId }: HoldKey,
  {
    by,
    reason,
    state,
  }: { readonly state: 'released' | 'refused'; readonly by: string; readonly reason?: string | undefined },
): Promise<void> {
  await tx`
    update mass_changes set state = ${state}, decided_by = ${by}, decided_at = now(),
      decision_reason = ${reason ?? null}, version = version + 1,
      ended_at = case when ${state} = 'released' then now() end
    where tenant_id = ${tenantId} and hold_id = ${holdId}`;
  if (state === 'released') await tx`delete from worse_counts where tenant_id = ${tenantId}`;
}

interface Woken {
  readonly taken: number;
  readonly last: string | null;
}

/**
 * Has the reports of a released hold told, at the rate of a replay and behind what is fresh, so that nobody who gets in again
 * waits for those who do not. What is not reached, because this process died, is told when it is looked at again.
 */
export async function wakeReleased(sql: Sql, { holdId, tenantId }: HoldKey): Promise<number> {
  let after: string | null = null;
  let offset = 0;
  for (;;) {
    const last: string | null = after;
    const [woken]: readonly Woken[] = await inTransaction(
      sql,
      (tx) => tx<Woken[]>`
      with batch as materialized (
        select device_id from reports
        where tenant_id = ${tenantId} and hold_id = ${holdId} and state = 'held'
          and (${last}::uuid is null or device_id > ${last}::uuid)
        order by device_id limit ${replayBatch} for update
      ), placed as (
        select device_id, row_number() over (order by device_id) - 1 + ${offset}::int8 as position from batch
      ), woken as (
        update reports r set background = true,
          next_try_at = now() + (placed.position / ${backgroundReportsPerSecond}::float8) * interval '1 second'
        from placed where r.tenant_id = ${tenantId} and r.device_id = placed.device_id
      )
      select count(*) as taken, (array_agg(device_id order by device_id desc))[1] as last from batch`,
    );
    await sql`select pg_notify(${dueChannel}, 'reports')`;
    const taken = woken?.taken ?? 0;
    offset += taken;
    if (taken < replayBatch || !woken?.last) return offset;
    after = woken.last;
  }
}

/**
 * Ends holds that hold nothing any more, an hour after they began or were refused: the states of their devices are fine
 * again. Removes those that ended long ago. The runtime calls it now and then.
 */
export async function endEmptyHolds(client: Sql): Promise<void> {
  await inTransaction(client, async (tx) => {
    const ended = await tx<HoldKey[]>`
      update mass_changes m set state = 'over', ended_at = now(), version = version + 1
      from (select tenant_id, hold_id from mass_changes
            where ended_at is null
              and coalesce(decided_at, opened_at) < now() - ${massChangeMs} * interval '1 millisecond'
            order by tenant_id for update skip locked) old
      where m.tenant_id = old.tenant_id and m.hold_id = old.hold_id and not exists (
        select 1 from reports r where r.tenant_id = m.tenant_id and r.hold_id = m.hold_id and r.state = 'held')
      returning ${columns(tx, pick(massChanges, 'tenantId', 'holdId'), 'm')}`;
    // Every process appends these entries in the same order, since each one locks the end of its tenant's chain.
    for (const { holdId, tenantId } of ended.toSorted((a, b) => (a.tenantId < b.tenantId ? -1 : 1))) {
      await recordHistory(tx, {
        ...gatewayOrigin,
        tenantId,
        action: 'hold.over',
        object: { kind: 'hold', id: holdId },
        after: { state: 'over' },
      });
    }
  });
  await client`delete from mass_changes where ended_at < now() - ${massChangeKeptMs} * interval '1 millisecond'`;
}

/** Holds in force of all tenants, by state. */
export async function countHolds(sql: Sql): Promise<Readonly<Partial<Record<MassChangeState, number>>>> {
  const rows = await sql<{ state: MassChangeState; count: number }[]>`
    select ${columns(sql, pick(massChanges, 'state'))}, count(*) as count from mass_changes
    where ended_at is null group by state`;
  return Object.fromEntries(rows.map(({ count, state }) => [state, count]));
}
