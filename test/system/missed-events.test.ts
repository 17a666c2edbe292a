import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPolls } from '../../src/delivery/computers/poll.ts';
import { createIntake } from '../../src/delivery/intake.ts';
import { createMissedEvents } from '../../src/delivery/missed-events.ts';
import type { JamfClient } from '../../src/jamf/client.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createMarkKeeper } from '../../src/runtime/node-missed-events.ts';
import { createReaders } from '../../src/store/computers/readers.ts';
import { pollSince } from '../../src/store/computers/reading.ts';
import { createInstanceDirectory } from '../../src/store/instances/instance.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';

/** Marks of missed events on a real database and in a real directory: what is remembered, and what is kept. */
describe('missed events', () => {
  let database: TestDatabase;
  let dataDir: string;
  let lines: string[] = [];
  const log = createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  const start = () => {
    const { sql } = database;
    const intake = createIntake({ sharing: 'process', sql, onDue: () => undefined });
    return createMissedEvents({ sql, intake, keeper: createMarkKeeper(dataDir), log });
  };
  const addInstance = async () => {
    const [tenantId, instanceId] = [crypto.randomUUID(), crypto.randomUUID()];
    await database.sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}')`;
    await database.sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${tenantId}, ${instanceId}, 'x', 'https://jamf.example', 'x', '{}')`;
    await database.sql`
      insert into instance_reading (tenant_id, instance_id, next_poll_at, next_reconcile_at, poll_cursor)
      values (${tenantId}, ${instanceId}, 'infinity', 'infinity', now() + interval '1 minute')`;
    return { tenantId, instanceId };
  };
  const reading = async ({ instanceId }: { instanceId: string }) => {
    const [row] = await database.sql`
      select next_poll_at <= now() as polled, next_reconcile_at <= now() as reconciled, poll_cursor <= now() as back
      from instance_reading where instance_id = ${instanceId}`;
    return row;
  };
  const due = async ({ instanceId }: { instanceId: string }) => {
    const rows = await database.sql<{ id: number }[]>`
      select jamf_computer_id as id from computers where instance_id = ${instanceId} order by 1`;
    return rows.map(({ id }) => id);
  };
  const kept = () => readdirSync(join(dataDir, 'missed-events'));
  const isMadeUp = () => eventually(() => expect(lines.join()).toContain('missed-events.made-up'));

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(() => {
    lines = [];
    dataDir = mkdtempSync(join(tmpdir(), 'espalier-marks-'));
    return () => rmSync(dataDir, { recursive: true, force: true });
  });

  it('make the computers due that were named, and a poll that looks back', async () => {
    const [instance, other] = [await addInstance(), await addInstance()];
    const missed = start();
    missed.note(instance, [3, 1]);
    missed.note(instance, []);
    await isMadeUp();
    expect(await due(instance)).toEqual([1, 3]);
    expect(await reading(instance)).toEqual({ polled: true, reconciled: false, back: true });
    expect(await reading(other)).toEqual({ polled: false, reconciled: false, back: false });
    await eventually(() => expect(kept()).toEqual([]));
    await missed.stop();
  });

  it.each([
    ['an event that nobody read', [[1], undefined]],
    ['more computers than are remembered', [[1], Array.from({ length: 3_000 }, (_, index) => index + 1)]],
  ])('ask for a reconciliation after %s', async (_, events) => {
    const instance = await addInstance();
    const missed = start();
    for (const ids of events) missed.note(instance, ids);
    await isMadeUp();
    expect(await reading(instance)).toEqual({ polled: true, reconciled: true, back: true });
    await missed.stop();
  });

  it('are taken over from a process that ended, once, and what is no list of marks harms nobody', async () => {
    const instance = await addInstance();
    const ended = start();
    ended.note(instance, [1]);
    await ended.stop();
    expect(kept()).toHaveLength(1);
    writeFileSync(join(dataDir, 'missed-events', `${crypto.randomUUID()}.json`), '[{"tenantId":');
    writeFileSync(join(dataDir, 'missed-events', `${crypto.randomUUID()}.json`), '{"tenantId":1}');
    const next = start();
    await next.start();
    expect(kept()).toHaveLength(1);
    await isMadeUp();
    expect(await reading(instance)).toMatchObject({ polled: true, reconciled: true });
    await eventually(() => expect(kept()).toEqual([]));
    await next.stop();
  });

  it('that come while what was missed before is made up for are made up for too', async () => {
    const instance = await addInstance();
    const { sql } = database;
    const intake = createIntake({ sharing: 'process', sql, onDue: () => undefined });
    let marked = 0;
    const markDue: typeof intake.markDue = async (origin, ids) => {
      await intake.markDue(origin, ids);
      marked += 1;
      // The database was away once more, for a moment: the same computer again.
      if (marked === 1) missed.note(instance, [1]);
    };
    const missed = createMissedEvents({ sql, intake: { markDue }, keeper: createMarkKeeper(dataDir), log });
    missed.note(instance, [1]);
    await isMadeUp();
    expect(marked).toBe(2);
    await missed.stop();
  });

  it('of many instances at once are kept by few writes, the last of them whole', async () => {
    const writes: number[] = [];
    const keeper = {
      ...createMarkKeeper(dataDir),
      keep: async (instances: readonly unknown[]) => {
        writes.push(instances.length);
        await new Promise((resolve) => setTimeout(resolve, 1));
      },
    };
    const intake = createIntake({ sharing: 'process', sql: database.sql, onDue: () => undefined });
    const missed = createMissedEvents({ sql: database.sql, intake, keeper, log });
    for (let count = 0; count < 500; count += 1)
      missed.note({ tenantId: crypto.randomUUID(), instanceId: crypto.randomUUID() }, [1]);
    await missed.stop();
    expect(writes.length).toBeLessThan(5);
    expect(writes.at(-1)).toBe(500);
  });

  it('that are made up for while a poll is under way lead to another poll', async () => {
    const instance = await addInstance();
    const { sql } = database;
    await sql`update instance_reading set next_poll_at = now() where instance_id = ${instance.instanceId}`;
    const holder = crypto.randomUUID();
    let asked = 0;
    const client = {
      computersChangedSince: async () => {
        asked += 1;
        if (asked === 1) await pollSince(sql, instance, 60_000);
        return { ok: true, page: { items: [], rejected: [], ids: [], last: true } };
      },
    } as unknown as JamfClient;
    const polls = createPolls({
      ...{ sql, log, holder, pollSeconds: 900, clientOf: () => client },
      instances: createInstanceDirectory(sql),
      readers: createReaders(sql, holder, () => performance.now()),
      failures: new Map(),
      backoff: { baseSeconds: 1, maxSeconds: 1 },
    });
    await eventually(async () => {
      await polls.runDue();
      expect(await reading(instance)).toMatchObject({ polled: false });
    }, 5_000);
    await polls.stop();
    expect(asked).toBeGreaterThan(1);
  });

  it('of an instance that is gone are given up', async () => {
    const missed = start();
    missed.note({ tenantId: crypto.randomUUID(), instanceId: crypto.randomUUID() }, [1]);
    await eventually(() => expect(lines.join()).toContain('missed-events.given-up'));
    await eventually(() => expect(kept()).toEqual([]));
    await missed.stop();
  });
});
