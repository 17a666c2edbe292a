/** What is compared between a large and a small fleet; each is one run, and the benchmark takes the time. */

import { newId } from '../../src/ids.ts';
import { leaseComputers } from '../../src/store/computers/leases.ts';
import type { Sql, Transaction } from '../../src/store/database.ts';
import { lookForOldest, readOldestAges } from '../../src/store/oldest-waiting.ts';
import { readReportCounts } from '../../src/store/reports/counts.ts';
import { leaseReports } from '../../src/store/reports/leases.ts';
import { lookAtSchedules, mendSchedules } from '../../src/store/schedules.ts';
import { macRecord } from '../fleet.ts';
import { pause } from '../run.ts';
import type { Side } from './side.ts';

export interface Work {
  readonly name: string;
  run(side: Side): Promise<unknown>;
  /** Why it takes longer with more, where it does. */
  readonly grows?: string;
}

const takenBack = new Error('taken back');

/** Runs it in a transaction that leaves nothing behind. */
const takingBack = (sql: Sql, work: (tx: Transaction) => Promise<unknown>): Promise<unknown> =>
  sql
    .begin(async (tx) => {
      await work(tx);
      throw takenBack;
    })
    .catch((error: unknown) => {
      if (error !== takenBack) throw error;
    });

/** As the stage leases when many schedules are due. */
const schedulesOfLease = 64;
const rowsOfSchedule = 2;

/** The first tenants of the fleet, of which three devices in a hundred are made due for this transaction. */
async function lease(side: Side): Promise<void> {
  await takingBack(side.product, async (tx) => {
    const tenants = await tx<{ tenantId: string }[]>`
      select tenant_id as "tenantId" from tenants order by tenant_id limit ${schedulesOfLease}`;
    const sql = tx as unknown as Sql;
    await leaseReports(
      sql,
      newId(),
      tenants.map(({ tenantId }) => ({ tenantId, background: false, limit: rowsOfSchedule })),
    );
    const instances = await tx<{ tenantId: string; instanceId: string }[]>`
      select tenant_id as "tenantId", instance_id as "instanceId" from instances order by 1, 2 limit ${schedulesOfLease}`;
    await leaseComputers(
      sql,
      newId(),
      instances.map((instance) => ({
        schedule: { ...instance, kind: 'read', background: false },
        limit: rowsOfSchedule,
      })),
    );
  });
}

async function survey({ product }: Side): Promise<void> {
  for (const stage of ['computers', 'reports'] as const) {
    let last: Awaited<ReturnType<typeof mendSchedules>>['last'];
    do last = (await mendSchedules(product, stage, last)).last;
    while (last !== undefined);
  }
}

const webhooksOfRun = 50;

/** Webhooks about computers that are known, one after the other. */
async function webhooks({ data, paused: { instanceId, key } }: Side): Promise<void> {
  for (let computer = 1; computer <= webhooksOfRun; computer += 1) {
    const answer = await data({
      method: 'POST',
      path: `/jamf/${instanceId}/webhooks`,
      head: `content-type: application/json\r\nx-api-key: ${key}\r\n`,
      body: `{"webhook":{"webhookEvent":"ComputerInventoryCompleted"},"event":{"computer":{"jssID":${computer}}}}`,
    });
    if (answer.status !== 202) throw new Error(`a webhook was answered ${answer.status}: ${answer.text}`);
  }
}

export const recordsOfRun = 100;
/** Beside the computers of the fleet. */
const firstPushed = 1_000_000;
const takenInWithinMs = 60_000;
let pushes = 0;

