/**
 * The brake on mass changes (contract section 3, `ESPALIER_MASS_CHANGE`). Counts the devices of a tenant that change for
 * the worse, each once within the hour, in steps of five minutes. From the moment when they are more than the share that
 * the setting allows, one hold is in force for the tenant, whatever number of processes find that at once, and what its
 * mode names waits for a person. Counts, hold and reports are written in one transaction before a message is stored, so a
 * process that dies in between has counted a device that it did not tell, and the device is not counted twice.
 */

import { createBoundedCache } from '../../bounded-cache.ts';
import { massChangeDevices, massChangeMacsMs, massChangeMs, massChangeStepMs } from '../../limits.ts';
import { createKeyedSemaphore } from '../../semaphore.ts';
import type { Log } from '../../telemetry/log.ts';
import { columns, pick, type Row } from '../columns.ts';
import type { Queries, Sql, Transaction } from '../database.ts';
import { gatewayOrigin, recordHistory } from '../history.ts';
import { inTransaction } from '../retry.ts';
import type { MassChangeMode } from '../row-types.ts';
import { massChanges, reports as reportRows } from '../schema.ts';
import type { DueReport } from './report-row.ts';

/** What becomes worse of a device: it is managed no more, or it is compliant no more. */
export type Worsening = 'unmanaged' | 'not-compliant';

/** A leased report whose state is worse than the one that Intune was told last. */
export interface WorseReport {
  readonly row: DueReport;
  readonly worsening: Worsening;
}

const inForce = pick(massChanges, 'holdId', 'state', 'macs', 'unmanaged', 'notCompliant');

/** A mass change that nobody has released. */
export type MassChange = Row<typeof inForce>;

export interface Brake {
  /** Says which of these reports of one tenant, leased by `holder`, may not be told now, and by which hold. */
  admit(holder: string, worse: readonly WorseReport[]): Promise<ReadonlyMap<string, MassChange>>;
}

export interface BrakeOptions {
  readonly sql: Sql;
  readonly mode: MassChangeMode;
  readonly percent: number;
  readonly newId: () => string;
  readonly log: Log;
  /** Milliseconds that only grow. */
  readonly elapsedMs: () => number;
  /** Told of devices that were counted anew, and what became of them. */
  readonly onWorse: (worsening: Worsening, outcome: 'held' | 'told', devices: number) => void;
}

const holds = (mode: MassChangeMode, { worsening }: WorseReport): boolean =>
  mode === 'hold-all' || (mode === 'hold-unmanaged' && worsening === 'unmanaged');

async function readInForce(sql: Queries, tenantId: string): Promise<MassChange | undefined> {
  const [row] = await sql<MassChange[]>`
    select ${columns(sql, inForce)} from mass_changes where tenant_id = ${tenantId} and ended_at is null`;
  return row;
}

/** Holds of these reports that a person has released: what is in them goes on, however late it is looked at. */
async function readReleased(
  tx: Transaction,
  tenantId: string,
  worse: readonly WorseReport[],
): Promise<ReadonlySet<string>> {
  const holdIds = worse.flatMap(({ row }) => (row.holdId === null ? [] : [row.holdId]));
  if (holdIds.length === 0) return new Set();
  const rows = await tx<{ holdId: string }[]>`
    select ${columns(tx, pick(massChanges, 'holdId'))} from mass_changes
    where tenant_id = ${tenantId} and state = 'released' and hold_id = any(${[...new Set(holdIds)]}::uuid[])`;
  return new Set(rows.map(({ holdId }) => holdId));
}

