import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { surveySchedules } from '../../src/delivery/stage/survey-schedules.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import type { MarkedRow } from '../../src/store/computers/revisions.ts';
import { upsertDue } from '../../src/store/computers/revisions.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import type { DueSchedule } from '../../src/store/due-rows.ts';
import { lookAtSchedules, mendSchedules, settleSchedules, takeSurvey } from '../../src/store/schedules.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { addOrigin, type Origin, unscheduled } from '../harness/due-rows.ts';

/** The table of schedules: what is due is found in it without a look at what waits, whoever wrote the row. */
describe('schedules', () => {
  let database: TestDatabase;
  let sql: Sql;
  let other: Sql;
  let origin: Origin;

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
    sql = database.sql;
    other = openDatabase(database.url, { connections: 2, applicationName: 'test' });
  });
  afterAll(async () => {
    await other?.end({ timeout: 2 });
    await database?.drop();
  });
  beforeEach(async () => {
    await sql`delete from tenants`;
    await sql`delete from schedules`;
    origin = await addOrigin(sql);
  });

  const marked = (jamfComputerId: number): MarkedRow => ({
    ...origin,
    jamfComputerId,
    traceparent: null,
    count: 1,
  });
  const read = (background = false) => ({ ...origin, kind: 'read' as const, background });
  const dueNow = (found: readonly DueSchedule[]) =>
    found.filter(({ dueInMs }) => dueInMs === 0).map(({ schedule }) => schedule);
  const entries = async (): Promise<number> => {
    const [row] = await sql<{ count: number }[]>`select count(*) as count from schedules`;
    return Number(row?.count);
  };
  const done = (on: Sql) =>
    on`update computers set done_revision = wanted_revision, next_try_at = null where tenant_id = ${origin.tenantId}`;
  const settle = (on: Sql = sql) => settleSchedules(on, 'computers', [read()]);

  it('a computer that becomes due is found, and its schedule ends with its work', async () => {
    await upsertDue(sql, [marked(1)]);
    expect(dueNow(await lookAtSchedules(sql, 'computers'))).toEqual([read()]);
    expect(await lookAtSchedules(sql, 'reports')).toEqual([]);
    await settle();
    expect(dueNow(await lookAtSchedules(sql, 'computers')), 'it is still due').toEqual([read()]);
    await done(sql);
    await settle();
    expect(await entries()).toBe(0);
  });

  it('rows that wait already cost no second entry', async () => {
    await upsertDue(
      sql,
      Array.from({ length: 20 }, (_, id) => marked(id + 1)),
    );
    await upsertDue(sql, [marked(21)]);
    expect(await entries()).toBe(1);
  });

  it('a row that is put off takes its schedule along once the entry has come due', async () => {
    await upsertDue(sql, [marked(1)]);
    await sql`update computers set next_try_at = now() + interval '1 hour'`;
    await settle();
    const [found] = await lookAtSchedules(sql, 'computers');
    expect(found?.schedule).toEqual(read());
    expect(found?.dueInMs).toBeGreaterThan(3_500_000);
    expect(await unscheduled(sql)).toBe(0);
  });

  it('of what is due later, the look tells of the first alone', async () => {
    const far = await Promise.all([addOrigin(sql), addOrigin(sql)]);
    await sql`insert into computers (tenant_id, instance_id, jamf_computer_id, next_try_at) values
      (${far[0].tenantId}, ${far[0].instanceId}, 1, now() + interval '1 hour'),
      (${far[1].tenantId}, ${far[1].instanceId}, 1, now() + interval '2 hours')`;
    const found = await lookAtSchedules(sql, 'computers');
    expect(found.map(({ schedule }) => schedule.tenantId)).toEqual([far[0].tenantId]);
  });

  it('a shard is told of its own tenants only', async () => {
    await upsertDue(sql, [marked(1)]);
    const shard = Number.parseInt(origin.tenantId.slice(0, 8), 16) % 2;
    expect(await lookAtSchedules(sql, 'computers', { shard, of: 2 })).toHaveLength(1);
    expect(await lookAtSchedules(sql, 'computers', { shard: 1 - shard, of: 2 })).toEqual([]);
    const leftOut = () => [origin.tenantId];
    expect(await lookAtSchedules(sql, 'computers', { shard, of: 2, leftOut })).toEqual([]);
  });

  it('an entry stays while a row that relies on it is not committed, and nobody waits', async () => {
    await upsertDue(sql, [marked(1)]);
    await done(sql);
    await other.begin(async (tx) => {
      await upsertDue(tx as unknown as Sql, [marked(2)]);
      await settle();
    });
    expect(await unscheduled(sql)).toBe(0);
    expect(dueNow(await lookAtSchedules(sql, 'computers'))).toEqual([read()]);
  });

  it('a row that comes while its entry is being ended brings one of its own, and does not wait', async () => {
    await upsertDue(sql, [marked(1)]);
    await done(sql);
    await other.begin(async (tx) => {
      await tx`delete from schedules`;
      await upsertDue(sql, [marked(2)]);
    });
    expect(await unscheduled(sql)).toBe(0);
  });

  it('two that end entries of one schedule at the same time leave one', async () => {
    await upsertDue(sql, [marked(1)]);
    await sql`insert into schedules (tenant_id, instance_id, kind, background, due_at)
      select tenant_id, instance_id, kind, background, due_at from schedules`;
    await sql`update computers set next_try_at = now() + interval '1 hour'`;
    await other.begin(async (tx) => {
      await tx`select from schedules limit 1 for update`;
      await settle();
    });
    expect(await unscheduled(sql)).toBe(0);
    await settle();
    expect(await unscheduled(sql)).toBe(0);
    expect(await entries()).toBe(1);
  });

  it('a computer whose push says all now is found among the pushed ones', async () => {
    await upsertDue(sql, [marked(1)]);
    await done(sql);
    await settle();
    await sql`update computers set wanted_revision = 3, pushed_revision = 3, next_try_at = now() + interval '1 day'`;
    await sql`update computers set next_try_at = now() - interval '1 second', background = true`;
    expect(await unscheduled(sql)).toBe(0);
    expect(dueNow(await lookAtSchedules(sql, 'computers'))).toEqual([
      { ...origin, kind: 'pushed', background: true },
    ]);
  });

  it('reports of a tenant are found by the same means', async () => {
    const schedule = { tenantId: origin.tenantId, background: false };
    await sql`insert into reports (tenant_id, device_id, content, content_hash, instance_id)
      values (${origin.tenantId}, ${crypto.randomUUID()}, '{}', 'x', ${origin.instanceId})`;
    expect(dueNow(await lookAtSchedules(sql, 'reports'))).toEqual([schedule]);
    await sql`update reports set state = 'completed', next_try_at = null`;
    await settleSchedules(sql, 'reports', [schedule]);
    expect(await entries()).toBe(0);
  });

  it('the schedules of a tenant that was deleted end', async () => {
    await upsertDue(sql, [marked(1)]);
    await sql`delete from tenants`;
    await settle();
    expect(await entries()).toBe(0);
  });

  it('the survey mends what no trigger saw, and leaves what is right', async () => {
    await upsertDue(sql, [marked(1)]);
    const more = await addOrigin(sql);
    // As a restored dump or a replica may write, and as a version without triggers would.
    await sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`insert into computers (tenant_id, instance_id, jamf_computer_id) values (${more.tenantId}, ${more.instanceId}, 7)`;
      await tx`insert into reports (tenant_id, device_id, content, content_hash, instance_id)
        values (${more.tenantId}, ${crypto.randomUUID()}, '{}', 'x', ${more.instanceId})`;
    });
    expect(await unscheduled(sql)).toBe(2);
    for (const stage of ['computers', 'reports'] as const) {
      expect((await mendSchedules(sql, stage)).mended, stage).toBe(1);
      expect((await mendSchedules(sql, stage)).mended, stage).toBe(0);
    }
    expect(await unscheduled(sql)).toBe(0);
    expect(dueNow(await lookAtSchedules(sql, 'computers'))).toHaveLength(2);
  });

  it('the survey goes through any number of schedules slice by slice', async () => {
    const origins = [origin];
    while (origins.length < 5) origins.push(await addOrigin(sql));
    for (const { instanceId, tenantId } of origins)
      await sql`insert into computers (tenant_id, instance_id, jamf_computer_id, background) values
        (${tenantId}, ${instanceId}, 1, false), (${tenantId}, ${instanceId}, 2, true)`;
    await sql`delete from schedules`;
    let mended = 0;
    let slice = await mendSchedules(sql, 'computers', undefined, 3);
    for (; ; slice = await mendSchedules(sql, 'computers', slice.last, 3)) {
      mended += slice.mended;
      if (slice.last === undefined) break;
    }
    expect(mended).toBe(10);
    expect(await unscheduled(sql)).toBe(0);
  });

  it('one process at a time takes a survey', async () => {
    await sql`update schedule_survey set next_at = now()`;
    const taken = await Promise.all([takeSurvey(sql, 60_000), takeSurvey(other, 60_000)]);
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect(await takeSurvey(sql, 60_000)).toBe(false);
  });

  describe('the survey in the background', () => {
    const warned: string[] = [];
    const log = createLog({ level: 'warn', format: 'json', write: (line) => warned.push(line) });
    const nextInMs = async (): Promise<number> => {
      const [row] = await sql<{ ms: number }[]>`
        select extract(epoch from next_at - now())::float8 * 1000 as ms from schedule_survey`;
      return row?.ms ?? Number.NaN;
    };
    /** As long as each look at the clock tells that it took. */
    const taking = (ms: number) => {
      let nowMs = 0;
      return () => {
        nowMs += ms;
        return nowMs;
      };
    };
    const pastTheTriggers = () =>
      sql.begin(async (tx) => {
        await tx`set local session_replication_role = replica`;
        await tx`insert into computers (tenant_id, instance_id, jamf_computer_id) values (${origin.tenantId}, ${origin.instanceId}, 1)`;
      });

    it('finds what came past the triggers within a minute, and says so', async () => {
      await sql`update schedule_survey set next_at = now()`;
      await surveySchedules(sql, log, taking(10));
      expect(await nextInMs(), 'with the ten seconds in which somebody takes it up').toBeLessThan(50_000);
      await pastTheTriggers();
      await surveySchedules(sql, log, taking(10));
      expect(await unscheduled(sql), 'not before its time').toBe(1);
      await sql`update schedule_survey set next_at = now()`;
      await surveySchedules(sql, log, taking(10));
      expect(await unscheduled(sql)).toBe(0);
      expect(warned.filter((line) => line.includes('schedules.mended'))).toHaveLength(1);
    });

    it('rests three hundred times as long as it took, a quarter of an hour at most', async () => {
      await sql`update schedule_survey set next_at = now()`;
      await surveySchedules(sql, log, taking(1_000));
      expect(Math.round((await nextInMs()) / 10_000)).toBe(30);
      await sql`update schedule_survey set next_at = now()`;
      await surveySchedules(sql, log, taking(1_000_000));
      expect(Math.round((await nextInMs()) / 10_000)).toBe(90);
    });
  });
});