/** Pushed records until all of them are claims, routes and reports. */
export async function takeIn({ data, pushing, sql, tenantId }: Side): Promise<void> {
  const { instanceId, key } = pushing;
  pushes += 1;
  const state = {
    osVersion: `26.${pushes}`,
    compliant: pushes % 2 === 1,
    reportDate: new Date().toISOString(),
  };
  const records = Array.from({ length: recordsOfRun }, (_, n) => macRecord(7, firstPushed + n, state));
  const answer = await data({
    method: 'POST',
    path: `/jamf/${instanceId}/inventory`,
    head: `content-type: application/x-ndjson\r\nx-api-key: ${key}\r\n`,
    body: records.join('\n'),
  });
  if (answer.status !== 202) throw new Error(`a push was answered ${answer.status}: ${answer.text}`);
  const deadline = performance.now() + takenInWithinMs;
  for (;;) {
    const [left] = await sql<{ waiting: number }[]>`
      select count(*)::int as waiting from computers
      where tenant_id = ${tenantId} and instance_id = ${instanceId} and jamf_computer_id > ${firstPushed}
        and pushed_record is not null`;
    if (left?.waiting === 0) return;
    if (performance.now() > deadline) throw new Error(`${left?.waiting} pushed records were not taken in`);
    await pause(5);
  }
}

/** One answer of the admin API, all of it. */
const asked =
  (path: (side: Side) => string, accept = 'application/json') =>
  async (side: Side): Promise<void> => {
    const answer = await side.admin({
      method: 'GET',
      path: `/api/v1${path(side)}`,
      head: `${side.adminHead}accept: ${accept}\r\n`,
      body: null,
    });
    if (answer.status !== 200) throw new Error(`${path(side)} answered ${answer.status}: ${answer.text}`);
  };

const ofTenant = (path: string) => (side: Side) => `/tenants/${side.tenantId}${path}`;
const everyTenant = 'it reads a row of each tenant';

export const works: readonly Work[] = [
  {
    name: 'numbers and ages of reports',
    run: async ({ product }) => {
      await readReportCounts(product, undefined);
      await readOldestAges(product);
    },
    grows: everyTenant,
  },
  {
    name: 'a scrape',
    run: async ({ ops }) => {
      const { status } = await ops({ method: 'GET', path: '/metrics', head: '', body: null });
      if (status !== 200) throw new Error(`/metrics answered ${status}`);
    },
    grows: 'it has a line for each instance',
  },
  {
    name: 'look for the oldest',
    run: ({ product }) => takingBack(product, lookForOldest),
    grows: 'it reads what waits, and a row of each tenant; one process, at most 1/300 of its time',
  },
  { name: 'look at the schedules', run: ({ product }) => lookAtSchedules(product, 'computers') },
  {
    name: 'survey of the schedules',
    run: survey,
    grows: 'it steps through what waits; one process, at most 1/300 of its time',
  },
  { name: 'claim: leases of 64 schedules of both stages', run: lease },
  { name: `intake: ${webhooksOfRun} webhooks`, run: webhooks },
  { name: `take-in: ${recordsOfRun} pushed records`, run: takeIn },
  { name: 'list of tenants', run: asked(() => '/tenants?page=0'), grows: 'it counts the tenants' },
  { name: 'list of devices', run: asked(ofTenant('/devices')) },
  { name: 'list of reports', run: asked(() => '/reports'), grows: everyTenant },
  { name: 'list of held reports', run: asked(() => '/reports?filter=state==held'), grows: everyTenant },
  { name: 'overview', run: asked(() => '/overview'), grows: 'it counts what is wrong, of every tenant' },
  { name: 'status of a tenant', run: asked(ofTenant('/status')) },
  {
    name: 'search by a serial number',
    run: asked(() => '/search?q=C12'),
    grows: 'it looks into every tenant of the key, by an index of each',
  },
  {
    name: 'timeline',
    run: asked(({ deviceId, tenantId }) => `/tenants/${tenantId}/devices/${deviceId}/timeline`),
  },
  {
    name: 'explain',
    run: asked(({ deviceId, tenantId }) => `/tenants/${tenantId}/devices/${deviceId}/explain`),
  },
  { name: 'export of a tenant', run: asked(ofTenant('/devices/export'), 'text/csv') },
];
