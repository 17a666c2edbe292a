import { changeBatch, watchFreshMs, watchGapMs } from '../limits.ts';
import type { Sql, Transaction } from '../store/database.ts';
import { retractedHash } from '../store/reports/due.ts';
import { inTransaction } from '../store/retry.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * A database that nobody watched for a while, a restored dump or one of a gateway that stood still, holds states
 * that were read long ago and not told yet. What the instances sent meanwhile is lost. So before delivery begins the
 * instances are asked anew, and what was to be told, or waited to be taken in, waits for their answer: a restored old
 * database never sends an old state as new.
 */

/** Any fixed number: one process at a time looks for a gap. */
const recoveryLock = 7_276_154_012;
const lockLookMs = 250;
/** Well below what the database lets a transaction be silent (store/database.ts). */
const lockAliveMs = 5_000;

/** To be called every `watchEveryMs` while this process delivers; several processes write one row now and then. */
export async function noteWatch(sql: Sql): Promise<void> {
  await sql`
    insert into watch (one) values (true)
    on conflict (one) do update set watched_at = now()
    where watch.watched_at < now() - ${watchFreshMs} * interval '1 millisecond'`;
}

export interface Gap {
  /** null: nobody knows for how long. */
  readonly seconds: number | null;
  readonly reports: number;
  /** Due to be read for it, those of pushed records among them. */
  readonly computers: number;
  /** Pushed records that waited to be taken in. */
  readonly pushes: number;
  readonly instances: number;
}

/** Seconds since anybody watched, null when nobody ever did; undefined when that is not long. */
async function gapSeconds(sql: Sql): Promise<number | null | undefined> {
  const [row] = await sql<{ seconds: number }[]>`
    select extract(epoch from now() - watched_at)::float8 as seconds from watch`;
  if (!row) return null;
  return row.seconds * 1_000 > watchGapMs ? Math.round(row.seconds) : undefined;
}

interface Batch {
  readonly reports: number;
  readonly computers: number;
  readonly last: { readonly tenantId: string; readonly deviceId: string } | undefined;
}

const nilId = '00000000-0000-0000-0000-000000000000';

/**
 * Marks the next reports of routes to instances that have ever answered: an instance that only pushes cannot be asked. The
 * undelivered ones are read at once, the others with the reconciliation that follows, and none is told before, not by
 * a replay either. What became of an open message no longer matters. A retraction is no state that an instance told, and while a tenant's devices are retracted none is read.
 */
async function markBatch(tx: Transaction, after: { tenantId: string; deviceId: string }): Promise<Batch> {
  const marked = await tx<{ tenantId: string; deviceId: string; undelivered: boolean }[]>`
    with batch as materialized (
      select r.tenant_id, r.device_id from reports r
      join tenants t on t.tenant_id = r.tenant_id and t.connection_state <> 'disconnecting'
      join routes o on o.tenant_id = r.tenant_id and o.device_id = r.device_id
      join instances i on i.tenant_id = o.tenant_id and i.instance_id = o.instance_id and i.last_seen_at is not null
      where r.content_hash <> ${retractedHash}
        and (r.tenant_id, r.device_id) > (${after.tenantId}::uuid, ${after.deviceId}::uuid)
      order by r.tenant_id, r.device_id limit ${changeBatch} for update of r
    )
    update reports r set read_again = true, message_open = false, updated_at = now()
    from batch where r.tenant_id = batch.tenant_id and r.device_id = batch.device_id
    returning r.tenant_id as "tenantId", r.device_id as "deviceId", r.state in ('due', 'held', 'sent') as undelivered`;
  if (marked.length === 0) return { reports: 0, computers: 0, last: undefined };
  const undelivered = marked.filter((one) => one.undelivered);
  const computers = await tx`
    insert into computers (tenant_id, instance_id, jamf_computer_id)
    select distinct o.tenant_id, o.instance_id, o.jamf_computer_id
    from unnest(${undelivered.map((one) => one.tenantId)}::uuid[], ${undelivered.map((one) => one.deviceId)}::uuid[])
      as again(tenant_id, device_id)
    join routes o on o.tenant_id = again.tenant_id and o.device_id = again.device_id
    order by 1, 2, 3
    on conflict (tenant_id, instance_id, jamf_computer_id) do update set
      wanted_revision = computers.wanted_revision + 1, background = false, updated_at = now(),
      next_try_at = case when computers.wanted_revision > computers.done_revision and computers.attempts > 0
                         then computers.next_try_at else now() end
    returning 1`;
  const last = marked.reduce((a, b) => (`${a.tenantId}${a.deviceId}` > `${b.tenantId}${b.deviceId}` ? a : b));
  return { reports: undelivered.length, computers: computers.length, last };
}

interface ComputerPlace {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
}

/**
 * Pushed records that waited are as old as the dump, and Intune may be told more already: their computers are read
 * instead. An instance that never answered may be one that only pushes: it is asked first, and the record serves where it
 * does not answer, for it was accepted and nobody else can tell it.
 */
