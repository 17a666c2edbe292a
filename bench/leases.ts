import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type postgres from 'postgres';
import { newId } from '../src/ids.ts';
import { migrateDatabase } from '../src/runtime/node-migrate.ts';
import { openDatabase, type Sql } from '../src/store/database.ts';
import { startDatabase } from './database.ts';
import { type Statement, statements } from './lease-statements.ts';
import { percentile } from './pace.ts';
import { type Finding, type Run, unlessAborted } from './run.ts';
import { columns, tenths, whole } from './table.ts';

/**
 * What leasing due work costs with 10,000, 100,000 and 1,000,000 due rows of 1,000 tenants: it must not grow with
 * them. Rows are made by SQL, and the statements are the product's own.
 */

const tenants = 1_000;
const defaultSizes = [10_000, 100_000, 1_000_000] as const;
const warmUps = 5;
const samples = 40;
/** A run that is stopped waits for no more than this. */
const seededAtOnce = 50_000;

/** As long as a real one, so that a page holds as many rows. */
const content = JSON.stringify({
  userId: '00000000-0000-4000-9000-000000000000',
  deviceName: 'Mac of somebody',
  osVersion: '26.1',
  lastCheckInAt: '2026-11-01T08:00:00.000Z',
  reportedAt: '2026-11-01T08:00:00.000Z',
  managed: true,
  inventoryState: 0,
  verdict: 'compliant',
});

async function seedTenants(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
    select md5('tenant' || n)::uuid, 'public', 'Tenant ' || n, 'device-compliance', 'cloud-connector', '{}', 'connected'
    from generate_series(0, ${tenants - 1}::int) n`;
  await sql`
    insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
    select md5('tenant' || n)::uuid, md5('instance' || n)::uuid, 'instance', 'https://jamf.example', 'client', '{}'
    from generate_series(0, ${tenants - 1}::int) n`;
}

/** Adds due rows up to `size`; when they became due has nothing to do with where they lie. */
async function seedRows(sql: postgres.Sql, from: number, size: number): Promise<void> {
  await sql`
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, next_try_at)
    select md5('tenant' || n % ${tenants}::int)::uuid, md5('device' || n)::uuid, ${content}, md5('content' || n),
      md5('instance' || n % ${tenants}::int)::uuid, now() - random() * interval '1 hour'
    from generate_series(${from}::int, ${size - 1}::int) n`;
  await sql`
    insert into computers (tenant_id, instance_id, jamf_computer_id, next_try_at, received_at)
    select md5('tenant' || n % ${tenants}::int)::uuid, md5('instance' || n % ${tenants}::int)::uuid, 1 + n / ${tenants}::int,
      now() - random() * interval '1 hour', now()
    from generate_series(${from}::int, ${size - 1}::int) n`;
}

/** Gives leased rows back, and leaves no dead versions of them for the next statement to pass. */
async function restore(sql: postgres.Sql): Promise<void> {
  await sql`update reports set lease_until = null, lease_owner = null where lease_owner is not null`;
  await sql`update computers set lease_until = null, lease_owner = null where lease_owner is not null`;
  await sql`vacuum analyze reports`;
  await sql`vacuum analyze computers`;
}

interface Measured {
  readonly statement: string;
  readonly size: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly rows: number;
  readonly plan: readonly string[];
}

/** The same client, whose statements are explained rather than answered; fragments within them stay as they are. */
function explaining(sql: Sql, plan: string[]): Sql {
  return new Proxy(sql, {
    apply: (target, self, args: unknown[]) => {
      const [text, ...values] = args;
      const isStatement = Array.isArray(text) && 'raw' in text && /^\s*(with|select|update)\b/.test(text[0]);
      if (!isStatement) return Reflect.apply(target, self, args);
      const parts = text.map((part, index) => (index === 0 ? `explain (analyze, buffers) ${part}` : part));
      const query = Reflect.apply(target, self, [Object.assign(parts, { raw: parts }), ...values]);
      const lines = (rows: readonly Record<string, string>[]): void => {
        plan.push(...rows.map((row) => Object.values(row)[0] ?? ''));
      };
      query.then(lines, () => undefined);
      return query;
    },
  });
}

/** The plan of one more run, which is taken back. */
async function planOf(sql: Sql, { run }: Statement): Promise<string[]> {
  const plan: string[] = [];
  const takenBack = new Error('taken back');
  await sql
    .begin(async (tx) => {
      // A transaction has all that a statement asks of a client.
      await run(explaining(tx as unknown as Sql, plan), newId());
      throw takenBack;
    })
    .catch((error: unknown) => {
      if (error !== takenBack) throw error;
    });
  return plan;
}

async function measure(sql: Sql, statement: Statement, size: number): Promise<Measured> {
  const took: number[] = [];
  let rows = 0;
  for (let turn = 0; turn < warmUps + samples; turn += 1) {
    const started = performance.now();
    rows = await statement.run(sql, newId());
    if (turn >= warmUps) took.push(performance.now() - started);
  }
  took.sort((a, b) => a - b);
  const plan = await planOf(sql, statement);
  const [medianMs, p90Ms] = [percentile(took, 0.5), percentile(took, 0.9)];
  return { statement: statement.name, size, medianMs, p90Ms, rows, plan };
}

function summary(measured: readonly Measured[], sizes: readonly number[]): Finding {
  const largest = sizes.at(-1) ?? 0;
  const cells = (name: string): string[] =>
    sizes.map((size) => {
      const found = measured.find((one) => one.statement === name && one.size === size);
      return found ? `${tenths(found.medianMs)} (${tenths(found.p90Ms)})` : '';
    });
  return {
    title: `due rows of ${whole(tenants)} tenants, median and 90th percentile in ms`,
    lines: [
      ...columns([
        ['', ...sizes.map((size) => `${whole(size)} due`)],
        ...statements.map(({ name }) => [name, ...cells(name)]),
      ]),
      ...measured
        .filter(({ size }) => size === largest)
        .flatMap(({ plan, statement }) => [``, `${statement}, ${whole(largest)} due:`, ...plan]),
    ],
    data: { tenants, measured },
  };
}

export async function leases({ options, signal, stack }: Run): Promise<Finding[]> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const { sql, url } = await startDatabase(stack, dir);
  await migrateDatabase(url);
  const product = openDatabase(url, { connections: 1, applicationName: 'bench' });
  stack.defer(() => product.end({ timeout: 2 }));
  await seedTenants(sql);
  const sizes = options.devices === undefined ? defaultSizes : [options.devices];
  const measured: Measured[] = [];
  let seeded = 0;
  for (const size of sizes) {
    for (; seeded < size; seeded = Math.min(size, seeded + seededAtOnce)) {
      signal.throwIfAborted();
      await seedRows(sql, seeded, Math.min(size, seeded + seededAtOnce));
    }
    for (const statement of statements) {
      await restore(sql);
      measured.push(await unlessAborted(signal, measure(product, statement, size)));
    }
  }
  return [summary(measured, sizes)];
}
