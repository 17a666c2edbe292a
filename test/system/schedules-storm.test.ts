import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/delivery/stage/clock.ts';
import { runStage, type Stage, type StageRunner } from '../../src/delivery/stage/run-stage.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createRandom, type Random } from '../../src/simulator/random.ts';
import { makeAllDue, retryNow } from '../../src/store/computers/due.ts';
import {
  type ComputerShare,
  computerSchedule,
  createPostpone,
  type DueComputer,
  leaseComputers,
  lockHeld,
  renewComputers,
  settleComputers,
} from '../../src/store/computers/leases.ts';
import { upsertDue } from '../../src/store/computers/revisions.ts';
import { openDatabase, type Sql, type Transaction } from '../../src/store/database.ts';
import { makeDue, recheckHeld } from '../../src/store/reports/due.ts';
import type { DueReport } from '../../src/store/reports/report-row.ts';
import { createReportStore } from '../../src/store/reports/report-store.ts';
import { setReports } from '../../src/store/reports/set-reports.ts';
import { inTransaction } from '../../src/store/retry.ts';
import { lookAtSchedules, settleSchedules } from '../../src/store/schedules.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { addOrigin, type Origin, unscheduled } from '../harness/due-rows.ts';
import { eventually } from '../harness/eventually.ts';

/**
 * Several processes and writers at once: rows become due, are leased, settled, put off, deleted, in transactions that are
 * slow or taken back. At no moment may a row wait without an entry of its schedule, and in the end everything is worked
 * by looks alone: nobody notifies, and no survey mends.
 */

const seed = Number(process.env.SCHEDULES_SEED ?? Date.now() % 1_000_000);
const stormMs = 5_000;
const processes = 3;
const writers = 4;
const tenants = 5;
const computersOfInstance = 12;

const quiet = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};
/** A transaction that was to be taken back, a tenant that was deleted meanwhile, and orders of locks that met. */
const isPartOfTheStorm = (error: unknown): boolean =>
  error instanceof TakenBack || ['23503', '40P01'].includes((error as { code?: string }).code ?? '');

