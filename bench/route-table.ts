import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { preloadRoutes } from '../src/routing/preload.ts';
import type { RouteKey } from '../src/routing/route-segment.ts';
import { RouteTable, routeKey } from '../src/routing/route-table.ts';
import { migrateDatabase } from '../src/runtime/node-migrate.ts';
import { openDatabase } from '../src/store/database.ts';
import { startDatabase } from './database.ts';

/**
 * Memory and look-up time of the packed route table, and with `--preload` how long it takes to fill from PostgreSQL:
 * `node bench/route-table.ts 1000000 [--preload]`. Times are of the process's processor, so that neighbours on the
 * machine do not count; of the preload also by the clock.
 */

const routes = Number(process.argv[2] ?? 1_000_000);
const tenants = 1_000;
const lookUps = 2_000_000;
const rounds = 5;
const insertedAtOnce = 250_000;

const processorMs = (): number => process.cpuUsage().user / 1_000;
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const megabytes = (): string => `${Math.round(process.memoryUsage.rss() / 1_000_000)} MB`;

/** The words of a device's GUID, from its number alone: nothing to be kept beside the table. */
function setKey(key: RouteKey, number: number): void {
  key[0] = number % tenants;
  key[1] = 0x4000;
  key[4] = Math.imul(number, 0x9e3779b1);
  key[5] = Math.imul(number ^ 0x5bd1e995, 0x85ebca6b);
  key[6] = number;
  key[7] = Math.imul(number, 0xc2b2ae35);
}

function measureLookUps(): void {
  const table = new RouteTable({ entries: routes });
  const key = routeKey();
  const instance = new Int32Array(4);
  const beganMs = processorMs();
  let slowestMs = 0;
  for (let number = 0; number < routes; number += 1) {
    setKey(key, number);
    instance[0] = number % (3 * tenants);
    const putMs = performance.now();
    table.put(key, instance, number + 1, 1);
    slowestMs = Math.max(slowestMs, performance.now() - putMs);
  }
  const fillMs = processorMs() - beganMs;
  print(`${routes} routes: ${(table.bytes / routes).toFixed(1)} bytes a route, process ${megabytes()}`);
  print(`filled in ${(fillMs / 1_000).toFixed(2)} s, the slowest of them ${slowestMs.toFixed(1)} ms`);
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const roundMs = processorMs();
    let found = 0;
    for (let count = 0; count < lookUps; count += 1) {
      setKey(key, (Math.imul(count + round * lookUps, 0x9e3779b1) >>> 0) % routes);
      if (table.get(key)) found += 1;
    }
    if (found !== lookUps) throw new Error(`${lookUps - found} routes were not found`);
    times.push(((processorMs() - roundMs) / lookUps) * 1_000);
  }
  times.sort((a, b) => a - b);
  print(
    `look-up at random: median ${times[rounds >> 1]?.toFixed(2)} µs, ${times.map((us) => us.toFixed(2)).join(' ')}`,
  );
}

async function measurePreload(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-route-table-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const { url } = await startDatabase(stack, dir);
  await migrateDatabase(url);
  const open = () =>
    openDatabase(url, { connections: 1, applicationName: 'bench', statementTimeoutMs: 600_000 });
  const sql = open();
  stack.defer(() => sql.end());
  await sql`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
    select md5('tenant' || n)::uuid, 'public', 'Tenant ' || n, 'device-compliance', 'cloud-connector', '{}', 'connected'
    from generate_series(0, ${tenants - 1}::int) n`;
  await sql`
    insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
    select md5('tenant' || n)::uuid, md5('instance' || n)::uuid, 'instance', 'https://jamf.example', 'client', '{}'
    from generate_series(0, ${tenants - 1}::int) n`;
  for (let from = 0; from < routes; from += insertedAtOnce)
    await sql`
      insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
      select md5('tenant' || n % ${tenants}::int)::uuid, gen_random_uuid(), md5('instance' || n % ${tenants}::int)::uuid,
        n + 1, 'only-claim', n
      from generate_series(${from}::int, ${Math.min(routes, from + insertedAtOnce) - 1}::int) n`;
  for (let round = 0; round < rounds; round += 1) {
    const table = new RouteTable({ entries: routes });
    table.reserve(routes);
    const own = open();
    const [beganMs, usedMs] = [performance.now(), processorMs()];
    const read = await preloadRoutes(own, (...route) => table.put(...route));
    const seconds = (performance.now() - beganMs) / 1_000;
    const used = (processorMs() - usedMs) / 1_000;
    print(`preloaded ${read} routes in ${seconds.toFixed(2)} s, own processor ${used.toFixed(2)} s`);
    await own.end();
  }
}

measureLookUps();
if (process.argv.includes('--preload')) await measurePreload();
