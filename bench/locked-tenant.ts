import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIntake, type Intake, type Origin } from '../src/delivery/intake.ts';
import { migrateDatabase } from '../src/runtime/node-migrate.ts';
import { openDatabase, type Sql } from '../src/store/database.ts';
import { startDatabase } from './database.ts';
import { percentile } from './pace.ts';
import { median } from './rounds.ts';
import { type Finding, type Run, wait } from './run.ts';
import { columns, tenths } from './table.ts';

/**
 * Whether rows of one tenant that an operator's transaction holds delay another tenant's webhooks: the time from a
 * webhook of tenant B to its commit, in pairs of rounds, once beside a tenant A that is free and once while all of A's
 * computers are locked. Both send the same in both. The intake itself is measured, without HTTP before it.
 */

const defaultRounds = 3;
const defaultSeconds = 12;
const perSecond = 200;
/** As many as the gateway's pool has (src/runtime/node.ts). */
const connections = 20;
const computers = 500;

interface Round {
  readonly locked: boolean;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** Of A's: all are committed when its rows are free, or refused after ten seconds. */
  readonly refused: number;
}

async function addTenant(sql: Sql): Promise<Origin> {
  const [tenantId, instanceId] = [crypto.randomUUID(), crypto.randomUUID()];
  await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
    values (${tenantId}, 'public', 'bench', 'device-compliance', 'cloud-connector', '{}')`;
  await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
    values (${tenantId}, ${instanceId}, 'bench', 'https://jamf.example', 'bench', '{}')`;
  return { tenantId, instanceId, traceparent: null };
}

/** One webhook after another at a steady rate; milliseconds of each, undefined where it was refused. */
async function send(intake: Intake, origin: Origin, seconds: number, run: Run) {
  const took: Promise<number | undefined>[] = [];
  const beginMs = performance.now();
  for (let sent = 0; sent < perSecond * seconds; sent += 1) {
    const dueMs = beginMs + (sent * 1_000) / perSecond;
    if (dueMs > performance.now()) await wait(dueMs - performance.now(), run.signal);
    const startMs = performance.now();
    const committed = intake.markDue(origin, [1 + (sent % computers)]);
    took.push(
      committed.then(
        () => performance.now() - startMs,
        () => undefined,
      ),
    );
  }
  return Promise.all(took);
}

async function holding(sql: Sql, { tenantId }: Origin, work: () => Promise<void>): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`select 1 from computers where tenant_id = ${tenantId} for update`;
    await work();
  });
}

async function playRound(
  run: Run,
  { a, b, intake, sql }: { a: Origin; b: Origin; intake: Intake; sql: Sql },
  locked: boolean,
): Promise<Round> {
  const seconds = run.options.seconds ?? defaultSeconds;
  let own: Promise<(number | undefined)[]> = Promise.resolve([]);
  let others: (number | undefined)[] = [];
  const work = async (): Promise<void> => {
    own = send(intake, a, seconds, run);
    others = await send(intake, b, seconds, run);
  };
  await (locked ? holding(sql, a, work) : work());
  const times = others.flatMap((ms) => (ms === undefined ? [] : [ms])).sort((x, y) => x - y);
  if (times.length < others.length) throw new Error(`${others.length - times.length} of B were refused`);
  const refused = (await own).filter((ms) => ms === undefined).length;
  return {
    locked,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    longestMs: times.at(-1) ?? 0,
    refused,
  };
}

export async function lockedTenant(run: Run): Promise<Finding[]> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  run.stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const { url } = await startDatabase(run.stack, dir);
  await migrateDatabase(url);
  const [sql, operator] = ['bench', 'bench-operator'].map((applicationName) =>
    openDatabase(url, { connections, applicationName }),
  ) as [Sql, Sql];
  run.stack.defer(async () => {
    await Promise.all([sql.end({ timeout: 1 }), operator.end({ timeout: 1 })]);
  });
  const intake = createIntake({ sharing: 'process', sql, onDue: () => undefined });
  const [a, b] = [await addTenant(sql), await addTenant(sql)];
  const all = Array.from({ length: computers }, (_, index) => index + 1);
  for (const origin of [a, b]) await intake.markDue(origin, all);
  const rounds: Round[] = [];
  const parts = { a, b, intake, sql: operator };
  for (let pair = 0; pair < (run.options.rounds ?? defaultRounds); pair += 1) {
    for (const locked of pair % 2 === 0 ? [false, true] : [true, false])
      rounds.push(await playRound(run, parts, locked));
  }
  const row = (name: string, locked: boolean): string[] => {
    const some = rounds.filter((round) => round.locked === locked);
    const of = (read: (round: Round) => number): string => tenths(median(some.map(read)));
    const refused = some.reduce((sum, round) => sum + round.refused, 0);
    return [
      name,
      of(({ p50Ms }) => p50Ms),
      of(({ p99Ms }) => p99Ms),
      of(({ longestMs }) => longestMs),
      `${refused}`,
    ];
  };
  return [
    {
      title: `webhooks of tenant B, ${perSecond} a second, beside as many of tenant A, from sent to committed`,
      lines: columns([
        ['', 'p50 ms', 'p99 ms', 'longest ms', "A's refused"],
        row("A's rows are free", false),
        row("A's rows are locked", true),
      ]),
      data: { perSecond, rounds },
    },
  ];
}
