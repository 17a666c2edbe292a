import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { readOldestAges } from '../../src/store/oldest-waiting.ts';
import {
  addUpChanges,
  lockCounting,
  noReports,
  type ReportCounts,
  readReportCounts,
  reportStates,
} from '../../src/store/reports/counts.ts';
import { makeDue, retractReports } from '../../src/store/reports/due.ts';
import { createCountKeeping } from '../../src/store/reports/keep-counts.ts';
import type { DueReport } from '../../src/store/reports/report-row.ts';
import { createReportStore } from '../../src/store/reports/report-store.ts';
import { setReports } from '../../src/store/reports/set-reports.ts';
import { withRetries } from '../../src/store/retry.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** The numbers of reports that are kept agree with the reports, whoever writes them, in every moment. */

let database: TestDatabase;
let sql: Sql;
const lines: string[] = [];
const log = createLog({ level: 'debug', format: 'json', write: (line) => lines.push(line) });

beforeAll(async () => {
  database = await createTestDatabase();
  sql = openDatabase(database.url, { connections: 8, applicationName: 'counts' });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

const idOf = (kind: number, number: number): string =>
  `0000000${kind}-0000-4000-8000-${String(number).padStart(12, '0')}`;
const tenantOf = (number: number): string => idOf(1, number);
const deviceOf = (number: number): string => idOf(2, number);
const instanceId = idOf(3, 0);

const insertTenant = (tenantId: string) => sql`
  insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
  values (${tenantId}, 'public', 'Contoso', 'device-compliance', 'cloud-connector', '{}', 'connected')
  on conflict do nothing`;

const set = (tenantId: string, devices: readonly number[], version: number) =>
  sql.begin((tx) =>
    setReports(
      tx,
      tenantId,
      devices.map((device) => ({
        deviceId: deviceOf(device),
        instanceId,
        content: { lastCheckInAt: null, deviceName: `Mac ${version}` },
        traceparent: null,
      })),
    ),
  );

/** Kept numbers and a full count, of one moment. */
async function bothCounts(
  tenantId?: string,
): Promise<{ kept: ReportCounts | undefined; full: ReportCounts }> {
  return sql.begin('isolation level repeatable read', async (tx) => {
    const rows = await tx<{ state: string; count: number }[]>`
      select state, count(*) as count from reports
      where ${tenantId === undefined ? tx`true` : tx`tenant_id = ${tenantId}`} group by state`;
    const full = { ...noReports, ...Object.fromEntries(rows.map(({ count, state }) => [state, count])) };
    return { kept: await readReportCounts(tx, tenantId === undefined ? undefined : [tenantId]), full };
  }) as Promise<{ kept: ReportCounts | undefined; full: ReportCounts }>;
}

async function expectAgreement(tenantId?: string): Promise<ReportCounts> {
  const { full, kept } = await bothCounts(tenantId);
  expect(kept).toEqual(full);
  return full;
}

const addUp = (limit: number) =>
  sql.begin(async (tx) => ((await lockCounting(tx)) ? addUpChanges(tx, limit) : 0));

async function addUpAll(): Promise<void> {
  while ((await addUp(3)) > 0);
}

/** Small, seeded: the same steps again with the same number (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

describe('the numbers of reports', () => {
  it('follow each change before and after it is added up', async () => {
    const tenantId = tenantOf(1);
    await insertTenant(tenantId);
    await set(tenantId, [1, 2, 3], 1);
    expect(await expectAgreement(tenantId)).toEqual({ ...noReports, due: 3 });
    await addUpAll();
    expect(await expectAgreement(tenantId)).toEqual({ ...noReports, due: 3 });
    await sql`update reports set state = 'failed', failed_at = now(), next_try_at = null
      where tenant_id = ${tenantId} and device_id = ${deviceOf(1)}`;
    expect(await expectAgreement(tenantId)).toEqual({ ...noReports, due: 2, failed: 1 });
    const [row] = await sql<{ changes: number }[]>`select count(*)::int as changes from report_count_changes`;
    expect(row).toEqual({ changes: 1 });
    await addUpAll();
    await expectAgreement();
  });

  it('write nothing for a lease', async () => {
    await addUpAll();
    await sql`update reports set lease_until = now(), attempts = attempts + 1`;
    const [row] = await sql<{ changes: number }[]>`select count(*)::int as changes from report_count_changes`;
    expect(row).toEqual({ changes: 0 });
  });

  it('leave nothing behind of a tenant that is deleted', async () => {
    const tenantId = tenantOf(1);
    await sql`delete from tenants where tenant_id = ${tenantId}`;
    expect(await expectAgreement(tenantId)).toEqual(noReports);
    await addUpAll();
    expect(await sql`select from report_counts where tenant_id = ${tenantId}`).toHaveLength(0);
    expect(await sql`select from report_count_changes where tenant_id = ${tenantId}`).toHaveLength(0);
  });

  it('do not make a writer wait for another one of the same tenant', async () => {
    const tenantId = tenantOf(2);
    await insertTenant(tenantId);
    await set(tenantId, [1, 2], 1);
    await sql.begin(async (open) => {
      await open`update reports set state = 'sent' where tenant_id = ${tenantId} and device_id = ${deviceOf(1)}`;
      await sql.begin(async (tx) => {
        await tx`set local lock_timeout = '1s'`;
        await tx`update reports set state = 'sent' where tenant_id = ${tenantId} and device_id = ${deviceOf(2)}`;
      });
      await addUpAll();
      expect(await expectAgreement(tenantId)).toEqual({ ...noReports, due: 1, sent: 1 });
    });
    expect(await expectAgreement(tenantId)).toEqual({ ...noReports, sent: 2 });
  });

  it('are not given for reports of before the counters until these were counted, and then are exact', async () => {
    const tenantId = tenantOf(3);
    await insertTenant(tenantId);
    await addUpAll();
    // As the migration finds a database of the version before.
    await sql.begin(async (tx) => {
      await tx`alter table reports disable trigger reports_count_insert`;
      await tx`insert into reports (tenant_id, device_id, content, content_hash, instance_id)
        select ${tenantId}, md5('device' || n)::uuid, '{}', '', ${instanceId} from generate_series(1, 11000) n`;
      await tx`alter table reports enable trigger reports_count_insert`;
      await tx`insert into report_counts (tenant_id, due, held, sent, accepted, completed, verified, failed, is_complete)
        values (${tenantId}, 0, 0, 0, 0, 0, 0, 0, false)`;
    });
    await sql`update reports set state = 'completed' where tenant_id = ${tenantId} and device_id < '80000000-0000-0000-0000-000000000000'`;
    expect((await bothCounts(tenantId)).kept).toBeUndefined();
    expect((await bothCounts(tenantOf(2))).kept).toBeDefined();
    const keep = createCountKeeping({ sql, log });
    await keep();
    const { completed, due } = await expectAgreement(tenantId);
    expect(completed + due).toBe(11_000);
    await expectAgreement();
    expect(lines.join('')).not.toContain('reports.counts-mended');
  });

  it('are mended and the fault is told where something wrote past the triggers', async () => {
    const tenantId = tenantOf(2);
    await sql`update report_counts set due = due + 5 where tenant_id = ${tenantId}`;
    await sql`insert into report_counts (tenant_id, due, held, sent, accepted, completed, verified, failed)
      values (${tenantOf(99)}, 0, 7, 0, 0, 0, 0, 0)`;
    // More turns than there are tenants: it begins behind a random one and goes round.
    const keep = createCountKeeping({ sql, log, pace: { everyMs: 0, reportsPerSecond: Infinity } });
    for (let turn = 0; turn < 8; turn += 1) await keep();
    await expectAgreement();
    expect(lines.filter((line) => line.includes('reports.counts-mended')).length).toBe(2);
    expect(await sql`select from report_counts where tenant_id = ${tenantOf(99)}`).toHaveLength(0);
  });

  it('give the age of the oldest that is not delivered', async () => {
    await sql`update reports set due_since = now() - interval '1 hour', state = 'held'
      where tenant_id = ${tenantOf(2)} and device_id = ${deviceOf(2)}`;
    await sql`update oldest_waiting set looked_at = now() - interval '1 minute'`;
    await createCountKeeping({ sql, log })();
    const { computersSeconds, reportsSeconds } = await readOldestAges(sql);
    expect([Math.round(reportsSeconds / 60), computersSeconds]).toEqual([60, 0]);
  });
});

describe('several processes at random', () => {
  const tenants = 5;
  const devices = 12;
  const processes = 4;
  const steps = 120;

  async function life(seed: number): Promise<void> {
    const random = randomOf(seed);
    const holder = idOf(4, seed);
    const store = createReportStore({
      sql,
      timeline: { add: () => undefined, trim: () => undefined, idle: async () => undefined },
      onDue: () => undefined,
    });
    const some = (): number[] =>
      Array.from({ length: 1 + random(5) }, () => random(devices)).sort((a, b) => a - b);
    const distinct = (): number[] => [...new Set(some())];
    const settle = async (rows: readonly DueReport[]): Promise<void> => {
      const states = ['accepted', 'completed', 'verified', 'failed', 'held', 'due'] as const;
      await store.settle(
        rows.map((row) => ({
          row,
          holder,
          found: { state: states[random(states.length)]!, waitSeconds: 0, attempts: 1, messageOpen: false },
        })),
      );
    };
    const takeStep = async (step: number): Promise<void> => {
      const tenantId = tenantOf(100 + random(tenants));
      const kind = random(8);
      if (kind === 0) await insertTenant(tenantId);
      // A tenant that another process has just deleted takes no report.
      else if (kind <= 2) await set(tenantId, distinct(), seed * 1_000 + step).catch(() => undefined);
      else if (kind === 3)
        await sql.begin((tx) =>
          makeDue(tx, tenantId, {
            which: (queries) => queries`true`,
            ...{ reason: 'replay', background: random(2) === 0, retracted: true, dueSince: 'now' },
          }),
        );
      else if (kind === 4) await sql.begin((tx) => retractReports(tx, tenantId, distinct().map(deviceOf)));
      else if (kind === 5 && random(6) === 0) await sql`delete from tenants where tenant_id = ${tenantId}`;
      else if (kind === 6) await addUp(1 + random(4));
      else {
        const shares = [false, true].map((background) => ({ schedule: { tenantId, background }, limit: 6 }));
        const leased = await store.lease(holder, shares);
        if (leased.length === 0) return;
        const [one] = leased;
        if (one !== undefined && random(2) === 0)
          await store.storeMessage(holder, {
            messageId: crypto.randomUUID(),
            at: new Date(),
            parts: [{ row: one, entities: '[]', lastUpdateAt: new Date() }],
          });
        await settle(leased);
      }
    };
    for (let step = 0; step < steps; step += 1) {
      // The database may choose one of two that wait for each other: what that one did is undone, and done anew.
      await withRetries(() => takeStep(step));
      if (step % 10 === 0) await expectAgreement();
    }
  }

  it.each([1, 2, 3])('keep numbers that agree with the reports in each moment (seed %i)', async (seed) => {
    for (let number = 0; number < tenants; number += 1) await insertTenant(tenantOf(100 + number));
    await Promise.all(Array.from({ length: processes }, (_, process) => life(seed * 10 + process)));
    const left = await expectAgreement();
    expect(reportStates.some((state) => left[state] > 0)).toBe(true);
    await addUpAll();
    await expectAgreement();
    for (let number = 0; number < tenants; number += 1) await expectAgreement(tenantOf(100 + number));
  });
});
