import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type postgres from 'postgres';
import { migrateDatabase } from '../src/runtime/node-migrate.ts';
import { freePort } from '../test/harness/ports.ts';
import { ownSettings } from './admin-api.ts';
import { startDatabase } from './database.ts';
import { startGateway } from './gateway.ts';
import { type Finding, type Run, wait } from './run.ts';
import { columns, whole } from './table.ts';
import { familyProcessorSeconds, processorSeconds } from './usage.ts';

/**
 * What a fleet costs that has nothing to do just now: 10,000 tenants with three instances each, every one with a computer and
 * a report that wait for a later time. Processor time of PostgreSQL and of each gateway.
 */

const tenants = 10_000;
const instancesOfTenant = 3;
const defaultSeconds = 30;
const defaultProcesses = 2;
/** The first looks, and what a start does once, are over. */
const settleMs = 10_000;

const content = JSON.stringify({ deviceName: 'Mac', managed: true, inventoryState: 0, verdict: 'unknown' });

/** Nothing of it is due while the bench lasts, and each row has another time. */
async function seedIdle(sql: postgres.Sql): Promise<void> {
  const tenant = sql`md5('tenant' || n)::uuid`;
  const instance = sql`md5('instance' || n || '/' || i)::uuid`;
  const later = sql`now() + interval '1 day' + random() * interval '1 day'`;
  const fleet = sql`generate_series(0, ${tenants - 1}::int) n, generate_series(1, ${instancesOfTenant}::int) i`;
  await sql`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state, connected_at,
      next_heartbeat_at, partner_state_at, permissions_checked_at)
    select ${tenant}, 'public', 'Tenant ' || n, 'device-compliance', 'cloud-connector', '{"choice":"default"}', 'connected',
      now(), ${later}, ${later}, ${later}
    from generate_series(0, ${tenants - 1}::int) n`;
  await sql`
    insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
    select ${tenant}, ${instance}, 'Instance ' || i, 'https://jamf.example', 'client', '{"source":"jamf"}' from ${fleet}`;
  await sql`
    insert into instance_reading (tenant_id, instance_id, next_poll_at, next_reconcile_at)
    select ${tenant}, ${instance}, ${later}, ${later} from ${fleet}`;
  await sql`
    insert into computers (tenant_id, instance_id, jamf_computer_id, next_try_at)
    select ${tenant}, ${instance}, 1, ${later} from ${fleet}`;
  await sql`
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, state, reason, next_try_at)
    select ${tenant}, md5('device' || n || '/' || i)::uuid, ${content}, 'x', ${instance}, 'held', 'verdict-unknown', ${later}
    from ${fleet}`;
  // The feed of these changes is that of a fleet made at once; processes that start now need none of it.
  await sql`delete from change_feed`;
  await sql`vacuum analyze`;
}

interface Idle {
  readonly seconds: number;
  readonly postgres: number;
  readonly gateways: readonly number[];
}

const percent = (seconds: number, of: number): string => `${((100 * seconds) / of).toFixed(2)} %`;

async function measure(run: Run): Promise<Idle> {
  const { seconds = defaultSeconds, rounds: processes = defaultProcesses } = run.options;
  await using stack = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const database = await startDatabase(stack, dir);
  await migrateDatabase(database.url);
  await seedIdle(database.sql);
  const pids: number[] = [];
  for (let n = 0; n < processes; n += 1) {
    const gateway = await startGateway({
      ...ownSettings(join(dir, `${n}`), database.url, await freePort()),
      ESPALIER_LOG_LEVEL: 'error',
    });
    stack.defer(() => gateway.stop());
    pids.push(gateway.pid);
  }
  await wait(settleMs, run.signal);
  const read = () => ({
    postgres: familyProcessorSeconds(database.pid) ?? Number.NaN,
    gateways: pids.map((pid) => processorSeconds(pid) ?? Number.NaN),
    at: performance.now(),
  });
  const before = read();
  await wait(seconds * 1_000, run.signal);
  const after = read();
  return {
    seconds: (after.at - before.at) / 1_000,
    postgres: after.postgres - before.postgres,
    gateways: after.gateways.map((used, index) => used - (before.gateways[index] ?? 0)),
  };
}

export async function idle(run: Run): Promise<Finding[]> {
  const { gateways, postgres, seconds } = await measure(run);
  const lines = columns([
    ['', 'PostgreSQL', ...gateways.map((_, index) => `gateway ${index + 1}`)],
    ['busy', ...[postgres, ...gateways].map((used) => percent(used, seconds))],
  ]);
  const title = `${whole(tenants)} tenants, ${whole(tenants * instancesOfTenant)} instances with nothing due; share of one processor`;
  return [{ title, lines, data: { tenants, instancesOfTenant, seconds, postgres, gateways } }];
}
