import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/ids.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createBrake, type Worsening } from '../../src/store/reports/brake.ts';
import { decideHold, endEmptyHolds, wakeReleased } from '../../src/store/reports/mass-changes.ts';
import type { DueReport } from '../../src/store/reports/report-row.ts';
import { createReportStore } from '../../src/store/reports/report-store.ts';
import type { MassChangeMode } from '../../src/store/row-types.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { addOrigin } from '../harness/due-rows.ts';

/** The brake itself against the database: what is counted, when it holds, and what a release lets go. */

let database: TestDatabase;
let sql: Sql;
const log = createLog({ level: 'error', format: 'json', write: () => undefined });

beforeAll(async () => {
  database = await createTestDatabase();
  sql = openDatabase(database.url, { connections: 12, applicationName: 'brake' });
});
afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await database?.drop();
});

const timeline = { add: () => undefined, trim: () => undefined, idle: async () => undefined };

/** A process of the gateway, as far as the brake goes. */
function startProcess(mode: MassChangeMode = 'hold-unmanaged', percent = 30) {
  const counted: string[] = [];
  const brake = createBrake({
    ...{ sql, mode, percent, newId, log },
    elapsedMs: () => performance.now(),
    onWorse: (worsening, outcome, devices) => {
      for (let device = 0; device < devices; device += 1) counted.push(`${worsening} ${outcome}`);
    },
  });
  const store = createReportStore({ sql, timeline, onDue: () => undefined });
  return { brake, counted, store };
}

/** So many routed devices of a new tenant, which Intune was told as good, and whose newest state waits. */
async function makeTenant(devices: number) {
  const origin = await addOrigin(sql);
  const { instanceId, tenantId } = origin;
  const told = JSON.stringify([{ DeviceManagementState: 'managed' }, { complianceStatus: 'compliant' }]);
  await sql`
    with made as (select gen_random_uuid() as id, number from generate_series(1, ${devices}) as number), routed as (
      insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
      select ${tenantId}, id, ${instanceId}, number, 'only-claim', 1 from made
    )
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, sent_revision, revision, sent_content)
    select ${tenantId}, id, '{"managed":false,"deviceName":"Mac"}', 'made', ${instanceId}, 1, 2, ${told} from made`;
  return origin;
}

const lease = (process: ReturnType<typeof startProcess>, tenantId: string, limit: number) => {
  const holder = newId();
  const share = { schedule: { tenantId, background: false }, limit } as never;
  return process.store.lease(holder, [share]).then((rows) => ({ holder, rows }));
};

const admitEach = async (
  { brake }: ReturnType<typeof startProcess>,
  { holder, rows }: { readonly holder: string; readonly rows: readonly DueReport[] },
  worsening: Worsening = 'unmanaged',
): Promise<number> => {
  const held = await Promise.all(rows.map((row) => brake.admit(holder, [{ row, worsening }])));
  return held.filter((one) => one.size > 0).length;
};

/** The rows as they are when they are looked at again. */
const again = async (
  process: ReturnType<typeof startProcess>,
  { holder, rows }: { readonly holder: string; readonly rows: readonly DueReport[] },
  tenantId: string,
) => {
  await process.store.release(rows, holder);
  return lease(process, tenantId, 500);
};

const holdsOf = (tenantId: string) => sql<
  { holdId: string; state: string; macs: number; unmanaged: number; notCompliant: number }[]
>`
  select hold_id as "holdId", state, macs, unmanaged, not_compliant as "notCompliant" from mass_changes
  where tenant_id = ${tenantId} order by opened_at`;

it('lets 49 through and holds from the 50th on where the share is smaller', async () => {
  const { tenantId } = await makeTenant(60);
  const process = startProcess();
  const leased = await lease(process, tenantId, 500);
  expect(await admitEach(process, leased)).toBe(11);
  expect(await holdsOf(tenantId)).toMatchObject([
    { state: 'open', macs: 60, unmanaged: 50, notCompliant: 0 },
  ]);
  expect(process.counted.filter((one) => one === 'unmanaged told')).toHaveLength(49);
  const [entry] = await sql`
    select author, author_kind from history where tenant_id = ${tenantId} and action = 'hold.open'`;
  expect(entry).toEqual({ author: 'espalier', author_kind: 'gateway' });
});

it('holds from the share on where the tenant is large', async () => {
  const { tenantId } = await makeTenant(200);
  const process = startProcess();
  // More than 30 percent of 200: the 61st and all after it.
  expect(await admitEach(process, await lease(process, tenantId, 500))).toBe(140);
});

it('never holds a tenant with fewer than 50 Macs', async () => {
  const { tenantId } = await makeTenant(49);
  const process = startProcess('hold-all', 1);
  expect(await admitEach(process, await lease(process, tenantId, 500))).toBe(0);
  expect(await holdsOf(tenantId)).toEqual([]);
});

