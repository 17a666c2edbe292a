import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasPgbouncer, startPgbouncer } from '../test/harness/pgbouncer.ts';
import { complianceBytes } from './answering-instance.ts';
import { callerToken } from './caller-token.ts';
import { learnDevices } from './forward.ts';
import { type Gateway, startGateway } from './gateway.ts';
import type { LoadPlan } from './load.ts';
import type { Pace } from './pace.ts';
import { ToolsMissing } from './peers/tools.ts';
import { median } from './rounds.ts';
import type { Finding, Run } from './run.ts';
import { type Scene, startScene } from './scene.ts';
import { columns, tenths, whole } from './table.ts';
import { familyProcessorSeconds, processorSeconds } from './usage.ts';

/**
 * What the same requests cost on Workers and on Node: workerd with the bundle that would be deployed and `espalier serve`, on one
 * database, in rounds that take turns. What Cloudflare has around a Worker stands around workerd, and is counted apart: a Node
 * process for its network (TLS, the headers of the connection), and pgbouncer in transaction mode for Hyperdrive.
 */

const program = fileURLToPath(new URL('../test/conformance/workers-gateway.ts', import.meta.url));
/** Few enough that a Worker has all of them in memory again within the time that it believes what it has read. */
const devices = 20;
/** One after the other for the time of an answer; several for the processor time of a gateway that is never idle. */
const crowds = [1, 16];
const defaultRounds = 3;
const defaultSeconds = 3;
const warmUpMs = 1_500;
/** As many connections to PostgreSQL as the pool of `espalier serve` has. */
const pooler = ['pool_mode = transaction', 'default_pool_size = 24', 'max_client_conn = 500'];
/** Above one round and what is in flight at its end. */
const patienceMs = 15_000;

interface Side {
  readonly name: string;
  readonly origin: string;
  /** PEM. */
  readonly ca: string;
  /** Processor seconds so far. */
  readonly used: () => Readonly<Record<'gateway' | 'network' | 'pooler', number>>;
}

interface Round extends Pace {
  /** Processor milliseconds of one request. */
  readonly gatewayMs: number;
  readonly networkMs: number;
  readonly poolerMs: number;
  readonly postgresMs: number;
}

interface Kind {
  readonly title: string;
  readonly plan: Pick<LoadPlan, 'headers' | 'work'>;
}

interface Row {
  readonly kind: string;
  readonly side: string;
  readonly connections: number;
  readonly rounds: readonly Round[];
}

const known = (seconds: number | undefined): number => {
  if (seconds === undefined) throw new Error('processor time is known on Linux only');
  return seconds;
};

async function startWorkers({ databaseUrl, environment }: Scene, stack: AsyncDisposableStack): Promise<Side> {
  const pool = await startPgbouncer(databaseUrl, pooler);
  stack.defer(() => pool.close());
  const dataDir = `${environment.ESPALIER_DATA_DIR}-workers`;
  const own = {
    DATABASE_URL: pool.url,
    ESPALIER_DATA_DIR: dataDir,
    ESPALIER_DATA_LISTEN: '127.0.0.1:0',
  };
  const { data, pid, stop }: Gateway = await startGateway({ ...environment, ...own }, { program });
  stack.defer(stop);
  return {
    name: 'workerd',
    origin: data,
    ca: readFileSync(join(dataDir, 'tls.crt'), 'utf8'),
    used: () => {
      const network = known(processorSeconds(pid));
      const gateway = known(familyProcessorSeconds(pid)) - network;
      return { gateway, network, pooler: known(processorSeconds(pool.pid)) };
    },
  };
}

