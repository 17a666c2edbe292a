import type { InsertPlan } from './insert.ts';
import type { LoadPlan } from './load.ts';
import type { Pace } from './pace.ts';
import { type Comparison, type Contestant, compare } from './rounds.ts';
import { type Run, type Scene, startScene } from './scene.ts';
import { startWorker, type Worker } from './worker.ts';

/**
 * How fast Jamf Pro can be answered 202, which is a commit to the database (contract section 5), against a script
 * that commits the same bytes to the same server without HTTP, TLS, keys, checks and upserts.
 */

const connections = 64;
const recordsInPush = 100;
/** As many as the gateway's pool has (src/runtime/node.ts), so that PostgreSQL meets the same crowd. */
const databaseConnections = 24;
/** Above one round and what is in flight at its end. */
const patienceMs = 20_000;

interface Counted {
  operations: number;
}

type Inserter = Worker<InsertPlan, Pace>;

function gatewayOf(scene: Scene, plan: Pick<LoadPlan, 'headers' | 'work'>, sent: Counted): Contestant {
  return {
    name: 'espalier serve',
    pid: scene.gateway.pid,
    run: async (durationMs) => {
      const target = { origin: scene.gateway.data, ca: scene.trust, connections, durationMs };
      const { before, measured } = await scene.load.ask({ ...target, ...plan }, durationMs + patienceMs);
      sent.operations += before + measured.operations;
      return measured;
    },
  };
}

function inserterOf(scene: Scene, inserter: Inserter, rows: number, sent: Counted): Contestant {
  const { databaseUrl: url } = scene;
  return {
    name: rows === 1 ? 'plain insert' : `plain insert of ${rows}`,
    pid: inserter.pid,
    run: async (durationMs) => {
      const pool = { connections: databaseConnections, concurrency: connections };
      const measured = await inserter.ask({ url, ...pool, durationMs, rows }, durationMs + patienceMs);
      sent.operations += measured.operations;
      return measured;
    },
  };
}

/** Every accepted message raises its computer's wanted revision by one, so that their sum says how many arrived. */
async function proveArrival(
  { sql }: Scene,
  instanceId: string,
  table: 'plain_check_ins' | 'plain_records',
  expected: { readonly espalier: number; readonly peer: number },
): Promise<string> {
  const [found] = await sql<{ espalier: number; peer: number }[]>`
    select (select coalesce(sum(wanted_revision), 0)::float8 from computers where instance_id = ${instanceId}) as espalier,
           (select count(*)::float8 from ${sql(table)}) as peer`;
  if (found?.espalier !== expected.espalier || found.peer !== expected.peer) {
    throw new Error(`of ${JSON.stringify(expected)} arrived ${JSON.stringify(found)}`);
  }
  return `all arrived: ${expected.espalier} and ${expected.peer}`;
}

async function compareIntake(
  scene: Scene,
  inserter: Inserter,
  kind: 'check-ins' | 'pushes',
  signal: AbortSignal,
): Promise<Comparison> {
  const single = kind === 'check-ins';
  const rows = single ? 1 : recordsInPush;
  const { id, key } = await scene.addInstance(kind);
  await scene.api('POST', `/tenants/${scene.tenantId}/instances/${id}/pause`);
  const type = single ? 'application/json' : 'application/x-ndjson';
  const plan: Pick<LoadPlan, 'headers' | 'work'> = {
    headers: { 'content-type': type, 'x-api-key': key },
    work: single
      ? { kind: 'check-ins', path: `/jamf/${id}/webhooks` }
      : { kind: 'pushes', path: `/jamf/${id}/inventory`, records: rows },
  };
  const ours = { operations: 0 };
  const theirs = { operations: 0 };
  const expected = () => ({ espalier: ours.operations * rows, peer: theirs.operations * rows });
  return compare({
    title: single
      ? `webhooks, one ComputerCheckIn each, ${connections} connections`
      : `inventory pushes of ${rows} records of 4 KB, ${connections} connections`,
    unit: single ? 'webhooks' : 'records',
    unitsEach: rows,
    signal,
    espalier: gatewayOf(scene, plan, ours),
    peer: inserterOf(scene, inserter, rows, theirs),
    prove: () => proveArrival(scene, id, single ? 'plain_check_ins' : 'plain_records', expected()),
  });
}

export async function intake(run: Run): Promise<Comparison[]> {
  const scene = await startScene(run);
  const inserter: Inserter = startWorker('./insert.ts');
  run.stack.defer(() => inserter.stop());
  for (const table of ['plain_check_ins', 'plain_records']) {
    await scene.sql`create table ${scene.sql(table)} (computer_id int not null, body text not null)`;
  }
  return [
    await compareIntake(scene, inserter, 'check-ins', run.signal),
    await compareIntake(scene, inserter, 'pushes', run.signal),
  ];
}
