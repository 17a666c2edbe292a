import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { computerStage } from '../../src/delivery/computers/read-computer.ts';
import { createIntake, type Intake } from '../../src/delivery/intake.ts';
import { createCircuits } from '../../src/delivery/stage/circuit.ts';
import type { Stage } from '../../src/delivery/stage/run-stage.ts';
import type { JamfClient } from '../../src/jamf/client.ts';
import { parseComputer } from '../../src/jamf/inventory.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import type { DueComputer } from '../../src/store/computers/leases.ts';
import type { DueSchedule } from '../../src/store/due-rows.ts';
import { createInstanceDirectory } from '../../src/store/instances/instance.ts';
import { createTenantDirectory } from '../../src/store/tenants/tenant.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** Which wishes a pushed record satisfies, and which of two states is the newer one, on a real database. */
describe('pushes and reads', () => {
  let database: TestDatabase;
  let ref: { tenantId: string; instanceId: string };
  let intake: Intake;
  let stage: Stage<DueComputer>;
  let dueAgain: DueSchedule[];
  let deviceId: string;
  /** What the instance answers; undefined: 404, null: nothing. */
  let answer: { osVersion: string; reportDate: string | null } | undefined | null;
  let reads: number;
  let state: 'COMPLIANT' | 'UNKNOWN';
  /** Comes while the instance is asked for a verdict. */
  let meanwhile: () => Promise<void>;

  const backoff = { baseSeconds: 1, maxSeconds: 1 };
  const minutes = (count: number) => new Date(Date.now() + count * 60_000).toISOString();
  const record = (osVersion: string, reportDate: string | null) => ({
    id: '1',
    general: { name: 'mac', reportDate },
    operatingSystem: { version: osVersion },
    localUserAccounts: [{ username: 'u', computerAzureActiveDirectoryId: deviceId }],
    groupMemberships: [],
  });
  const client = {
    computer: async () => {
      reads += 1;
      if (answer === null) return { ok: false, failure: 'unreachable', detail: 'down' };
      if (answer === undefined) return { ok: false, failure: 'not-found', detail: '404' };
      const raw = record(answer.osVersion, answer.reportDate);
      return { ...parseComputer(raw), record: raw, inventoryVersion: 'v4' };
    },
    complianceInformation: async () => {
      await meanwhile();
      const judged = { jamfComputerId: '1', applicable: true, vendor: undefined, deviceIds: [deviceId] };
      return { ok: true, records: [{ ...judged, state }], warnings: [] };
    },
  } as unknown as JamfClient;

  const push = (osVersion: string, reportDate: string | null) => pushAll([osVersion, reportDate]);
  const pushAll = (...some: readonly (readonly [osVersion: string, reportDate: string | null])[]) =>
    intake.storeRecords(
      { ...ref, traceparent: null },
      some.map(([osVersion, reportDate]) => ({
        jamfComputerId: 1,
        text: JSON.stringify(record(osVersion, reportDate)),
        reportAt: reportDate === null ? null : new Date(reportDate),
      })),
    );
  const webhook = () => intake.markDue({ ...ref, traceparent: null }, [1]);
  const row = async () => {
    const [found] = await database.sql`
      select wanted_revision > done_revision as due, report_at as "reportAt", read_at as "readAt", gone_at as "goneAt",
        pushed_record as "pushedRecord" from computers`;
    return found!;
  };
  const told = async () => {
    const [report] = await database.sql<{ content: string }[]>`select content from reports`;
    return report && (JSON.parse(report.content) as { osVersion: string }).osVersion;
  };
  /** Works on what is due, once; says by which schedules. */
  const work = async () => {
    await database.sql`update computers set next_try_at = now() where next_try_at is not null`;
    const schedules = (['pushed', 'read'] as const).map((kind) => ({
      schedule: { ...ref, kind, background: false },
      limit: 10,
    }));
    const holder = crypto.randomUUID();
    const rows = await stage.lease(holder, schedules);
    for (const one of rows) await stage.work([one], holder);
    return rows.map(({ needsInstance }) => (needsInstance ? 'read' : 'pushed'));
  };
  const workOff = async () => {
    const kinds: string[] = [];
    for (let turn = 0; turn < 5 && (await row()).due; turn += 1) kinds.push(...(await work()));
    return kinds;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    const { sql } = database;
    await sql`delete from routes`;
    await sql`delete from tenants`;
    ref = { tenantId: crypto.randomUUID(), instanceId: crypto.randomUUID() };
    deviceId = crypto.randomUUID();
    [reads, answer, dueAgain] = [0, null, []];
    [state, meanwhile] = ['COMPLIANT', async () => undefined];
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
      values (${ref.tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}', 'connected')`;
    await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${ref.tenantId}, ${ref.instanceId}, 'x', 'https://jamf.example', 'x',
        ${JSON.stringify({ source: 'smart-group' })}::text::jsonb)`;
    intake = createIntake({ sharing: 'process', sql, onDue: () => undefined });
    stage = computerStage({
      sql,
      timeline: { add: () => undefined, trim: () => undefined, idle: async () => undefined },
      log: createLog({ level: 'error', format: 'json', write: () => undefined }),
      metrics: { inputIgnored: () => undefined },
      tenants: createTenantDirectory(sql),
      instances: createInstanceDirectory(sql),
      clientOf: () => client,
      circuits: createCircuits({ backoff, now: () => 0, unbounded: 1_000 }),
      mayRead: async () => new Set([`${ref.tenantId}/${ref.instanceId}`]),
      backoff,
      holdRecheckSeconds: 1,
      onDue: (schedule) => dueAgain.push(schedule),
      onReports: () => undefined,
      onRoutes: () => undefined,
    });
  });

  it('a push that comes before a webhook was read is told and does not stand in for the read', async () => {
    await push('15.1', minutes(-60));
    await workOff();
    answer = { osVersion: '15.3', reportDate: minutes(-1) };
    await webhook();
    await push('15.2', minutes(-30));
    expect(await work()).toEqual(['pushed']);
    expect(await told()).toBe('15.2');
    expect(await workOff()).toEqual(['read']);
    expect(await told()).toBe('15.3');
  });

  it('a webhook that comes before a push was taken in leads to a read, also where the record has the later date', async () => {
    answer = { osVersion: '15.3', reportDate: minutes(-1) };
    await push('15.2', minutes(0));
    await webhook();
    expect([await work(), await work()]).toEqual([['pushed'], ['read']]);
    answer = { osVersion: '15.4', reportDate: minutes(1) };
    await webhook();
    await push('15.3', minutes(-1));
    await push('15.3', minutes(0));
    await workOff();
    expect(await told()).toBe('15.4');
  });

  it('pushes alone ask the instance for nothing', async () => {
    for (const [version, at] of [
      ['15.1', -60],
      ['15.2', -30],
      ['15.1', -60],
      ['15.3', -1],
    ] as const) {
      await push(version, minutes(at));
      if ((await row()).due) expect(await workOff()).toEqual(['pushed']);
    }
    expect([await told(), reads]).toEqual(['15.3', 0]);
    expect(await row()).toMatchObject({ due: false, pushedRecord: null });
  });

  it('a push that serves while the instance does not answer leaves the read wished for', async () => {
    await webhook();
    await push('15.1', minutes(-60));
    await work();
    await push('15.2', minutes(-30));
    await webhook();
    await work();
    await work();
    expect([await told(), (await row()).due]).toEqual(['15.2', true]);
    answer = { osVersion: '15.3', reportDate: minutes(-1) };
    await workOff();
    expect(await told()).toBe('15.3');
  });

  it('a push without a verdict leaves the read wished for, also where another push follows it', async () => {
    await database.sql`update instances set compliance = '{"source":"jamf"}'`;
    await push('15.1', minutes(-60));
    await workOff();
    answer = { osVersion: '15.3', reportDate: minutes(-1) };
    await webhook();
    await push('15.1', minutes(-50));
    [state, meanwhile] = ['UNKNOWN', () => push('15.2', minutes(-30))];
    expect(await work()).toEqual(['pushed']);
    [state, meanwhile] = ['COMPLIANT', async () => undefined];
    expect(await workOff()).toEqual(['pushed', 'read']);
    expect(await told()).toBe('15.3');
  });

  it('a read that is older than the known state is asked for again, a few times', async () => {
    await push('15.2', minutes(-30));
    await workOff();
    answer = { osVersion: '15.1', reportDate: minutes(-60) };
    await webhook();
    expect(await work()).toEqual(['read']);
    expect([await told(), (await row()).due]).toEqual(['15.2', true]);
    answer = { osVersion: '15.3', reportDate: minutes(-1) };
    expect(await workOff()).toEqual(['read']);
    expect(await told()).toBe('15.3');
    answer = { osVersion: '15.1', reportDate: minutes(-60) };
    await webhook();
    expect(await workOff()).toEqual(Array.from({ length: 5 }, () => 'read'));
    expect([await told(), (await row()).due]).toEqual(['15.3', false]);
  });

  it('a Mac without a report date keeps none, and later records of it count', async () => {
    answer = { osVersion: '15.1', reportDate: null };
    await webhook();
    await workOff();
    expect(await row()).toMatchObject({ reportAt: null, readAt: expect.any(Date) });
    await push('15.2', minutes(1));
    expect(await workOff()).toEqual(['pushed']);
    expect([await told(), (await row()).readAt]).toEqual(['15.2', null]);
  });

  it('what was read without a date is followed by a read where an older or undated record is pushed', async () => {
    answer = { osVersion: '15.2', reportDate: null };
    await webhook();
    await workOff();
    for (const at of [minutes(-60), null]) {
      await push('15.1', at);
      expect(await workOff()).toEqual(['read']);
      expect(await told()).toBe('15.2');
    }
  });

  it('a pushed record without a date only makes a computer due of which a dated state is known', async () => {
    await push('15.2', minutes(-30));
    await workOff();
    answer = { osVersion: '15.3', reportDate: minutes(-1) };
    await push('15.1', null);
    expect(await workOff()).toEqual(['read']);
    expect(await told()).toBe('15.3');
    // In one push, in either order.
    for (const some of [
      [
        ['15.0', null],
        ['15.4', minutes(0)],
      ],
      [
        ['15.4', minutes(0)],
        ['15.0', null],
      ],
    ] as const) {
      answer = { osVersion: '15.5', reportDate: minutes(1) };
      await pushAll(...some);
      expect((await workOff()).at(-1)).toBe('read');
      expect(await told()).toBe('15.5');
    }
  });

  it.each([
    ['without a date', null, null],
    ['with its date ahead, or without one', minutes(60 * 24 * 365), null],
    ['without a date, or with one', null, minutes(-30)],
  ])(
    'after a state was told %s, no older push serves while the instance is down',
    async (_, told1, told0) => {
      await webhook();
      await push('15.2', told1);
      expect(await work()).toEqual(['pushed']);
      await push('15.1', told0);
      await work();
      expect([await told(), (await row()).due]).toEqual(['15.2', true]);
      answer = { osVersion: '15.3', reportDate: minutes(-1) };
      await workOff();
      expect(await told()).toBe('15.3');
    },
  );

  it('a record that waited while an undated one was taken in does not serve after it', async () => {
    await database.sql`update instances set compliance = '{"source":"jamf"}'`;
    await webhook();
    await push('15.2', null);
    meanwhile = () => push('15.1', null);
    await work();
    meanwhile = async () => undefined;
    await work();
    expect([await told(), (await row()).due]).toEqual(['15.2', true]);
  });

  it('a computer that was away for a while has no date by that', async () => {
    answer = undefined;
    await webhook();
    await work();
    await database.sql`update computers set not_found_since = now() - interval '91 seconds'`;
    await workOff();
    expect(await row()).toMatchObject({ reportAt: null, readAt: null, goneAt: expect.any(Date) });
    answer = { osVersion: '15.1', reportDate: minutes(-10) };
    await webhook();
    await workOff();
    expect(await told()).toBe('15.1');
    await push('15.2', minutes(-5));
    await workOff();
    expect(await told()).toBe('15.2');
  });

  it('a clock that was a year ahead blocks nothing once it is right', async () => {
    answer = { osVersion: '15.1', reportDate: minutes(60 * 24 * 365) };
    await webhook();
    await workOff();
    answer = { osVersion: '15.2', reportDate: minutes(60 * 24 * 365 + 5) };
    await webhook();
    await workOff();
    expect(await told()).toBe('15.2');
    await push('15.3', minutes(1));
    await workOff();
    expect(await told()).toBe('15.3');
    answer = { osVersion: '15.4', reportDate: minutes(2) };
    // Dated a year ahead, it is not newer than what is known.
    await push('15.0', minutes(60 * 24 * 365));
    await workOff();
    expect(await told()).toBe('15.4');
  });

  it('what is done is not said to be due', async () => {
    await push('15.1', minutes(-60));
    await workOff();
    expect(dueAgain).toEqual([]);
  });
});