/** What is asked, each of an instance whose computers nobody reads meanwhile. */
async function kindsOf(scene: Scene): Promise<Kind[]> {
  const { tenantId, world } = scene;
  const deviceIds = await learnDevices(scene, devices);
  const token = await callerToken(world, tenantId);
  const paused = await scene.addInstance('workers');
  await scene.api('POST', `/tenants/${tenantId}/instances/${paused.id}/pause`);
  const sender = (contentType: string) => ({ 'content-type': contentType, 'x-api-key': paused.key });
  const paths = deviceIds.map((deviceId) => `/t/${tenantId}/devices/${deviceId}/compliance`);
  return [
    {
      title: 'device call',
      plan: {
        headers: { authorization: `Bearer ${token}` },
        work: { kind: 'reads', paths, answerBytes: complianceBytes },
      },
    },
    {
      title: 'webhook',
      plan: {
        headers: sender('application/json'),
        work: { kind: 'check-ins', path: `/jamf/${paused.id}/webhooks` },
      },
    },
    {
      title: 'push of one record',
      plan: {
        headers: sender('application/x-ndjson'),
        work: { kind: 'pushes', path: `/jamf/${paused.id}/inventory`, records: 1 },
      },
    },
  ];
}

async function roundOf(
  { load, postgres }: Scene,
  { ca, origin, used }: Side,
  { plan }: Kind,
  { connections, durationMs }: Pick<LoadPlan, 'connections' | 'durationMs'>,
): Promise<Round> {
  const read = () => ({ ...used(), postgres: known(familyProcessorSeconds(postgres)) });
  const before = read();
  const asked = { origin, ca, connections, durationMs, ...plan };
  const answered = await load.ask(asked, durationMs + patienceMs);
  const after = read();
  const requests = answered.before + answered.measured.operations;
  const each = (of: keyof typeof before): number => ((after[of] - before[of]) * 1_000) / requests;
  return {
    ...answered.measured,
    gatewayMs: each('gateway'),
    networkMs: each('network'),
    poolerMs: each('pooler'),
    postgresMs: each('postgres'),
  };
}

async function rowsOf(
  scene: Scene,
  sides: readonly Side[],
  kind: Kind,
  connections: number,
  run: Run,
): Promise<Row[]> {
  const { rounds = defaultRounds, seconds = defaultSeconds } = run.options;
  const found = sides.map((): Round[] => []);
  for (const side of sides) await roundOf(scene, side, kind, { connections, durationMs: warmUpMs });
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, side] of sides.entries()) {
      run.signal.throwIfAborted();
      found[at]!.push(await roundOf(scene, side, kind, { connections, durationMs: seconds * 1_000 }));
    }
  }
  return sides.map(({ name }, at) => ({ kind: kind.title, side: name, connections, rounds: found[at]! }));
}

const headings = [
  ...['', 'connections', 'requests/s', 'p50 ms', 'p99 ms'],
  ...['gateway ms', 'network ms', 'pooler ms', 'PostgreSQL ms'],
];

function cellsOf({ connections, kind, rounds, side }: Row): string[] {
  const of = (value: (round: Round) => number): number => median(rounds.map(value));
  return [
    `${kind}, ${side}`,
    String(connections),
    whole(of(({ operations, seconds }) => operations / seconds)),
    tenths(of(({ p50Ms }) => p50Ms)),
    tenths(of(({ p99Ms }) => p99Ms)),
    of(({ gatewayMs }) => gatewayMs).toFixed(2),
    of(({ networkMs }) => networkMs).toFixed(2),
    of(({ poolerMs }) => poolerMs).toFixed(2),
    of(({ postgresMs }) => postgresMs).toFixed(2),
  ];
}

export async function workersBench(run: Run): Promise<Finding[]> {
  if (!hasPgbouncer())
    throw new ToolsMissing('not installed: pgbouncer. On Debian: apt-get install pgbouncer');
  const scene = await startScene(run);
  const { data, pid } = scene.gateway;
  const node: Side = {
    name: 'Node',
    origin: data,
    ca: scene.trust,
    used: () => ({ gateway: known(processorSeconds(pid)), network: 0, pooler: 0 }),
  };
  const wanted = new RegExp(run.options.only ?? '');
  const kinds = (await kindsOf(scene)).filter(({ title }) => wanted.test(title));
  const sides = [node, await startWorkers(scene, run.stack)];
  const rows: Row[] = [];
  for (const kind of kinds)
    for (const connections of crowds) rows.push(...(await rowsOf(scene, sides, kind, connections, run)));
  return [
    {
      title: `the same requests on Node and on workerd, ${devices} devices; processor time is that of one request`,
      lines: columns([headings, ...rows.map(cellsOf)]),
      data: { rows },
    },
  ];
}