it('several processes that decide at once open one hold, and let no more through than one', async () => {
  const { tenantId } = await makeTenant(300);
  const processes = [startProcess(), startProcess(), startProcess()];
  const leases: Awaited<ReturnType<typeof lease>>[] = [];
  for (const process of processes) leases.push(await lease(process, tenantId, 100));
  const held = await Promise.all(processes.map((process, at) => admitEach(process, leases[at]!)));
  const told = 300 - held.reduce((sum, one) => sum + one, 0);
  expect(await holdsOf(tenantId)).toHaveLength(1);
  // Each of them may have one under way that the others do not see yet.
  expect(told).toBeLessThanOrEqual(90);
  expect(told).toBeGreaterThanOrEqual(90 - processes.length);
});

it('counts a device once an hour, however often it is tried and whoever tries it', async () => {
  const { tenantId } = await makeTenant(40);
  const process = startProcess('hold-all', 1);
  let leased = await lease(process, tenantId, 500);
  for (let round = 0; round < 3; round += 1) {
    expect(await admitEach(process, leased)).toBe(0);
    leased = await again(process, leased, tenantId);
  }
  const sum = async () =>
    (
      await sql<{ sum: number }[]>`
      select sum(unmanaged)::int as sum from worse_counts where tenant_id = ${tenantId}`
    )[0]!.sum;
  expect(await sum()).toBe(40);
  // An hour later they count again, and what was counted before does not.
  await sql`update reports set worse_at = worse_at - interval '61 minutes' where tenant_id = ${tenantId}`;
  await sql`update worse_counts set at = at - interval '70 minutes' where tenant_id = ${tenantId}`;
  expect(await admitEach(process, leased)).toBe(0);
  expect(await sum()).toBe(40);
});

it('a lease that was lost counts nothing', async () => {
  const { tenantId } = await makeTenant(60);
  const process = startProcess();
  const { rows } = await lease(process, tenantId, 500);
  expect(await admitEach(process, { holder: newId(), rows })).toBe(0);
  expect(await sql`select 1 from worse_counts where tenant_id = ${tenantId}`).toHaveLength(0);
});

it('holds by mode: only the unmanaged, both, or none', async () => {
  for (const [mode, worsening, expected] of [
    ['hold-unmanaged', 'not-compliant', 0],
    ['hold-all', 'not-compliant', 11],
    ['hold-all', 'unmanaged', 11],
    ['alert', 'unmanaged', 0],
  ] as const) {
    const { tenantId } = await makeTenant(60);
    const process = startProcess(mode);
    expect([mode, await admitEach(process, await lease(process, tenantId, 500), worsening)]).toEqual([
      mode,
      expected,
    ]);
    // Each of them is told as an alert.
    expect(await holdsOf(tenantId)).toMatchObject([{ state: 'open' }]);
  }
});

it('what waits is held again when it is looked at, until it is released; then it passes, and the count begins anew', async () => {
  const { tenantId } = await makeTenant(60);
  const process = startProcess();
  let leased = await lease(process, tenantId, 500);
  await admitEach(process, leased);
  await sql`
    update reports set state = 'held', next_try_at = now() + interval '10 minutes'
    where tenant_id = ${tenantId} and hold_id is not null`;
  await sql`delete from reports where tenant_id = ${tenantId} and hold_id is null`;
  const [hold] = await holdsOf(tenantId);
  const key = { tenantId, holdId: hold!.holdId };
  await sql`update reports set next_try_at = now() where tenant_id = ${tenantId}`;
  leased = await again(process, leased, tenantId);
  expect(leased.rows).toHaveLength(11);
  expect(await admitEach(process, leased)).toBe(11);
  await sql.begin((tx) => decideHold(tx, key, { state: 'released', by: 'ann' }));
  // A process that leases a report before `wakeReleased` reaches it finds the release too.
  leased = await again(process, leased, tenantId);
  expect(await admitEach(process, leased)).toBe(0);
  expect(await wakeReleased(sql, key)).toBe(11);
  expect(await sql`select 1 from worse_counts where tenant_id = ${tenantId}`).toHaveLength(0);
  const rows = await sql`
    select 1 from reports where tenant_id = ${tenantId} and background and next_try_at < now() + interval '1 second'`;
  expect(rows).toHaveLength(11);
});

it('a hold that holds nothing ends after an hour, and one that holds something does not', async () => {
  const tenants = [await makeTenant(60), await makeTenant(60), await makeTenant(60)];
  for (const { tenantId } of tenants) {
    const process = startProcess();
    await admitEach(process, await lease(process, tenantId, 500));
    await sql`update reports set state = 'held' where tenant_id = ${tenantId} and hold_id is not null`;
  }
  const [empty, young, full] = tenants.map(({ tenantId }) => tenantId);
  await sql`update reports set state = 'due' where tenant_id = any(${[empty!, young!]}::uuid[])`;
  await sql`
    update mass_changes set opened_at = now() - interval '61 minutes' where tenant_id = any(${[empty!, full!]}::uuid[])`;
  await endEmptyHolds(sql);
  expect(await holdsOf(empty!)).toMatchObject([{ state: 'over' }]);
  expect(await holdsOf(young!)).toMatchObject([{ state: 'open' }]);
  expect(await holdsOf(full!)).toMatchObject([{ state: 'open' }]);
});
