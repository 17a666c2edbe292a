import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copiedColumns } from '../src/routing/copied-routes.ts';
import { migrateDatabase } from '../src/runtime/node-migrate.ts';
import { startDatabase } from './database.ts';
import { seedTenant } from './peers/seed.ts';
import { median } from './rounds.ts';
import type { RouteAnswer, RouteQuestion } from './route-worker.ts';
import type { Finding, Run } from './run.ts';
import { columns, whole } from './table.ts';
import { startWorker, type Worker } from './worker.ts';

/** The routing table in memory: how long a preload takes, what ten million routes weigh, what a look-up costs. */

const defaultDevices = 1_000_000;
const defaultRounds = 3;
const small = 1_000_000;
const large = 10_000_000;
const lookUps = 3_000_000;
const patienceMs = 300_000;
const bounds = { preloadSeconds: 5, megabytes: 1_000, lookUpRatio: 2 } as const;

const mark = (holds: boolean): string => (holds ? 'holds ' : 'missed');

/** Each question to a process of its own. */
async function ask({ signal }: Run, question: RouteQuestion): Promise<RouteAnswer> {
  signal.throwIfAborted();
  const worker: Worker<RouteQuestion, RouteAnswer> = startWorker('./route-worker.ts');
  try {
    return await worker.ask(question, patienceMs);
  } finally {
    await worker.stop();
  }
}

async function preloading(run: Run): Promise<Finding> {
  const { options, stack } = run;
  const devices = options.devices ?? defaultDevices;
  const rounds = options.rounds ?? defaultRounds;
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const { sql, url: databaseUrl } = await startDatabase(stack, dir);
  await migrateDatabase(databaseUrl);
  await seedTenant(sql, crypto.randomUUID(), ['https://jamf.example'], devices);
  const query = `copy (select ${copiedColumns} from routes) to stdout (format binary)`;
  const found: { preload: RouteAnswer[]; copy: RouteAnswer[] } = { preload: [], copy: [] };
  for (let round = 0; round < rounds; round += 1) {
    found.copy.push(await ask(run, { kind: 'copy', databaseUrl, query }));
    found.preload.push(await ask(run, { kind: 'preload', databaseUrl, entries: devices }));
  }
  const secondsOf = (answers: readonly RouteAnswer[]): number[] => answers.map(({ seconds }) => seconds);
  const row = (name: string, answers: readonly RouteAnswer[]): string[] => {
    const seconds = secondsOf(answers);
    const middle = median(seconds);
    const spread = `${Math.min(...seconds).toFixed(2)} to ${Math.max(...seconds).toFixed(2)}`;
    return [name, middle.toFixed(2), spread, whole(devices / middle)];
  };
  const ours = median(secondsOf(found.preload));
  return {
    title: `preloading ${whole(devices)} routes from PostgreSQL, ${rounds} rounds`,
    lines: [
      ...columns([
        ['', 'seconds', 'rounds', 'routes/s'],
        row('into the table', found.preload),
        row('the same bytes, unread', found.copy),
      ]),
      ...(devices === defaultDevices
        ? [`${mark(ours < bounds.preloadSeconds)}  below ${bounds.preloadSeconds} s: ${ours.toFixed(2)} s`]
        : []),
    ],
    data: found,
  };
}

interface Held extends RouteAnswer {
  readonly name: string;
}

async function memory(run: Run): Promise<Finding> {
  const kinds = [
    { name: 'table', kind: 'table', entries: small },
    { name: 'table', kind: 'table', entries: large },
    { name: 'Map of objects', kind: 'map', entries: small },
  ] as const;
  const held: Held[] = [];
  for (const { entries, kind, name } of kinds)
    held.push({ name, ...(await ask(run, { kind, entries, lookUps })) });
  const nanos = (value: number): string => (Number.isFinite(value) ? whole(value) : '');
  const rows = held.map((one) => [
    one.name,
    whole(one.routes),
    whole(one.megabytes),
    (((one.megabytes - one.emptyMegabytes) * 1024 ** 2) / one.routes).toFixed(0),
    nanos(one.lookUpNanos),
    nanos(one.fromTextNanos),
  ]);
  const [atSmall, atLarge] = held;
  if (!atSmall || !atLarge) throw new Error('nothing was held');
  const ratio = atLarge.lookUpNanos / atSmall.lookUpNanos;
  return {
    title: `routes in one process, ${whole(lookUps)} look-ups of random ones`,
    lines: [
      ...columns([['', 'routes', 'MB resident', 'B a route', 'ns a look-up', 'ns from two GUIDs'], ...rows]),
      `${mark(atLarge.megabytes < bounds.megabytes)}  ${whole(large)} routes below 1 GB: ${whole(atLarge.megabytes)} MB`,
      `${mark(ratio <= bounds.lookUpRatio)}  look-up at ${whole(large)} beside ${whole(small)}, at most ${bounds.lookUpRatio}: ${ratio.toFixed(2)}`,
    ],
    data: { held, ratio },
  };
}

export async function routes(run: Run): Promise<Finding[]> {
  return [await preloading(run), await memory(run)];
}
