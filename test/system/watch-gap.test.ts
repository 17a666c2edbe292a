import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { recoverFromGap } from '../../src/delivery/recovery.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { openDatabase } from '../../src/store/database.ts';
import { recordWatch } from '../../src/store/watch.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** A database that nobody watched: what was to be told is asked for anew, on a real database. */
describe('a gap in watching', () => {
  let database: TestDatabase;
  let lines: string[] = [];
  const log = createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  const { signal } = new AbortController();
  const recover = () => recoverFromGap(database.sql, log, { signal });
  const gaps = () => lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'recovery.gap');
  const silence = (minutes: number) =>
    database.sql`update watch set watched_at = now() - ${minutes} * interval '1 minute'`;

  const addInstance = async (more: { state?: string; seen?: boolean } = {}) => {
    const [tenantId, instanceId] = [crypto.randomUUID(), crypto.randomUUID()];
    const { sql } = database;
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}', ${more.state ?? 'connected'})`;
    await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance, last_seen_at)
      values (${tenantId}, ${instanceId}, 'x', 'https://jamf.example', 'x', '{}', ${more.seen === false ? null : new Date()})`;
    await sql`insert into instance_reading (tenant_id, instance_id, next_poll_at, next_reconcile_at, reconcile_started_at)
      values (${tenantId}, ${instanceId}, 'infinity', 'infinity', now())`;
    return { tenantId, instanceId };
  };
  /** `count` devices with a report in that state, each on a computer of its own, from the first id on. */
  const addDevices = async (
    { instanceId, tenantId }: { tenantId: string; instanceId: string },
    { count = 1, first = 1, retracted = false, routed = true, state = 'due' },
  ) => {
    const { sql } = database;
    await sql`
      with made as (
        select gen_random_uuid() as device_id, id from generate_series(${first}::int, ${first + count - 1}::int) as id
      ), routed as (
        insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
        select ${tenantId}, device_id, ${instanceId}, id, 'x', 1 from made where ${routed}
      ), read as (
        insert into computers (tenant_id, instance_id, jamf_computer_id, done_revision, next_try_at)
        select ${tenantId}, ${instanceId}, id, 1, null from made
      )
      insert into reports (tenant_id, device_id, content, content_hash, retracted, instance_id, state)
      select ${tenantId}, device_id, '{}', ${retracted ? '' : 'x'}, ${retracted}, ${instanceId}, ${state} from made`;
  };
  const again = async (tenantId: string) => {
    const [row] = await database.sql`
      select (select count(*) from reports where tenant_id = ${tenantId} and read_again) as reports,
        (select count(*) from computers where tenant_id = ${tenantId} and next_try_at <= now() and not background) as computers`;
    return row;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    await database.sql`delete from routes`;
    await database.sql`delete from tenants`;
    await recordWatch(database.sql);
    await silence(0);
    lines = [];
  });

  it('is none while anybody watched lately', async () => {
    const instance = await addInstance();
    await addDevices(instance, {});
    await silence(1);
    await recover();
    expect(gaps()).toEqual([]);
    expect(await again(instance.tenantId)).toEqual({ reports: 0, computers: 0 });
  });

  it('makes what is not delivered be read again, and every instance be asked', async () => {
    const instance = await addInstance();
    let first = 1;
    for (const state of ['due', 'held', 'sent', 'accepted', 'completed', 'verified', 'failed']) {
      await addDevices(instance, { state, first: first++ });
    }
    await silence(60);
    await recover();
    expect(gaps()).toMatchObject([{ seconds: 3_600, reports: 3, computers: 3, instances: 1 }]);
    // None of them is told before it was read again; those under way at once, the others with the reconciliation.
    expect(await again(instance.tenantId)).toEqual({ reports: 7, computers: 3 });
    const [row] = await database.sql`
      select next_poll_at <= now() and next_reconcile_at <= now() and reconcile_started_at is null as asked from instance_reading`;
    expect(row!.asked).toBe(true);
    await recover();
    expect(gaps()).toHaveLength(1);
  });

  it('leaves alone who cannot be asked, and what no instance has said', async () => {
    const pushing = await addInstance({ seen: false });
    await addDevices(pushing, {});
    const leaving = await addInstance({ state: 'disconnecting' });
    await addDevices(leaving, { retracted: true });
    const ended = await addInstance();
    await addDevices(ended, { routed: false });
    await silence(60);
    await recover();
    expect(gaps()).toMatchObject([{ reports: 0, computers: 0, instances: 3 }]);
  });

  it('keeps the back-off of a computer that fails but not since when it is missing, and makes one due that there is no row of', async () => {
    const instance = await addInstance();
    await addDevices(instance, { count: 2 });
    const { sql } = database;
    await sql`update computers set wanted_revision = 2, attempts = 3, next_try_at = now() + interval '1 hour' where jamf_computer_id = 1`;
    await sql`delete from computers where jamf_computer_id = 2`;
    await sql`update computers set not_found_since = now() - interval '2 hours'`;
    await silence(60);
    await recover();
    expect(await sql`select 1 from computers where not_found_since is not null`).toHaveLength(0);
    const rows = await sql`
      select jamf_computer_id as id, next_try_at > now() as later from computers
      where wanted_revision > done_revision order by 1`;
    expect([...rows]).toEqual([
      { id: 1, later: true },
      { id: 2, later: false },
    ]);
  });

  it('lets no push be told that waited before the gap: its computer is read, and an instance that never answered is asked first', async () => {
    const { sql } = database;
    const answering = await addInstance();
    const silent = await addInstance({ seen: false });
    const paused = await addInstance();
    await sql`update instances set paused = true where instance_id = ${paused.instanceId}`;
    for (const { instanceId, tenantId } of [answering, silent, paused]) {
      await sql`
        insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, pushed_record, pushed_report_at,
          pushed_revision, attempts, next_try_at)
        select ${tenantId}, ${instanceId}, id, 1, '{}', now() - interval '1 hour', 1, 0, now() - interval '1 hour'
        from generate_series(1, 600) as id`;
    }
    await silence(60);
    await recover();
    expect(gaps()).toMatchObject([{ reports: 0, computers: 1_800, pushes: 1_800, instances: 3 }]);
    const rows = await sql`
      select instance_id as "instanceId", count(*)::int, bool_and(needs_instance) as asked,
        bool_and(wanted_revision > done_revision and next_try_at <= now()) as due,
        count(pushed_record)::int as kept, count(pushed_report_at)::int as dated
      from computers group by 1`;
    const all = { count: 600, asked: true, due: true };
    expect(Object.fromEntries(rows.map(({ instanceId, ...row }) => [instanceId, row]))).toEqual({
      [answering.instanceId]: { ...all, kept: 0, dated: 0 },
      [silent.instanceId]: { ...all, kept: 600, dated: 600 },
      [paused.instanceId]: { ...all, kept: 0, dated: 0 },
    });
  });

  it('works through more than one batch, once for all that start together', async () => {
    const instances = [await addInstance(), await addInstance()];
    for (const instance of instances) await addDevices(instance, { count: 1_700 });
    await database.sql`delete from watch`;
    const other = openDatabase(database.url, { connections: 2, applicationName: 'test' });
    await Promise.all([recover(), recoverFromGap(other, log, { signal })]);
    await other.end();
    expect(gaps()).toMatchObject([{ seconds: null, reports: 3_400, computers: 3_400, instances: 2 }]);
    const [row] = await database.sql`select max(wanted_revision) as wanted from computers`;
    expect(row!.wanted).toBe(2);
  });

  it('asks no more for the recovery of another process when the start is broken off', async () => {
    const lock = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const holding = database.sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(7276154012)`;
      lock.resolve();
      await ended.promise;
    });
    await lock.promise;
    const breaking = new AbortController();
    const asked = Promise.withResolvers<void>();
    let times = 0;
    const waiting = recoverFromGap(database.sql, log, {
      signal: breaking.signal,
      onRecovering: () => {
        times += 1;
        asked.resolve();
      },
    });
    await asked.promise;
    breaking.abort(new Error('broken off'));
    await expect(waiting).rejects.toThrow('broken off');
    expect(times).toBe(1);
    ended.resolve();
    await holding;
  });

  it('says nothing of an empty database', async () => {
    await silence(60);
    await recover();
    expect(lines).toEqual([]);
  });

  it('is closed by whoever watches, written now and then only', async () => {
    const at = async () => (await database.sql`select watched_at as at from watch`)[0]!.at.getTime();
    const before = await at();
    await recordWatch(database.sql);
    expect(await at()).toBe(before);
    await silence(1);
    await recordWatch(database.sql);
    expect(await at()).toBeGreaterThan(before - 1);
  });
});
