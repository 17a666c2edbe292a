/**
 * Counts the deliveries of each tenant in steps of five minutes, and how long Intune's acceptance took. Work that is
 * done is added up in memory and written a few times a minute, beside the work and for all tenants in one statement: a
 * report costs no round trip more. Additions, so any number of processes count into one row; a process that is killed
 * takes what it counted in its last seconds with it.
 */

import type { Log } from '../telemetry/log.ts';
import type { Queries, Sql, Transaction } from './database.ts';

/** Long enough that an outage is seen beside the weeks before it. */
export const keptDays = 35;
const writeEveryMs = 2_000;
const rowsPerTrim = 5_000;

/** Delays are counted in steps of the square root of two from 50 ms on; the last holds all beyond a week. */
const firstDelaySeconds = 0.05;
const delaySteps = 48;
const boundOf = (step: number): number => firstDelaySeconds * 2 ** (step / 2);

const stepOf = (seconds: number): number =>
  Math.min(
    delaySteps - 1,
    Math.max(0, Math.ceil(2 * Math.log2(Math.max(seconds, firstDelaySeconds) / firstDelaySeconds))),
  );

/**
 * The delay in seconds that this share of what was counted did not exceed, at most a fifth off; null where nothing was
 * counted.
 */
export function delayAt(delays: readonly number[], share: number): number | null {
  const total = delays.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const wanted = share * total;
  let before = 0;
  for (const [step, count] of delays.entries()) {
    if (count > 0 && before + count >= wanted) {
      const from = step === 0 ? 0 : boundOf(step - 1);
      return from + ((wanted - before) / count) * (boundOf(step) - from);
    }
    before += count;
  }
  return boundOf(delaySteps - 1);
}

interface Counts {
  received: number;
  accepted: number;
  completed: number;
  failed: number;
  /** Accepted reports by step of their delay; the array is as long as its largest step needs. */
  readonly delays: number[];
}

/** Counts, and waits for nothing. */
export interface DeliveryCounts {
  received(tenantId: string, count: number): void;
  /** `seconds`: since the state was new. */
  accepted(tenantId: string, seconds: number): void;
  completed(tenantId: string): void;
  failed(tenantId: string): void;
}

export interface DeliveryCounter extends DeliveryCounts {
  /** Writes what is left. */
  stop(): Promise<void>;
}

type Counted = ReadonlyMap<string, Counts>;

/** Counted into the present five minutes, by the database's clock. A tenant that was deleted meanwhile is left out. */
async function addCounts(sql: Queries, counted: Counted): Promise<void> {
  const column = <Value>(of: (counts: Counts) => Value): Value[] => [...counted.values()].map(of);
  await sql`
    insert into delivery_counts (tenant_id, at, received, accepted, completed, failed, delays)
    select tenant_id, date_bin(interval '5 minutes', now(), timestamptz 'epoch'), received, accepted, completed, failed,
      delays::int[]
    from unnest(${[...counted.keys()]}::uuid[], ${column(({ received }) => received)}::int[],
                ${column(({ accepted }) => accepted)}::int[], ${column(({ completed }) => completed)}::int[],
                ${column(({ failed }) => failed)}::int[],
                ${column(({ delays }) => `{${Array.from(delays, (count) => count ?? 0).join(',')}}`)}::text[])
      as counted(tenant_id, received, accepted, completed, failed, delays)
    where exists (select 1 from tenants where tenants.tenant_id = counted.tenant_id)
    order by tenant_id
    on conflict (tenant_id, at) do update set
      received = delivery_counts.received + excluded.received, accepted = delivery_counts.accepted + excluded.accepted,
      completed = delivery_counts.completed + excluded.completed, failed = delivery_counts.failed + excluded.failed,
      delays = array(
        select coalesce(old, 0) + coalesce(new, 0)
        from unnest(delivery_counts.delays, excluded.delays) with ordinality as step(old, new, position)
        order by position)`;
}

const raise = (counts: Counts, step: number, by: number): void => {
  counts.delays[step] = (counts.delays[step] ?? 0) + by;
};

