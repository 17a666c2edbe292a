import type { InsertPlan } from './insert.ts';
import type { LoadPlan } from './load.ts';
import type { Pace } from './pace.ts';
import { type Comparison, type Contestant, compare } from './rounds.ts';
import type { Finding, Run } from './run.ts';
import { type Scene, startScene } from './scene.ts';
import { findingOf } from './table.ts';
import { startWorker, type Worker } from './worker.ts';

/**
 * How fast Jamf Pro can be answered 202, which is a commit to the database (contract section 5), against a script
 * that commits the same bytes to the same server without HTTP, TLS, keys, checks and upserts.
 */

const connections = 64;
/** As many as the gateway's pool has (src/runtime/node.ts), so that PostgreSQL meets the same crowd. */
const databaseConnections = 24;
/** Above one round and what is in flight at its end. */
const patienceMs = 20_000;

interface Counted {
  operations: number;
}

type Inserter = Worker<InsertPlan, Pace>;

/** One way of sending, and how the script writes the same. */
interface Contest {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly contentType: string;
  /** Computers in one request. */
  readonly inRequest: number;
  /** Rows in one query of the script. */
  readonly inQuery: number;
  work(instanceId: string): LoadPlan['work'];
  readonly insert: InsertPlan['insert'];
}

const ndjson = 'application/x-ndjson';
const recordsInPush = 100;
/** Somewhere in the middle of the batches with which PostgreSQL is at its best. */
const singlesInQuery = 64;

const pushes = (records: number) => (instanceId: string) =>
  ({ kind: 'pushes', path: `/jamf/${instanceId}/inventory`, records }) as const;

const contests: readonly Contest[] = [
  {
    name: 'check-ins',
    title: `webhooks, one ComputerCheckIn each, ${connections} connections`,
    unit: 'webhooks',
    contentType: 'application/json',
    inRequest: 1,
    inQuery: 1,
    work: (instanceId) => ({ kind: 'check-ins', path: `/jamf/${instanceId}/webhooks` }),
    insert: { kind: 'check-in', table: 'plain_check_ins' },
  },
  {
    name: 'pushes',
    title: `NDJSON pushes of ${recordsInPush} records of 4 KB, ${connections} connections`,
    unit: 'records',
    contentType: ndjson,
    inRequest: recordsInPush,
    inQuery: recordsInPush,
    work: pushes(recordsInPush),
    insert: { kind: 'records', table: 'plain_pushes', rows: recordsInPush },
  },
  {
    name: 'singles',
    title: `single records of 4 KB, one in a request, ${connections} connections`,
    unit: 'records',
    contentType: ndjson,
    inRequest: 1,
    inQuery: singlesInQuery,
    work: pushes(1),
    insert: { kind: 'records', table: 'plain_singles', rows: singlesInQuery },
  },
];

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

/** Its rate is told in the gateway's unit of operation, a request. */
function inserterOf(scene: Scene, inserter: Inserter, contest: Contest, sent: Counted): Contestant {
  const { databaseUrl: url } = scene;
  const { inQuery, inRequest, insert } = contest;
  return {
    name: inQuery === 1 ? 'plain insert' : `plain insert of ${inQuery}`,
    pid: inserter.pid,
    run: async (durationMs) => {
      const pool = { connections: databaseConnections, concurrency: connections };
      const measured = await inserter.ask({ url, ...pool, durationMs, insert }, durationMs + patienceMs);
      sent.operations += measured.operations;
      return { ...measured, operations: (measured.operations * inQuery) / inRequest };
    },
  };
}

/** Every accepted message raises its computer's wanted revision by one, so that their sum says how many arrived. */
async function proveArrival(
  { sql }: Scene,
  instanceId: string,
  table: string,
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
  contest: Contest,
  { options, signal }: Run,
): Promise<Comparison> {
  const { contentType, inQuery, inRequest, insert, name, title, unit } = contest;
  await scene.sql`create table ${scene.sql(insert.table)} (computer_id int not null, body text not null)`;
  const { id, key } = await scene.addInstance(name);
  await scene.api('POST', `/tenants/${scene.tenantId}/instances/${id}/pause`);
  const plan = {
    headers: { 'content-type': contentType, 'x-api-key': key },
    work: contest.work(id),
  };
  const ours = { operations: 0 };
  const theirs = { operations: 0 };
  return compare({
    ...{ title, unit, unitsEach: inRequest, signal, rounds: options.rounds },
    espalier: gatewayOf(scene, plan, ours),
    peer: inserterOf(scene, inserter, contest, theirs),
    prove: () =>
      proveArrival(scene, id, insert.table, {
        espalier: ours.operations * inRequest,
        peer: theirs.operations * inQuery,
      }),
  });
}

export async function intake(run: Run): Promise<Finding[]> {
  const scene = await startScene(run);
  const inserter: Inserter = startWorker('./insert.ts');
  run.stack.defer(() => inserter.stop());
  const findings: Finding[] = [];
  for (const contest of contests) {
    findings.push(findingOf(await compareIntake(scene, inserter, contest, run)));
  }
  return findings;
}
