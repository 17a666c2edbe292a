import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { takeNotifications } from '../../src/delivery/directory/take-notifications.ts';
import { createIntake, type Intake } from '../../src/delivery/intake.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { hashKey } from '../../src/secrets/keys.ts';
import { webSha256 } from '../../src/secrets/sha256.ts';
import { createKeyedSemaphore } from '../../src/semaphore.ts';
import { createPostpone, type DueComputer } from '../../src/store/computers/leases.ts';
import { createReaders } from '../../src/store/computers/readers.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createInstanceKeys, insertInstanceKey } from '../../src/store/instance-keys.ts';
import { instanceKey } from '../../src/store/instances/instance.ts';
import type { DueReport } from '../../src/store/reports/report-row.ts';
import { createReportStore } from '../../src/store/reports/report-store.ts';
import { setReports } from '../../src/store/reports/set-reports.ts';
import { createTimelineWriter, type TimelineWriter } from '../../src/store/timeline.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';

/** An operator's long transaction holds one tenant's rows: the others go on, and its own writes follow when it ends. */
describe('a tenant whose rows are locked', () => {
  let database: TestDatabase;
  /** Few connections: a write that waits must not hold them. */
  let sql: Sql;
  let ours: { tenantId: string; instanceId: string; traceparent: null };
  let others: { tenantId: string; instanceId: string; traceparent: null };
  let intake: Intake;
  let timeline: TimelineWriter;
  const log = createLog({ level: 'error', format: 'json', write: () => undefined });
  const computers = Array.from({ length: 40 }, (_, index) => index + 1);
  const deviceOf = new Map<string, string>();

  const addTenant = async () => {
    const [tenantId, instanceId] = [crypto.randomUUID(), crypto.randomUUID()];
    await database.sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}', 'connected')`;
    await database.sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${tenantId}, ${instanceId}, 'x', 'https://jamf.example', 'x', '{}')`;
    await database.sql`insert into instance_reading (tenant_id, instance_id) values (${tenantId}, ${instanceId})`;
    await database.sql`insert into subscriptions (tenant_id, resource, client_state_hash)
      values (${tenantId}, 'users', ${await webSha256('state')})`;
    const deviceId = crypto.randomUUID();
    deviceOf.set(tenantId, deviceId);
    const content = {
      userId: null,
      deviceName: '',
      osVersion: '15',
      lastCheckInAt: null,
      reportedAt: null,
      managed: true,
      inventoryState: 0,
      verdict: 'compliant',
    };
    await database.sql.begin((tx) =>
      setReports(tx, tenantId, [{ deviceId, instanceId, content, traceparent: null }]),
    );
    return { tenantId, instanceId, traceparent: null };
  };

  /** Holds every row of `ours` while `work` runs, and then a moment of its own. */
  const whileLocked = async <T>(work: () => Promise<T>): Promise<T> => {
    let release: () => void = () => undefined;
    let holds: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      holds = resolve;
    });
    const operator = database.sql.begin(async (tx) => {
      const { tenantId } = ours;
      for (const table of [
        'tenants',
        'instances',
        'instance_keys',
        'instance_reading',
        'computers',
        'reports',
        'subscriptions',
      ]) {
        await tx`select 1 from ${tx(table)} where tenant_id = ${tenantId} for update`;
      }
      holds();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    await held;
    try {
      return await work();
    } finally {
      release();
      await operator;
    }
  };
  /** Ours is asked for first, so that it shares every group; true when none of it was written meanwhile. */
  const othersPass = async (own: readonly Promise<unknown>[], theirs: () => Promise<unknown>) => {
    let written = 0;
    for (const one of own) void one.then(() => (written += 1));
    await theirs();
    return written === 0;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    sql = openDatabase(database.url, { connections: 3, applicationName: 'test' });
    intake = createIntake({ sharing: 'process', sql, onDue: () => undefined });
    timeline = createTimelineWriter(sql, log);
    ours = await addTenant();
    others = await addTenant();
    await intake.markDue(ours, computers);
    await intake.markDue(others, computers);
    return () => sql.end();
  });

  it('delays no webhook of another tenant, and its own are committed when it is free', async () => {
    let own: Promise<void>[] = [];
    const apart = await whileLocked(async () => {
      own = computers.flatMap((id) => [intake.markDue(ours, [id]), intake.markDue(ours, [1_000 + id])]);
      return othersPass(own, async () => {
        for (let round = 0; round < 20; round += 1) {
          own.push(intake.markDue(ours, [round + 1]));
          await Promise.all(computers.map((id) => intake.markDue(others, [id])));
        }
      });
    });
    expect(apart).toBe(true);
    await Promise.all(own);
    const counts =
      await sql`select sum(wanted_revision)::int as wanted from computers where tenant_id = ${ours.tenantId}`;
    expect(counts[0]).toEqual({ wanted: 40 + 80 + 20 });
  });

  it('lets a key in whose last use cannot be noted now, and notes it when it is free', async () => {
    const key = `esp_${'k'.repeat(43)}`;
    const { instanceId, tenantId } = ours;
    const keyHash = await hashKey(key);
    const made = { tenantId, instanceId, keyId: crypto.randomUUID(), name: 'x', keyHash, prefix: 'esp_kkkk' };
    await insertInstanceKey(sql, made);
    const keys = createInstanceKeys(sql, { sharing: 'process', log });
    const holder = await whileLocked(() => keys.instanceOfKey(key));
    expect(holder).toEqual({ tenantId, instanceId });
    await eventually(async () => {
      const [row] = await sql`select last_used_at as "usedAt" from instance_keys where key_hash = ${keyHash}`;
      expect(row?.usedAt).toBeInstanceOf(Date);
    });
  });

  it('delays no push of another tenant', async () => {
    const push = (origin: typeof ours, id: number) =>
      intake.storeRecords(origin, [{ jamfComputerId: id, text: '{}', reportAt: new Date(1_000) }]);
    let own: Promise<void>[] = [];
    const apart = await whileLocked(async () => {
      own = computers.map((id) => push(ours, id));
      return othersPass(own, () => Promise.all(computers.map((id) => push(others, id))));
    });
    expect(apart).toBe(true);
    await Promise.all(own);
  });

  it('delays no change notification of another tenant', async () => {
    const turns = createKeyedSemaphore(2);
    const notify = ({ tenantId }: typeof ours) =>
      takeNotifications({ sql, turns }, tenantId, [
        {
          subscriptionId: 'x',
          clientState: 'state',
          tenantId,
          what: { kind: 'change', change: 'updated', objectId: crypto.randomUUID(), members: undefined },
        },
      ]);
    let own: Promise<unknown>[] = [];
    const apart = await whileLocked(async () => {
      own = computers.map(() => notify(ours));
      return othersPass(own, async () => expect(await notify(others)).toEqual(['noted']));
    });
    expect(apart).toBe(true);
    expect(await Promise.all(own)).toEqual(computers.map(() => ['noted']));
  });

  it('delays no finding, message, put-off, timeline or lease of another tenant', async () => {
    const store = createReportStore({ sql, timeline, onDue: () => undefined });
    const holder = crypto.randomUUID();
    const schedule = { background: false, limit: 1 };
    const reports = await store.lease(
      holder,
      [ours, others].map(({ tenantId }) => ({ schedule: { ...schedule, tenantId }, limit: 1 })),
    );
    const reportOf = ({ tenantId }: typeof ours) =>
      reports.find((row) => row.tenantId === tenantId) as DueReport;
    const message = (origin: typeof ours) =>
      store.storeMessage(holder, {
        messageId: crypto.randomUUID(),
        at: new Date(),
        parts: [{ row: reportOf(origin), entities: '{}', lastUpdateAt: new Date() }],
      });
    const settle = (origin: typeof ours) =>
      store.settle([
        { row: reportOf(origin), holder, found: { state: 'held', waitSeconds: 60, attempts: 1 } },
      ]);
    const postpone = createPostpone(sql, () => undefined);
    const putOff = ({ instanceId, tenantId }: typeof ours) =>
      postpone({ tenantId, instanceId, jamfComputerId: 1, wantedRevision: 1 } as DueComputer, holder, {
        seconds: 60,
        error: null,
      });
    await sql`update computers set lease_owner = ${holder}, lease_until = now() + interval '1 minute' where jamf_computer_id = 1`;
    let nowMs = 0;
    const readers = createReaders(sql, holder, () => nowMs);
    await readers.hold([ours, others]);
    let own: Promise<unknown>[] = [];
    const apart = await whileLocked(async () => {
      own = [message(ours), ...computers.map(() => store.stillHeld(holder, [reportOf(ours)])), putOff(ours)];
      return othersPass(own, async () => {
        expect((await message(others)).size).toBe(1);
        own.push(settle(ours));
        await settle(others);
        await putOff(others);
        const event = { stage: 'sent' as const };
        timeline.add(
          [ours, others].map(({ tenantId }) => ({ ...event, tenantId, deviceId: deviceOf.get(tenantId)! })),
        );
        for (let looks = 0; ; looks += 1) {
          const told = await sql`select 1 from timeline where tenant_id = ${others.tenantId}`;
          if (told.length > 1) break;
          expect(looks).toBeLessThan(200);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        nowMs = 8_000;
        await readers.renew();
        nowMs = 12_500;
        expect(await readers.hold([others])).toEqual(new Set([instanceKey(others)]));
      });
    });
    expect(apart).toBe(true);
    await Promise.all(own);
    await timeline.idle();
  });
});