class TakenBack extends Error {
  override readonly name = 'TakenBack';
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function computersOf(sql: Sql, random: Random, isOver: () => boolean): Stage<DueComputer> {
  const postpone = createPostpone(sql, () => undefined);
  const putOff = (row: DueComputer, holder: string) =>
    postpone(row, holder, { seconds: random.next(), error: 'not now' });
  const settle = (row: DueComputer, holder: string): Promise<unknown> =>
    inTransaction(sql, async (tx) => {
      const held = await lockHeld(tx, [{ row, holder }]);
      const outcome = {
        by: 'read',
        reportAt: undefined,
        udid: null,
        serialNumber: null,
        gone: false,
      } as const;
      const again = isOver() || random.next() < 0.7 ? null : random.next();
      await settleComputers(
        tx,
        [...held].map((one) => ({ row: one, ...outcome, againInSeconds: again, readInSeconds: 0 })),
      );
    });
  return {
    name: 'computers',
    look: () => lookAtSchedules(sql, 'computers'),
    settleSchedules: (schedules) => settleSchedules(sql, 'computers', schedules),
    lease: (holder, shares) => leaseComputers(sql, holder, shares as readonly ComputerShare[]),
    scheduleOf: computerSchedule,
    mayTake: () => (isOver() || random.next() < 0.9 ? 100 : 0),
    renew: (held) => renewComputers(sql, held),
    units: (rows) => rows.map((row) => [row]),
    work: async ([row], holder) => {
      if (row === undefined) return;
      await pause(random.next() * 40);
      if (!isOver() && random.next() < 0.1) throw new Error('foreseen by nobody');
      await (!isOver() && random.next() < 0.3 ? putOff(row, holder) : settle(row, holder));
    },
    fail: async ([row], holder) => {
      if (row !== undefined) await putOff(row, holder);
    },
  };
}

function reportsOf(sql: Sql, random: Random, isOver: () => boolean): Stage<DueReport> {
  const timeline = { add: () => undefined, trim: () => undefined, idle: async () => undefined };
  const store = createReportStore({ sql, timeline, onDue: () => undefined });
  return {
    name: 'reports',
    look: store.look,
    settleSchedules: store.settleSchedules,
    lease: store.lease,
    scheduleOf: ({ background, tenantId }) => ({ tenantId, background }),
    mayTake: () => 100,
    renew: store.renew,
    units: (rows) => rows.map((row) => [row]),
    work: async ([row], holder) => {
      if (row === undefined) return;
      await pause(random.next() * 40);
      const held = !isOver() && random.next() < 0.4;
      const found = held
        ? { state: 'held' as const, reason: 'storm', waitSeconds: random.next(), attempts: 1 }
        : { state: 'completed' as const, waitSeconds: null, attempts: 0 };
      await store.settle([{ row, holder, found }]);
    },
    fail: async () => undefined,
  };
}

/** Every way in which rows become due, and some in which they end. */
function acts(sql: Sql, random: Random, origins: Origin[]) {
  const ids = () => Array.from({ length: computersOfInstance }, (_, id) => id + 1);
  const some = () => ids().filter(() => random.next() < 0.4);
  const anyOrigin = () => random.pick(origins);
  const slowly = async (tx: Transaction): Promise<void> => {
    await pause(random.next() * 60);
    if (random.next() < 0.2) throw new TakenBack();
    await tx`select 1`;
  };
  const webhook = (on: Sql, origin: Origin) =>
    upsertDue(
      on,
      some().map((jamfComputerId) => ({ ...origin, jamfComputerId, traceparent: null, count: 1 })),
    );
  return [
    () => webhook(sql, anyOrigin()),
    () => webhook(sql, anyOrigin()),
    () =>
      inTransaction(sql, async (tx) => {
        await webhook(tx as unknown as Sql, anyOrigin());
        await slowly(tx);
      }),
    () =>
      inTransaction(sql, async (tx) => {
        const { instanceId, tenantId } = anyOrigin();
        const state = { lastCheckInAt: null, news: random.next() };
        const news = some().map((id) => ({
          deviceId: `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`,
          ...{ instanceId, content: state, traceparent: null },
        }));
        await setReports(tx, tenantId, news);
        await slowly(tx);
      }),
    () => makeAllDue(sql, anyOrigin(), random.next() < 0.5 ? 'fresh' : 'background'),
    () => inTransaction(sql, (tx) => retryNow(tx, anyOrigin())),
    () =>
      inTransaction(sql, (tx) =>
        makeDue(tx, anyOrigin().tenantId, {
          which: (on) => on`true`,
          ...{ reason: 'resync', background: random.next() < 0.7, retracted: true, dueSince: 'keep' },
        }),
      ),
    () => inTransaction(sql, (tx) => recheckHeld(tx, anyOrigin().tenantId, { retracted: true })),
    // A push that says all, written as any version may.
    () => sql`update computers set wanted_revision = wanted_revision + 1, pushed_revision = wanted_revision + 1,
      next_try_at = now() where tenant_id = ${anyOrigin().tenantId} and jamf_computer_id = ${random.integer(1, computersOfInstance)}`,
    async () => {
      if (random.next() > 0.1) return;
      const { tenantId } = anyOrigin();
      await sql`delete from tenants where tenant_id = ${tenantId}`;
      for (const [index, origin] of origins.entries())
        if (origin.tenantId === tenantId) origins[index] = await addOrigin(sql);
    },
  ];
}

describe('schedules in a storm', () => {
  let database: TestDatabase;
  const clients: Sql[] = [];
  const client = (connections: number): Sql => {
    const made = openDatabase(database.url, { connections, applicationName: 'test' });
    clients.push(made);
    return made;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(async () => {
    await Promise.all(clients.map((one) => one.end({ timeout: 2 })));
    await database?.drop();
  });

  it(`leave nothing unfound, seed ${seed}`, { timeout: 120_000 }, async () => {
    const random = createRandom(seed);
    let over = false;
    const isOver = () => over;
    const origins: Origin[] = [];
    while (origins.length < tenants) {
      const origin = await addOrigin(database.sql);
      origins.push(origin, await addOrigin(database.sql, origin.tenantId));
    }
    const runners: StageRunner[] = [];
    const options = { log: quiet, clock: systemClock, rows: 40, scheduleRows: 10 };
    for (let n = 0; n < processes; n += 1) {
      const sql = client(4);
      runners.push(runStage(computersOf(sql, random, isOver), options));
      runners.push(runStage(reportsOf(sql, random, isOver), options));
    }
    const surprises: unknown[] = [];
    const written = Array.from({ length: writers }, async () => {
      const all = acts(client(1), random, origins);
      for (; !over; await pause(random.next() * 30)) {
        await random
          .pick(all)()
          .catch((error: unknown) => {
            if (!isPartOfTheStorm(error)) surprises.push(error);
          });
      }
    });
    const endMs = performance.now() + stormMs;
    let looks = 0;
    for (; performance.now() < endMs; looks += 1) {
      expect(await unscheduled(database.sql), 'rows that wait without an entry in time').toBe(0);
      await pause(20);
    }
    over = true;
    await Promise.all(written);
    expect(surprises).toEqual([]);
    await eventually(async () => {
      const waiting = await database.sql`
        select 'computer' as kind from computers where next_try_at is not null
        union all select 'report' from reports where next_try_at is not null`;
      expect(await unscheduled(database.sql)).toBe(0);
      expect(waiting.length, 'rows that nobody worked').toBe(0);
    }, 60_000);
    const [worked] = await database.sql<{ computers: number; reports: number }[]>`
      select (select count(*)::int from computers) as computers, (select count(*)::int from reports) as reports`;
    expect(worked?.computers).toBeGreaterThan(0);
    expect(worked?.reports).toBeGreaterThan(0);
    expect(looks).toBeGreaterThan(10);
    await eventually(async () => {
      expect(await database.sql`select 1 from schedules`, 'entries of what is done end').toHaveLength(0);
    }, 30_000);
    await Promise.all(runners.map((runner) => runner.stop()));
  });
});