async function dropPushes(tx: Transaction, after: ComputerPlace): Promise<readonly ComputerPlace[]> {
  return tx<ComputerPlace[]>`
    with batch as materialized (
      select c.tenant_id, c.instance_id, c.jamf_computer_id, i.last_seen_at is not null as answers from computers c
      join instances i on i.tenant_id = c.tenant_id and i.instance_id = c.instance_id
      where c.next_try_at is not null and c.pushed_record is not null
        and (c.tenant_id, c.instance_id, c.jamf_computer_id)
          > (${after.tenantId}::uuid, ${after.instanceId}::uuid, ${after.jamfComputerId}::int)
      order by c.tenant_id, c.instance_id, c.jamf_computer_id limit ${changeBatch} for update of c
    ), dropped as (
      update computers c set wanted_revision = c.wanted_revision + 1, pushed_revision = null,
        pushed_record = case when batch.answers then null else c.pushed_record end,
        pushed_report_at = case when batch.answers then null else c.pushed_report_at end,
        background = false, updated_at = now(), next_try_at = case when c.attempts > 0 then c.next_try_at else now() end
      from batch where c.tenant_id = batch.tenant_id and c.instance_id = batch.instance_id
        and c.jamf_computer_id = batch.jamf_computer_id
    )
    select tenant_id as "tenantId", instance_id as "instanceId", jamf_computer_id as "jamfComputerId" from batch
    order by tenant_id, instance_id, jamf_computer_id`;
}

async function readInsteadOfPushes(sql: Sql): Promise<number> {
  let pushes = 0;
  let last: ComputerPlace | undefined = { tenantId: nilId, instanceId: nilId, jamfComputerId: 0 };
  while (last) {
    const from: ComputerPlace = last;
    const batch: readonly ComputerPlace[] = await inTransaction(sql, (tx) => dropPushes(tx, from));
    pushes += batch.length;
    last = batch.at(-1);
  }
  return pushes;
}

/**
 * Every instance is polled and reconciled now. Also for a process that waited for the database at its start: it knew no
 * key, so what was sent to it meanwhile was answered 503 and cannot be told apart.
 */
export async function askEveryInstance(sql: Sql): Promise<number> {
  const instances = await sql`
    insert into instance_reading (tenant_id, instance_id)
    select i.tenant_id, i.instance_id from instances i order by 1, 2
    on conflict (tenant_id, instance_id) do update set next_poll_at = now(), next_reconcile_at = now(),
      reconcile_started_at = null, reconcile_after_id = null
    returning 1`;
  return instances.length;
}

/** Batch by batch, so that a million rows neither lock long nor meet the statement's timeout; safe to repeat. */
async function askAnew(sql: Sql): Promise<Omit<Gap, 'seconds'>> {
  const total = { reports: 0, computers: 0 };
  let after: Batch['last'] = { tenantId: nilId, deviceId: nilId };
  while (after) {
    const from: { tenantId: string; deviceId: string } = after;
    const batch: Batch = await inTransaction(sql, (tx) => markBatch(tx, from));
    total.reports += batch.reports;
    total.computers += batch.computers;
    after = batch.last;
  }
  const pushes = await readInsteadOfPushes(sql);
  // A 404 has to last while somebody asks: one of before the gap and one of now are not two over 90 s.
  await sql`update computers set not_found_since = null where not_found_since is not null`;
  const instances = await askEveryInstance(sql);
  return { ...total, computers: total.computers + pushes, pushes, instances };
}

async function recover(sql: Sql, log: Log): Promise<void> {
  const seconds = await gapSeconds(sql);
  if (seconds !== undefined) {
    const gap: Gap = { seconds, ...(await askAnew(sql)) };
    // A database without instances is a new one.
    if (gap.instances > 0) log.warn('recovery.gap', { ...gap });
  }
  // Only now: a process that ends before has left the gap to the next one.
  await sql`insert into watch (one) values (true) on conflict (one) do update set watched_at = now()`;
}

/**
 * To be called before delivery begins: looks whether anybody watched lately, under a lock, so that the processes
 * that start together neither miss a gap nor do the work twice.
 */
export async function recoverFromGap(sql: Sql, log: Log): Promise<void> {
  // Asked for again and again, for waiting in the database would run into its lock timeout.
  while (!(await underLock(sql, log, () => recover(sql, log))))
    await new Promise((resolve) => setTimeout(resolve, lockLookMs));
}

/**
 * Runs `work`, which has connections of its own, while a transaction holds the lock: a session's lock would be lost, or left
 * behind, by a pooler. False: another process has it. Where the transaction ends meanwhile, the work was safe to repeat.
 */
async function underLock(sql: Sql, log: Log, work: () => Promise<void>): Promise<boolean> {
  return sql.begin(async (tx) => {
    const [lock] = await tx<{ taken: boolean }[]>`
      select pg_try_advisory_xact_lock(${recoveryLock}::bigint) as taken`;
    if (!lock?.taken) return false;
    // The database ends a transaction that is silent for long.
    const alive = setInterval(() => {
      tx`select 1`.catch((error: unknown) => log.debug('recovery.lock-lost', { error }));
    }, lockAliveMs);
    try {
      await work();
    } finally {
      clearInterval(alive);
    }
    return true;
  });
}
