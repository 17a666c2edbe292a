import { leaseMs, readerSafetyMs } from '../../limits.ts';
import { columns, pick } from '../columns.ts';
import type { Sql } from '../database.ts';
import { type InstanceRef, instanceKey } from '../instances/instance.ts';
import { isReached, type Reach } from '../instances/reach.ts';
import { isFenced } from '../placements.ts';
import { instanceReading } from '../schema.ts';

/**
 * One process at a time reads from an instance, under a lease in `instance_reading`: Jamf asks for at most 5 requests at
 * a time (domain/jamf.md 1.5), whatever number of processes there is.
 */

const refColumns = pick(instanceReading, 'tenantId', 'instanceId');

export interface Readers {
  /** Takes free leases; answers the keys (`instanceKey`) of the given instances that this process may read from now. */
  hold(instances: readonly InstanceRef[]): Promise<ReadonlySet<string>>;
  /** Prolongs what is held, to be called every `leaseRenewMs`. What could not be prolonged in time is held no more. */
  renew(): Promise<void>;
  /** Gives everything back, at an orderly end. */
  release(): Promise<void>;
  /** Gives these back, so that other processes may take their turn. No request of this process may be under way. */
  yield(instances: readonly InstanceRef[]): Promise<void>;
}

interface Lease {
  readonly instance: InstanceRef;
  /**
   * End of the lease by this process's clock; the database's own time, which is later, is what counts for the others.
   */
  readonly untilMs: number;
}

const columnsOf = (instances: readonly InstanceRef[]) => ({
  tenantIds: instances.map((one) => one.tenantId),
  instanceIds: instances.map((one) => one.instanceId),
});

/** True for a row of `instance_reading` (alias `r`) whose instance is within reach. */
const isRowReached = (sql: Sql, reach: Reach | undefined) =>
  reach === undefined
    ? sql`true`
    : sql`exists (select 1 from instances i
        where i.tenant_id = r.tenant_id and i.instance_id = r.instance_id and ${isReached(sql, reach)})`;

/**
 * Free leases, an own one that ran out included. A row that another process is writing is passed over: it is not
 * worth waiting for. Instances that were made before there were such rows get theirs.
 */
const takeLeases = (
  sql: Sql,
  holder: string,
  instances: readonly InstanceRef[],
  reach: Reach | undefined,
): Promise<InstanceRef[]> => {
  const { tenantIds, instanceIds } = columnsOf(instances);
  const until = sql`now() + ${leaseMs} * interval '1 millisecond'`;
  return sql<InstanceRef[]>`
    with wanted(tenant_id, instance_id) as materialized (
      select * from unnest(${tenantIds}::uuid[], ${instanceIds}::uuid[])
    ), free as materialized (
      select r.tenant_id, r.instance_id from instance_reading r
      join wanted w on w.tenant_id = r.tenant_id and w.instance_id = r.instance_id
      where (r.reader_owner is null or r.reader_owner = ${holder} or r.reader_until < now())
        and ${isRowReached(sql, reach)} and not ${isFenced(sql, sql`r.tenant_id`)}
      order by r.tenant_id, r.instance_id for update of r skip locked
    ), taken as (
      update instance_reading r set reader_owner = ${holder}, reader_until = ${until}
      from free where r.tenant_id = free.tenant_id and r.instance_id = free.instance_id
      returning r.tenant_id, r.instance_id
    ), made as (
      insert into instance_reading (tenant_id, instance_id, reader_owner, reader_until)
      select i.tenant_id, i.instance_id, ${holder}::uuid, ${until} from instances i
      join wanted w on w.tenant_id = i.tenant_id and w.instance_id = i.instance_id
      where not exists (
        select 1 from instance_reading r where r.tenant_id = i.tenant_id and r.instance_id = i.instance_id)
        and ${isReached(sql, reach)}
      order by 1, 2
      on conflict do nothing
      returning tenant_id, instance_id
    )
    select ${columns(sql, refColumns)} from taken
    union all select tenant_id, instance_id from made`;
};

