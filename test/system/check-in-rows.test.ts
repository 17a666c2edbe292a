import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDeferring } from '../../src/delivery/check-ins/defer.ts';
import { createKeeper } from '../../src/delivery/check-ins/keeper.ts';
import { recoverCheckIns } from '../../src/delivery/check-ins/recover.ts';
import { createIntake } from '../../src/delivery/intake.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { removeMarks } from '../../src/store/computers/check-in-marks.ts';
import type { ComputerSchedule } from '../../src/store/computers/leases.ts';
import type { Log } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const periodSeconds = 900;

/** Rows of check-ins on a real database: what is left to them where no process remembers anything. */
describe('check-ins in the database', () => {
  let database: TestDatabase;
  let [tenantId, instanceId] = ['', ''];
  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    const { sql } = database;
    [tenantId, instanceId] = [crypto.randomUUID(), crypto.randomUUID()];
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}', 'connected')`;
    await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${tenantId}, ${instanceId}, 'x', 'https://jamf.example', 'x', '{}')`;
    await sql`insert into instance_reading (tenant_id, instance_id, next_reconcile_at)
      values (${tenantId}, ${instanceId}, 'infinity')`;
  });

  /** A computer that was read and told; so many seconds ago. */
  async function addComputer(id: number, readSecondsAgo: number): Promise<void> {
    const { sql } = database;
    const deviceId = crypto.randomUUID();
    await sql`insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, done_revision, next_try_at, last_read_at)
      values (${tenantId}, ${instanceId}, ${id}, 3, 3, null, now() - ${readSecondsAgo} * interval '1 second')`;
    await sql`insert into claims (tenant_id, device_id, instance_id, jamf_computer_id)
      values (${tenantId}, ${deviceId}, ${instanceId}, ${id})`;
    await sql`insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
      values (${tenantId}, ${deviceId}, ${instanceId}, ${id}, 'only-claim', 1)`;
    await sql`insert into reports (tenant_id, device_id, content, content_hash, instance_id, state, confirmed_revision, due_since, next_try_at)
      values (${tenantId}, ${deviceId}, '{}', 'x', ${instanceId}, 'completed', 1, null, null)`;
  }
  const rowOf = async (id: number) => {
    const [row] = await database.sql<
      { wanted: number; writtenBy: string; waitsSeconds: number | null; ofPeriod: boolean | null }[]
    >`
      select wanted_revision as wanted, xmin::text as "writtenBy",
        extract(epoch from next_try_at - now())::float8 as "waitsSeconds",
        next_try_at = last_read_at + ${periodSeconds} * interval '1 second' as "ofPeriod"
      from computers where tenant_id = ${tenantId} and jamf_computer_id = ${id}`;
    return row!;
  };
  const origin = () => ({ tenantId, instanceId, traceparent: null });
  const told: ComputerSchedule[] = [];
  const parts = () => {
    const { sql } = database;
    const onDue = (schedule: ComputerSchedule): void => void told.push(schedule);
    const intake = createIntake({ sharing: 'request', sql, onDue });
    return { intake, checkIns: createDeferring({ sql, intake, periodSeconds, onDue }) };
  };

  it('the first one of a period says when the computer is read, and the others write nothing', async () => {
    await addComputer(1, 300);
    const { checkIns } = parts();
    told.length = 0;
    await checkIns.take(origin(), [1]);
    const first = await rowOf(1);
    expect(first).toMatchObject({ wanted: 4, ofPeriod: true });
    expect(first.waitsSeconds).toBeGreaterThan(590);
    expect(first.waitsSeconds).toBeLessThanOrEqual(600);
    expect(told).toMatchObject([{ tenantId, instanceId, kind: 'read', background: false }]);
    for (let time = 0; time < 3; time += 1) await checkIns.take(origin(), [1]);
    const { waitsSeconds: _, ...same } = await rowOf(1);
    expect(first).toMatchObject(same);
  });

  it('another event has it read at once', async () => {
    await addComputer(1, 300);
    const { checkIns, intake } = parts();
    await checkIns.take(origin(), [1]);
    await intake.markDue(origin(), [1]);
    expect((await rowOf(1)).waitsSeconds).toBeLessThanOrEqual(0);
  });

  it('what cannot be folded is due at once, beside what can', async () => {
    await addComputer(1, 300);
    await addComputer(2, 901);
    await parts().checkIns.take(origin(), [1, 2, 3]);
    expect((await rowOf(1)).ofPeriod).toBe(true);
    for (const id of [2, 3]) expect((await rowOf(id)).waitsSeconds).toBeLessThanOrEqual(0);
  });

  it('one that was not read within the period is not looked up in moves and reports', async () => {
    await addComputer(1, 300);
    await addComputer(2, 901);
    const asked: string[] = [];
    const watched = new Proxy(database.sql, {
      apply: (sql, self, given) => {
        asked.push(String(given[0]));
        return Reflect.apply(sql, self, given);
      },
    });
    const onDue = (): void => undefined;
    const intake = createIntake({ sharing: 'request', sql: watched, onDue });
    const { take } = createDeferring({ sql: watched, intake, periodSeconds, onDue });
    await take(origin(), [2, 3]);
    expect(asked.join()).not.toContain('from moves');
    await take(origin(), [1]);
    expect(asked.join()).toContain('from moves');
  });

  const keeper = (now: () => number) =>
    createKeeper({
      sql: database.sql,
      leaseMs: 60_000,
      periodSeconds,
      newId: () => crypto.randomUUID(),
      now,
    });
  const marks = () => database.sql`select 1 from check_in_marks where tenant_id = ${tenantId}`;

  it('a mark stands while its lease does; nobody acts on it, and it goes when it is removed', async () => {
    let nowMs = 0;
    const { end, mark, stands } = keeper(() => nowMs);
    const written = await mark({ tenantId, instanceId });
    expect(stands(written)).toBe(true);
    await addComputer(1, 300);
    await recoverCheckIns(database.sql, silent);
    expect((await rowOf(1)).wanted).toBe(3);
    expect(await marks()).toHaveLength(1);
    // By this process's own clock, whatever the database's says.
    nowMs = 60_000;
    expect(stands(written)).toBe(false);
    await removeMarks(database.sql, [{ tenantId, instanceId, ...written! }]);
    expect(await marks()).toHaveLength(0);
    await end();
  });

  it('a mark that was written again is not removed by who removes the one before', async () => {
    const { end, mark, unmark } = keeper(() => 0);
    const before = await mark({ tenantId, instanceId });
    await mark({ tenantId, instanceId });
    await unmark([{ tenantId, instanceId, ...before! }]);
    expect(await marks()).toHaveLength(1);
    await end();
  });

  it('nothing is marked under a lease that ran out in the database', async () => {
    const { mark } = keeper(() => 0);
    await mark({ tenantId, instanceId });
    await database.sql`update check_in_keepers set until = now()`;
    await recoverCheckIns(database.sql, silent);
    expect(await marks()).toHaveLength(0);
    expect(await mark({ tenantId, instanceId })).toBeUndefined();
    expect(await marks()).toHaveLength(0);
  });

  it.each([
    ['ran out', "now() - interval '1 second'"],
    ['was given before the clock was set back', "now() + interval '1 day'"],
  ])('a lease that %s: what may have checked in is read by the end of its period', async (_name, until) => {
    for (const [id, ago] of [300, 899, 880, 5_000].entries()) await addComputer(id + 1, ago);
    await keeper(() => 0).mark({ tenantId, instanceId });
    await database.sql`update check_in_keepers set until = ${database.sql.unsafe(until)}`;
    await recoverCheckIns(database.sql, silent);
    const waits = (await Promise.all([1, 2, 3].map(rowOf))).map((row) =>
      Math.abs(Math.round(row.waitsSeconds ?? -1)),
    );
    // Twenty seconds early, which it takes to notice that a process has ended.
    expect(waits[0]).toBeGreaterThanOrEqual(575);
    expect(waits[0]).toBeLessThanOrEqual(580);
    expect(waits.slice(1)).toEqual([0, 0]);
    expect((await rowOf(4)).wanted).toBe(3);
    expect(await marks()).toHaveLength(0);
  });
});