/** Counts those that were not counted within the hour; answers their ids. A lease that was lost counts nothing. */
async function countWorse(
  tx: Transaction,
  tenantId: string,
  holder: string,
  worse: readonly WorseReport[],
): Promise<ReadonlySet<string>> {
  const counted = await tx<{ deviceId: string }[]>`
    with worse as materialized (
      select r.device_id, worse.worsening from unnest(
        ${worse.map(({ row }) => row.deviceId)}::uuid[], ${worse.map(({ worsening }) => worsening)}::text[])
        as worse(device_id, worsening)
      join reports r on r.tenant_id = ${tenantId} and r.device_id = worse.device_id and r.lease_owner = ${holder}
      where r.worse_at is null or r.worse_at < now() - ${massChangeMs} * interval '1 millisecond'
      order by r.device_id for update of r
    ), marked as (
      update reports r set worse_at = now() from worse
      where r.tenant_id = ${tenantId} and r.device_id = worse.device_id
      returning r.device_id, worse.worsening
    ), step as (
      insert into worse_counts (tenant_id, at, unmanaged, not_compliant)
      select ${tenantId}, date_bin(${massChangeStepMs} * interval '1 millisecond', now(), 'epoch'),
        count(*) filter (where worsening = 'unmanaged'), count(*) filter (where worsening = 'not-compliant')
      from marked having count(*) > 0
      on conflict (tenant_id, at) do update set unmanaged = worse_counts.unmanaged + excluded.unmanaged,
        not_compliant = worse_counts.not_compliant + excluded.not_compliant
    )
    select device_id as "deviceId" from marked`;
  return new Set(counted.map(({ deviceId }) => deviceId));
}

interface Counts {
  readonly unmanaged: number;
  readonly notCompliant: number;
}

/** Counts of the last hour; older ones go. */
async function sumOfHour(tx: Transaction, tenantId: string): Promise<Counts> {
  await tx`
    delete from worse_counts
    where tenant_id = ${tenantId} and at <= now() - ${massChangeMs + massChangeStepMs} * interval '1 millisecond'`;
  const [sum] = await tx<Counts[]>`
    select coalesce(sum(unmanaged), 0)::int8 as unmanaged, coalesce(sum(not_compliant), 0)::int8 as "notCompliant"
    from worse_counts where tenant_id = ${tenantId}`;
  return sum ?? { unmanaged: 0, notCompliant: 0 };
}

/** Returns the hold that is in force afterwards: this one, or another process's that came first. */
async function openHold(
  tx: Transaction,
  tenantId: string,
  { mode, newId, percent }: BrakeOptions,
  { macs, notCompliant, unmanaged }: Counts & { readonly macs: number },
): Promise<{ readonly hold: MassChange | undefined; readonly isNew: boolean }> {
  const [opened] = await tx<MassChange[]>`
    insert into mass_changes (tenant_id, hold_id, mode, percent, macs, unmanaged, not_compliant)
    values (${tenantId}, ${newId()}, ${mode}, ${percent}, ${macs}, ${unmanaged}, ${notCompliant})
    on conflict (tenant_id) where ended_at is null do nothing
    returning ${columns(tx, inForce)}`;
  return opened ? { hold: opened, isNew: true } : { hold: await readInForce(tx, tenantId), isNew: false };
}

/** Marks reports as the hold's, which is how they are counted and found when it is released. */
const markHeld = (
  tx: Transaction,
  tenantId: string,
  holder: string,
  holdId: string,
  held: readonly WorseReport[],
) => tx`
  with mine as materialized (
    select device_id from reports
    where tenant_id = ${tenantId} and device_id = any(${held.map(({ row }) => row.deviceId)}::uuid[])
      and lease_owner = ${holder} and hold_id is distinct from ${holdId}::uuid
    order by device_id for update
  )
  update reports r set hold_id = ${holdId} from mine where r.tenant_id = ${tenantId} and r.device_id = mine.device_id
  returning ${columns(tx, pick(reportRows, 'deviceId'), 'r')}`;

/**
 * Counts the tenant's routes in the index of its keys, which takes a tenth of a second for a million. A tenant is asked
 * about only while it has as many changes as a mass change needs, and then remembered for ten minutes.
 */