/**
 * Says which are still this process's own. A row that somebody has locked is not prolonged this time: its lease runs on,
 * and waiting for it would let all the others run out.
 */
const prolongLeases = (
  sql: Sql,
  holder: string,
  instances: readonly InstanceRef[],
  reach: Reach | undefined,
): Promise<(InstanceRef & { readonly prolonged: boolean })[]> => {
  const { tenantIds, instanceIds } = columnsOf(instances);
  return sql<(InstanceRef & { prolonged: boolean })[]>`
    with own as materialized (
      select r.tenant_id, r.instance_id from instance_reading r
      join unnest(${tenantIds}::uuid[], ${instanceIds}::uuid[]) as held(tenant_id, instance_id)
        on held.tenant_id = r.tenant_id and held.instance_id = r.instance_id
      where r.reader_owner = ${holder} and ${isRowReached(sql, reach)} and not ${isFenced(sql, sql`r.tenant_id`)}
    ), free as materialized (
      select r.tenant_id, r.instance_id from instance_reading r
      join own on own.tenant_id = r.tenant_id and own.instance_id = r.instance_id
      where r.reader_owner = ${holder}
      order by r.tenant_id, r.instance_id for update of r skip locked
    ), prolonged as (
      update instance_reading r set reader_until = now() + ${leaseMs} * interval '1 millisecond'
      from free where r.tenant_id = free.tenant_id and r.instance_id = free.instance_id
      returning r.tenant_id, r.instance_id
    )
    select ${columns(sql, refColumns, 'own')}, prolonged.tenant_id is not null as prolonged
    from own left join prolonged using (tenant_id, instance_id)`;
};

/**
 * The leases of one process. `holder` is a new id for each process; `now` is in milliseconds and should never go
 * back. Leases run by the database's clock; here one counts from before it was asked for, less `readerSafetyMs`. An
 * instance beyond `reach` is left to others.
 */
export function createReaders(sql: Sql, holder: string, now: () => number, reach?: Reach): Readers {
  const leases = new Map<string, Lease>();

  const keep = (instances: readonly InstanceRef[], askedAtMs: number): void => {
    const untilMs = askedAtMs + leaseMs - readerSafetyMs;
    for (const instance of instances) leases.set(instanceKey(instance), { instance, untilMs });
  };
  const isHeld = (key: string): boolean => (leases.get(key)?.untilMs ?? Number.NEGATIVE_INFINITY) > now();

  return {
    hold: async (instances) => {
      const wanted = new Map(instances.map((instance) => [instanceKey(instance), instance]));
      const missing = [...wanted].filter(([key]) => !isHeld(key)).map(([, instance]) => instance);
      if (missing.length > 0) {
        const askedAtMs = now();
        keep(await takeLeases(sql, holder, missing, reach), askedAtMs);
      }
      return new Set([...wanted.keys()].filter(isHeld));
    },
    renew: async () => {
      const held = [...leases.values()].map(({ instance }) => instance);
      if (held.length === 0) return;
      const askedAtMs = now();
      const own = await prolongLeases(sql, holder, held, reach);
      const kept = new Set(own.map(instanceKey));
      // One that was given back meanwhile must not come back by this answer.
      keep(
        own.filter((instance) => instance.prolonged && leases.has(instanceKey(instance))),
        askedAtMs,
      );
      for (const instance of held) if (!kept.has(instanceKey(instance))) leases.delete(instanceKey(instance));
    },
    release: async () => {
      leases.clear();
      await sql`update instance_reading set reader_owner = null, reader_until = null where reader_owner = ${holder}`;
    },
    yield: async (instances) => {
      for (const instance of instances) leases.delete(instanceKey(instance));
      if (instances.length === 0) return;
      const { tenantIds, instanceIds } = columnsOf(instances);
      await sql`
        update instance_reading r set reader_owner = null, reader_until = null
        from unnest(${tenantIds}::uuid[], ${instanceIds}::uuid[]) as back(tenant_id, instance_id)
        where r.tenant_id = back.tenant_id and r.instance_id = back.instance_id and r.reader_owner = ${holder}`;
    },
  };
}
