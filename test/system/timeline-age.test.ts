import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dayMs } from '../../src/clock.ts';
import { timelineEventsPerDevice, timelineSlotMs } from '../../src/limits.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { addTimelines, deleteTimelines, trimTimelines } from '../../src/store/timeline.ts';
import { clearTimelines } from '../../src/store/timeline-age.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** `ESPALIER_TIMELINE_DAYS`: timelines go by age, a slot as a whole, whoever wrote them. */
describe('timelines by age', () => {
  let database: TestDatabase;
  const log = createLog({ level: 'error', format: 'json', write: () => undefined });
  const [tenantId, deviceId] = [crypto.randomUUID(), crypto.randomUUID()];
  const keepDays = 90;
  const begunMs = Date.now();

  const clearOn = (ms: number) =>
    clearTimelines({ sql: database.sql, log, keepDays, now: async () => new Date(ms) });
  /** As the product writes it, at another time. */
  const writeOn = (ms: number) => {
    const at = new Date(ms);
    return database.sql`select espalier_add_timeline(${at}, array[${tenantId}]::uuid[], array[${deviceId}]::uuid[],
      array['sent'], array[${at}::timestamptz], array[null]::uuid[], array[null]::uuid[], array[null]::text[])`;
  };
  const days = async (nowMs: number) =>
    (
      await database.sql<
        { at: Date }[]
      >`select at from timeline where tenant_id = ${tenantId} order by sequence`
    ).map(({ at }) => Math.round((nowMs - at.getTime()) / dayMs));
  const tables = async () =>
    (
      await database.sql<
        { name: string }[]
      >`select distinct tableoid::regclass::text as name from timeline order by 1`
    ).map(({ name }) => name);

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    const { sql } = database;
    await sql`delete from timeline`;
    await sql`update timeline_upkeep set next_at = '-infinity', slots_since = ${new Date(begunMs)}`;
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}') on conflict do nothing`;
  });

  it('are written to the slot of the present, and read, cut and deleted as one table', async () => {
    const { sql } = database;
    const event = { tenantId, deviceId, stage: 'sent' } as const;
    await addTimelines(
      sql,
      Array.from({ length: timelineEventsPerDevice + 7 }, () => event),
    );
    const slot = Math.floor(Date.now() / timelineSlotMs) % 14;
    expect(await tables()).toEqual([`timeline_${slot}`]);
    await trimTimelines(sql, [{ tenantId, deviceId }]);
    expect(await days(begunMs)).toHaveLength(timelineEventsPerDevice);
    await addTimelines(sql, [{ ...event, tenantId: crypto.randomUUID() }]);
    expect(await days(begunMs)).toHaveLength(timelineEventsPerDevice);
    await sql.begin((tx) => deleteTimelines(tx, tenantId));
    expect(await tables()).toEqual([]);
  });

  it('two years pass: nothing younger than the days goes, nothing older stays for more than a month', async () => {
    for (let day = 0; day <= 730; day += 1) {
      const nowMs = begunMs + day * dayMs;
      await writeOn(nowMs);
      await clearOn(nowMs);
      const left = await days(nowMs);
      const oldest = Math.max(...left);
      expect(left).toHaveLength(oldest + 1);
      expect(oldest).toBeGreaterThanOrEqual(Math.min(day, keepDays - 1));
      expect(oldest).toBeLessThanOrEqual(keepDays + 31);
    }
  });

  it('what the version before writes is read, and goes when the slots are as old', async () => {
    const { sql } = database;
    await sql`insert into timeline (tenant_id, device_id, stage) values (${tenantId}, ${deviceId}, 'sent')`;
    expect(await tables()).toEqual(['timeline']);
    await clearOn(begunMs + (keepDays + 29) * dayMs);
    expect(await tables()).toEqual(['timeline']);
    await clearOn(begunMs + (keepDays + 31) * dayMs);
    expect(await tables()).toEqual([]);
  });

  it('a reader is not waited for, and the next look clears', async () => {
    const { sql } = database;
    await writeOn(begunMs);
    const laterMs = begunMs + (keepDays + 60) * dayMs;
    await sql.begin(async (tx) => {
      await tx`select 1 from timeline`;
      await clearOn(laterMs);
    });
    expect(await days(begunMs)).toHaveLength(1);
    await clearOn(laterMs + dayMs);
    expect(await days(begunMs)).toEqual([]);
  });
});
