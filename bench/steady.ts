import type { Caller, CallerRequest } from './callers.ts';
import { type CloudScene, type ConnectedTenant, startCloudScene } from './cloud-scene.ts';
import { startCrowd } from './crowd.ts';
import { settled } from './delivery.ts';
import { type Finding, type Run, wait } from './run.ts';
import { columns, tenths, whole } from './table.ts';
import { familyProcessorSeconds, processorSeconds } from './usage.ts';

/**
 * What one record costs where few come: webhooks whose computer is read, and pushes, at a steady low rate, each with news that
 * go to Intune and are followed there. Nothing waits for anything then, so nothing is written together. Prints transactions and
 * processor time of a record, and the statements that PostgreSQL was asked for it.
 */

const devices = 500;
const perSecond = { webhooks: 20, pushes: 10 } as const;
const records = perSecond.webhooks + perSecond.pushes;
const callerConnections = 8;
/** Longer than the first look at an upload's status, so that as much ends as begins. */
const leadInMs = 9_000;
const defaultSeconds = 20;
const shownStatements = 45;

const inventoryCompleted = (computer: number): string =>
  `{"webhook":{"id":1,"name":"n","webhookEvent":"ComputerInventoryCompleted"},"event":{"computer":{"jssID":${computer}}}}`;

function callersOf({ gateway }: CloudScene, tenant: ConnectedTenant): Caller[] {
  const { instanceId, key, number } = tenant;
  const headers = { 'x-api-key': key };
  const half = Array.from({ length: devices / 2 }, (_, at) => at);
  const webhooks = half.map(
    (at): CallerRequest => ({
      method: 'POST',
      path: `/jamf/${instanceId}/webhooks`,
      headers: { ...headers, 'content-type': 'application/json' },
      body: { text: inventoryCompleted(at + 1) },
    }),
  );
  const pushes = half.map(
    (at): CallerRequest => ({
      method: 'POST',
      path: `/jamf/${instanceId}/inventory`,
      headers: { ...headers, 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
      body: { push: { tenant: number, firstDevice: devices / 2 + at, records: 1, form: 'packed' } },
    }),
  );
  const shared = { origin: gateway.data, connections: callerConnections };
  return [
    {
      ...shared,
      name: 'webhooks',
      requests: webhooks,
      manner: { of: 'steady', perSecond: perSecond.webhooks },
    },
    { ...shared, name: 'pushes', requests: pushes, manner: { of: 'steady', perSecond: perSecond.pushes } },
  ];
}

interface Statement {
  readonly text: string;
  readonly isTop: boolean;
  readonly calls: number;
  readonly ms: number;
}

/** Spaces and lists of columns say nothing about which statement it is. */
const shortened = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, 110);

async function measure(scene: CloudScene, seconds: number, signal: AbortSignal) {
  const { processes, sql } = scene;
  const look = async () => {
    const [row] = await sql<{ commits: number; wal: number }[]>`
      select (select xact_commit + xact_rollback from pg_stat_database where datname = current_database())::float8 as commits,
        pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal`;
    const gateway = processorSeconds(processes.gateway);
    const postgres = familyProcessorSeconds(processes.postgres);
    if (!row || gateway === undefined || postgres === undefined) throw new Error('this system has no /proc');
    return { ...row, gateway, postgres, atMs: performance.now() };
  };
  await sql`select pg_stat_statements_reset()`;
  const before = await look();
  await wait(seconds * 1_000, signal);
  const after = await look();
  const statements = await sql<Statement[]>`
    select query as text, toplevel as "isTop", calls::float8 as calls, (total_exec_time + total_plan_time)::float8 as ms
    from pg_stat_statements order by total_exec_time + total_plan_time desc`;
  const tookSeconds = (after.atMs - before.atMs) / 1_000;
  const perSecondOf = (name: 'commits' | 'wal' | 'gateway' | 'postgres'): number =>
    (after[name] - before[name]) / tookSeconds;
  return {
    commits: perSecondOf('commits'),
    walBytes: perSecondOf('wal'),
    gateway: perSecondOf('gateway'),
    postgres: perSecondOf('postgres'),
    statements: statements.map((one) => ({
      ...one,
      text: shortened(one.text),
      perSecond: one.calls / tookSeconds,
      msPerSecond: one.ms / tookSeconds,
    })),
  };
}

type Measured = Awaited<ReturnType<typeof measure>>;

const row = (name: string, { commits, gateway, postgres, walBytes }: Measured, of = records): string[] => [
  name,
  whole(commits),
  tenths(commits / of),
  ((postgres * 1_000) / of).toFixed(2),
  ((gateway * 1_000) / of).toFixed(2),
  whole(walBytes / of),
];

export async function steadyBench(run: Run): Promise<Finding[]> {
  const { signal } = run;
  const { seconds = defaultSeconds } = run.options;
  const scene = await startCloudScene(run, {
    tenants: [devices],
    ownInstances: true,
    isEverNew: true,
    serverSettings: ['shared_preload_libraries=pg_stat_statements', 'pg_stat_statements.track=all'],
  });
  await scene.sql`create extension if not exists pg_stat_statements`;
  const [tenant] = scene.tenants;
  if (!tenant) throw new Error('the scene has no tenant');
  const callers = callersOf(scene, tenant);
  const crowd = startCrowd(run, { ca: scene.trust, isBehind: false });
  const play = (playSeconds: number) => crowd.play(callers, playSeconds);
  // Every device has its route, its first report, and what was prepared is.
  await play(devices / 2 / perSecond.pushes);
  await settled(scene, signal);
  await wait(2_000, signal);
  const idle = await measure(scene, 5, signal);
  const played = play(leadInMs / 1_000 + seconds + 1);
  await wait(leadInMs, signal);
  const busy = await measure(scene, seconds, signal);
  const answers = await played;
  const refused = answers.flatMap(({ name, statuses }) =>
    Object.entries(statuses).flatMap(([status, count]) =>
      status === '202' ? [] : [`${count} ${name}: ${status}`],
    ),
  );
  if (refused.length > 0) throw new Error(`not all were accepted: ${refused.join(', ')}`);
  await settled(scene, signal);
  const shown = busy.statements.slice(0, shownStatements);
  return [
    {
      title: `${perSecond.webhooks} webhooks and ${perSecond.pushes} pushes a second, each with news for Intune; of one record`,
      lines: [
        ...columns([
          ['', 'commits/s', 'commits', 'PostgreSQL ms', 'gateway ms', 'WAL bytes'],
          row('steady', busy),
          row('idle, as if it had as many', idle),
        ]),
        '',
        ...columns([
          ['statement (> one of a trigger or function)', 'of a record', 'ms of a record'],
          ...shown.map(({ isTop, msPerSecond, perSecond: each, text }) => [
            `${isTop ? '' : '> '}${text}`,
            (each / records).toFixed(2),
            (msPerSecond / records).toFixed(3),
          ]),
        ]),
      ],
      data: { perSecond, idle, busy },
    },
  ];
}