function createMacCount({ elapsedMs }: BrakeOptions) {
  const known = createBoundedCache<string, { readonly macs: number; readonly atMs: number }>(10_000);
  return async (sql: Queries, tenantId: string): Promise<number> => {
    const last = known.get(tenantId);
    if (last !== undefined && elapsedMs() - last.atMs < massChangeMacsMs) return last.macs;
    const [row] = await sql<{ macs: number }[]>`
      select count(*) as macs from routes where tenant_id = ${tenantId}`;
    const macs = row?.macs ?? 0;
    known.set(tenantId, { macs, atMs: elapsedMs() });
    return macs;
  };
}

export function createBrake(options: BrakeOptions): Brake {
  const { log, mode, onWorse, percent, sql } = options;
  const macsOf = createMacCount(options);
  // One transaction of a tenant at a time: they would wait for each other's count, each with a connection.
  const inTurn = createKeyedSemaphore(1);

  /** The hold after these were counted, if one is in force then. */
  const holdAfter = async (tx: Transaction, tenantId: string) => {
    const hold = await readInForce(tx, tenantId);
    if (hold !== undefined) return { hold, isNew: false };
    const sum = await sumOfHour(tx, tenantId);
    const worse = sum.unmanaged + sum.notCompliant;
    if (worse < massChangeDevices) return { hold: undefined, isNew: false };
    const macs = await macsOf(tx, tenantId);
    if (worse * 100 <= macs * percent) return { hold: undefined, isNew: false };
    return openHold(tx, tenantId, options, { ...sum, macs });
  };

  const decide = async (tx: Transaction, tenantId: string, holder: string, worse: readonly WorseReport[]) => {
    const released = await readReleased(tx, tenantId, worse);
    const asked = worse.filter(({ row }) => row.holdId === null || !released.has(row.holdId));
    const counted = await countWorse(tx, tenantId, holder, asked);
    const { hold, isNew } = await holdAfter(tx, tenantId);
    const held = hold === undefined ? [] : asked.filter((one) => holds(mode, one));
    if (hold !== undefined && held.length > 0) await markHeld(tx, tenantId, holder, hold.holdId, held);
    if (hold !== undefined && isNew) {
      const { holdId, state: _, ...after } = hold;
      await recordHistory(tx, {
        ...gatewayOrigin,
        tenantId,
        action: 'hold.open',
        object: { kind: 'hold', id: holdId },
        after: { ...after, mode, percent },
      });
    }
    return { asked, counted, hold, held, isNew };
  };

  /** All of them are the hold's already, and it is still in force: the usual second look at what waits. */
  const stillHeld = async (tenantId: string, worse: readonly WorseReport[]) => {
    const [first] = worse;
    const holdId = first?.row.holdId ?? null;
    if (holdId === null || !worse.every((one) => one.row.holdId === holdId && holds(mode, one)))
      return undefined;
    const hold = await readInForce(sql, tenantId);
    return hold?.holdId === holdId ? hold : undefined;
  };

  const mapOf = (held: readonly WorseReport[], hold: MassChange): ReadonlyMap<string, MassChange> =>
    new Map(held.map(({ row }) => [row.deviceId, hold]));

  return {
    admit: async (holder, worse) => {
      const tenantId = worse[0]?.row.tenantId;
      if (tenantId === undefined) return new Map();
      return inTurn(tenantId, async () => {
        const known = await stillHeld(tenantId, worse);
        if (known !== undefined) return mapOf(worse, known);
        const { asked, counted, held, hold, isNew } = await inTransaction(sql, (tx) =>
          decide(tx, tenantId, holder, worse),
        );
        const heldIds = new Set(held.map(({ row }) => row.deviceId));
        for (const { row, worsening } of asked) {
          if (counted.has(row.deviceId)) onWorse(worsening, heldIds.has(row.deviceId) ? 'held' : 'told', 1);
        }
        if (hold !== undefined && isNew) log.warn('mass-change.hold', { tenantId, mode, percent, ...hold });
        return hold === undefined ? new Map() : mapOf(held, hold);
      });
    },
  };
}
