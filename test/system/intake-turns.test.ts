/**
 * A tenant whose messages wait by the thousand: another one's is committed within a few statements, and others find a
 * connection. A gate in the database holds every statement of the intake until all have come, so that nothing depends on time.
 */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createIntake, type Intake, type Origin } from '../../src/delivery/intake.ts';
import { namedInBulk } from '../../src/limits.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import {
  connectionBudget,
  defaultDatabaseConnections,
  intakeConnections,
  minDatabaseConnections,
} from '../../src/store/connection-budget.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** Puts down the statements that insert, in their order, and holds each until the gate is open. */
async function buildGate(sql: Sql) {
  await sql`create table gate (open boolean not null)`;
  await sql`insert into gate values (true)`;
  await sql`create table passed (position bigserial, tenant_id uuid not null)`;
  await sql`
    create function wait_at_gate() returns trigger language plpgsql as $$
    begin
      insert into passed (tenant_id) select distinct tenant_id from added;
      while not (select open from gate) loop perform pg_sleep(0.005); end loop;
      return null;
    end $$`;
  for (const table of ['computers', 'named_computers', 'instance_reading']) {
    await sql`create trigger at_gate after insert on ${sql(table)} referencing new table as added
      for each statement execute function wait_at_gate()`;
  }
  return {
    set: async (open: boolean): Promise<void> => {
      await sql`update gate set open = ${open}`;
      if (!open) await sql`delete from passed`;
    },
    waiting: async (): Promise<number> => {
      const [row] = await sql<{ waiting: number }[]>`
        select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`;
      return row!.waiting;
    },
    /** Statements of others that were begun before the first one of this tenant: its later ones are as many as it needs. */
    othersBefore: async (tenantId: string): Promise<number> => {
      const [row] = await sql<{ others: number }[]>`
        select count(*)::int as others from passed where tenant_id <> ${tenantId}
          and position < (select min(position) from passed where tenant_id = ${tenantId})`;
      return row!.others;
    },
  };
}

type Gate = Awaited<ReturnType<typeof buildGate>>;

/** Three statements are under way when it comes, one goes before it, and those that begin with it may be counted too. */
const few = 7;

const idsFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, nth) => first + nth);

describe('the intake beside a thousand messages of one tenant', () => {
  let database: TestDatabase;
  let gate: Gate;
  let sql: Sql;

  /** A tenant with so many instances: large events of one instance wait for each other anyway. */
  const addTenant = async (instances = 1): Promise<Origin[]> => {
    const tenantId = crypto.randomUUID();
    await database.sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}', 'connected')`;
    const rows = await database.sql<{ instanceId: string }[]>`
      insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      select ${tenantId}, gen_random_uuid(), nth::text, 'https://jamf' || nth || '.example', 'x', '{}'
      from generate_series(1, ${instances}::int) as nth returning instance_id as "instanceId"`;
    return rows.map(({ instanceId }) => ({ tenantId, instanceId, traceparent: null }));
  };
  const open = (connections: number): Intake => {
    sql = openDatabase(database.url, { connections, applicationName: 'test' });
    return createIntake({ sharing: 'process', sql, onDue: () => undefined });
  };
  const push = (intake: Intake, origin: Origin, ids: readonly number[]) =>
    intake.storeRecords(
      origin,
      ids.map((jamfComputerId) => ({ jamfComputerId, text: '{}', reportAt: new Date(1_000) })),
    );

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
    gate = await buildGate(database.sql);
  });
  afterAll(() => database?.drop());
  beforeEach(() => gate.set(false));
  afterEach(async () => {
    await gate.set(true);
    await sql.end({ timeout: 5 });
  });

  const durable = connectionBudget(defaultDatabaseConnections).durable;
  const kinds: {
    readonly kind: string;
    readonly rows: number;
    readonly send: (intake: Intake, origin: Origin, ids: readonly number[]) => Promise<void>;
  }[] = [
    {
      kind: 'webhook',
      rows: namedInBulk,
      send: (intake, origin, ids) => intake.markDue(origin, ids),
    },
    { kind: 'push', rows: 128, send: push },
    {
      kind: 'webhook that names very many',
      rows: namedInBulk + 1,
      send: (intake, origin, ids) => intake.markDue(origin, ids),
    },
  ];
  it.each(kinds)('takes a $kind of another within a few statements', async ({ rows, send }) => {
    const intake = open(durable);
    const noisy = await addTenant(1_000);
    const [quiet] = await addTenant();
    const all = noisy.map((origin, nth) => send(intake, origin, idsFrom(1 + nth * rows, rows)));
    const outcomes = Promise.allSettled(all);
    await eventually(async () => expect(await gate.waiting()).toBe(3));
    const own = send(intake, quiet!, rows > namedInBulk ? idsFrom(1, rows) : [1]);
    await gate.set(true);
    await own;
    // The others' are given up.
    await sql.end({ timeout: 0 });
    await outcomes;
    expect(await gate.othersBefore(quiet!.tenantId)).toBeLessThanOrEqual(few);
  });

  it.each([minDatabaseConnections, defaultDatabaseConnections])(
    'leaves a connection to others, of %i of the process',
    async (connections) => {
      const pool = connectionBudget(connections).durable;
      const intake = open(pool);
      const origins = await Promise.all(idsFrom(0, 8).map(() => addTenant()));
      const all = origins
        .flat()
        .flatMap((origin) => [
          intake.markDue(origin, idsFrom(1, namedInBulk)),
          push(intake, origin, idsFrom(1_001, 128)),
          intake.markDue(origin, idsFrom(2_001, namedInBulk + 1)),
        ]);
      const outcomes = Promise.allSettled(all);
      await eventually(async () => expect(await gate.waiting()).toBe(intakeConnections(pool).shared));
      // It is answered while all that the intake has begun is held.
      expect(await sql`select 1 as answered`).toEqual([{ answered: 1 }]);
      // Pressure counts the statements that wait for a place as it counts those that wait for a connection.
      expect(intake.longestWaitMs()).toBeGreaterThan(0);
      await gate.set(true);
      expect((await outcomes).filter(({ status }) => status === 'rejected')).toEqual([]);
      expect(intake.longestWaitMs()).toBe(0);
    },
  );
});

describe('a database that commits nothing', () => {
  let scene: Scene;
  let gate: Gate;
  let berlin: AddedInstance;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
    });
    const { tenantId } = scene.world.tenants[0]!;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    gate = await buildGate(scene.database.sql);
    await gate.set(false);
  }, 60_000);
  afterAll(async () => {
    await gate?.set(true);
    await scene?.close();
  });

  it('is pressure: webhooks are refused in good time, and their computers are due afterwards', async () => {
    const answers: Awaited<ReturnType<typeof sendWebhook>>[] = [];
    let sent = 0;
    const refused = await eventually(() => {
      // Those before it wait for the gate.
      sent += 1;
      void sendWebhook(scene, berlin, sent).then((answer) => answers.push(answer));
      const found = answers.find(({ status }) => status !== 202);
      expect(found).toBeDefined();
      return found!;
    });
    expect([refused.status, refused.json.type]).toEqual([503, expect.stringContaining('overloaded')]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    await gate.set(true);
    await eventually(() => expect(answers).toHaveLength(sent));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202, 503]));
    await eventually(async () => {
      const [row] = await scene.database.sql<{ computers: number }[]>`
        select count(*)::int as computers from computers where instance_id = ${berlin.id} and jamf_computer_id <= ${sent}`;
      expect(row!.computers).toBe(sent);
    });
  }, 60_000);
});