function addUp(sum: Counts, counts: Counts): void {
  sum.received += counts.received;
  sum.accepted += counts.accepted;
  sum.completed += counts.completed;
  sum.failed += counts.failed;
  counts.delays.forEach((count, step) => {
    raise(sum, step, count);
  });
}

export function createDeliveryCounter(sql: Queries, log: Log): DeliveryCounter {
  let counted = new Map<string, Counts>();
  let writing: Promise<void> | undefined;

  const of = (tenantId: string): Counts => {
    const known = counted.get(tenantId);
    if (known) return known;
    const counts = { received: 0, accepted: 0, completed: 0, failed: 0, delays: [] };
    counted.set(tenantId, counts);
    return counts;
  };
  const write = async (): Promise<void> => {
    if (counted.size === 0) return;
    const taken = counted;
    counted = new Map();
    try {
      await addCounts(sql, taken);
    } catch (error) {
      log.warn('delivery-counts.not-written', { error });
      for (const [tenantId, counts] of taken) addUp(of(tenantId), counts);
    }
  };
  const timer = setInterval(() => {
    writing ??= write().finally(() => {
      writing = undefined;
    });
  }, writeEveryMs);
  return {
    received: (tenantId, count) => {
      of(tenantId).received += count;
    },
    accepted: (tenantId, seconds) => {
      const counts = of(tenantId);
      counts.accepted += 1;
      raise(counts, stepOf(seconds), 1);
    },
    completed: (tenantId) => {
      of(tenantId).completed += 1;
    },
    failed: (tenantId) => {
      of(tenantId).failed += 1;
    },
    stop: async () => {
      clearInterval(timer);
      await writing;
      await write();
    },
  };
}

export interface DeliverySum {
  readonly at: Date;
  readonly received: number;
  readonly accepted: number;
  readonly completed: number;
  readonly failed: number;
  readonly delays: readonly number[];
}

/** Reads every step of one tenant until now, including those in which nothing happened. */
export const readDeliveryCounts = (
  sql: Queries,
  tenantId: string,
  { windowSeconds, stepSeconds }: { readonly windowSeconds: number; readonly stepSeconds: number },
): PromiseLike<DeliverySum[]> => sql<DeliverySum[]>`
  with width as (select ${stepSeconds}::int * interval '1 second' as step), span as (
    select generate_series(
      date_bin(width.step, now() - ${windowSeconds}::int * interval '1 second', timestamptz 'epoch') + width.step,
      now(), width.step) as step
    from width
  ), counted as (
    select date_bin(width.step, c.at, timestamptz 'epoch') as step, c.received, c.accepted, c.completed, c.failed, c.delays
    from width, delivery_counts c
    where c.tenant_id = ${tenantId} and c.at >= (select min(span.step) from span)
  ), delay as (
    select step, position, sum(count) as count
    from counted, unnest(counted.delays) with ordinality as one(count, position) group by step, position
  )
  select span.step as at, coalesce(sum(received), 0)::float8 as received, coalesce(sum(accepted), 0)::float8 as accepted,
    coalesce(sum(completed), 0)::float8 as completed, coalesce(sum(failed), 0)::float8 as failed,
    array(select count::float8 from delay where delay.step = span.step order by position) as delays
  from span left join counted on counted.step = span.step group by span.step order by span.step`;

/**
 * Deletes the counts of a tenant that is deleted: with a foreign key, every count would wait for the tenant's locked
 * row.
 */
export const deleteDeliveryCounts = (tx: Transaction, tenantId: string) =>
  tx`delete from delivery_counts where tenant_id = ${tenantId}`;

/** Deletes in batches, so that no statement holds many rows. */
export async function trimDeliveryCounts(sql: Sql): Promise<void> {
  for (;;) {
    const gone = await sql`
      delete from delivery_counts where ctid in (
        select ctid from delivery_counts where at < now() - ${keptDays} * interval '1 day' limit ${rowsPerTrim})`;
    if (gone.count < rowsPerTrim) return;
  }
}
