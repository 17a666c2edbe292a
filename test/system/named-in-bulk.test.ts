import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLearning } from '../../src/delivery/computers/learn-named.ts';
import type { JamfClient } from '../../src/jamf/client.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { markNamed, nextNamed, settleNamed } from '../../src/store/computers/named.ts';
import { createReaders } from '../../src/store/computers/readers.ts';
import { createInstanceDirectory } from '../../src/store/instances/instance.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';

/** An event that names very many computers: those that are known wait in the background, the others for a list. */
describe('computers named in bulk, in the database', () => {
  let database: TestDatabase;
  const ref = { tenantId: crypto.randomUUID(), instanceId: crypto.randomUUID() };
  const other = { ...ref, instanceId: crypto.randomUUID() };
  const { instanceId, tenantId } = ref;
  const known = (id: number, columns: Record<string, unknown> = {}) => {
    const row = {
      ...{ tenant_id: tenantId, instance_id: instanceId, jamf_computer_id: id },
      ...{ wanted_revision: 1, done_revision: 1, next_try_at: null, background: false, ...columns },
    };
    return database.sql`insert into computers ${database.sql(row as unknown as Record<string, string>)}`;
  };
  const due = async () => {
    const rows = await database.sql`
      select jamf_computer_id as id, background from computers where wanted_revision > done_revision order by 1`;
    return rows.map(({ background, id }) => `${id}${background ? 'b' : ''}`);
  };
  const named = async () => {
    const rows = await database.sql`
      select jamf_computer_id as id from named_computers where instance_id = ${instanceId} order by 1`;
    return rows.map(({ id }) => Number(id));
  };
  const mark = (ids: readonly number[]) =>
    markNamed(database.sql, { ...ref, traceparent: null }, ids, (run) => run(1_000));
  const settle = (listed: number[], afterId: number, upToId: number, namedBefore = new Date(0)) =>
    database.sql.begin((tx) => settleNamed(tx, ref, listed, { afterId, upToId, namedBefore }));

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
    const { sql } = database;
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}')`;
    for (const [at, one] of [instanceId, other.instanceId].entries()) {
      await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
        values (${tenantId}, ${one}, ${`x${at}`}, ${`https://jamf${at}.example`}, 'x', '{}')`;
    }
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    await database.sql`delete from computers`;
    await database.sql`delete from named_computers`;
  });

  it('known ones become due in the background, unknown and deleted ones wait for a list', async () => {
    await known(1);
    await known(2, { wanted_revision: 2, next_try_at: new Date(), background: false });
    await known(3, { gone_at: new Date() });
    await known(4, { wanted_revision: 5, pushed_revision: 5, pushed_record: '{}', next_try_at: new Date() });
    await mark([4, 3, 2, 1, 9, 9, 1]);
    expect(await due()).toEqual(['1b', '2', '4']);
    expect(await named()).toEqual([3, 9]);
    const [pushed] = await database.sql`
      select pushed_revision as pushed, read_revision as read, wanted_revision as wanted from computers where jamf_computer_id = 4`;
    expect(pushed).toEqual({ pushed: 6, read: 6, wanted: 6 });
    const [reading] = await database.sql`
      select next_learn_at <= now() as soon from instance_reading where instance_id = ${instanceId}`;
    expect(reading?.soon).toBe(true);
  });

  it('a list makes due what it holds, forgets the rest later, and speaks for its own stretch only', async () => {
    await mark(Array.from({ length: 2_500 }, (_, at) => at + 1));
    await database.sql`insert into named_computers (tenant_id, instance_id, jamf_computer_id)
      values (${tenantId}, ${other.instanceId}, 5)`;
    expect(await nextNamed(database.sql, ref, 0)).toBe(1);
    expect(await settle([5, 7], 0, 1_000)).toBe(2);
    expect(await due()).toEqual(['5b', '7b']);
    expect(await named()).toHaveLength(2_498);
    await settle([], 0, 1_000, new Date(Date.now() + 60_000));
    expect(await nextNamed(database.sql, ref, 0)).toBe(1_001);
    expect(await due()).toEqual(['5b', '7b']);
    expect(await nextNamed(database.sql, other, 0)).toBe(5);
  });

  it('a list of very many pages gives way to those that wait, and goes on where it was', async () => {
    const { sql } = database;
    await mark(Array.from({ length: 200 }, (_, at) => at + 1));
    await sql`insert into instance_reading (tenant_id, instance_id, next_learn_at)
      values (${tenantId}, ${other.instanceId}, now()) on conflict (tenant_id, instance_id) do update set next_learn_at = now()`;
    // It waits, and nobody takes its turn.
    await sql`update instances set enabled = false where instance_id = ${other.instanceId}`;
    // One computer a page, a new one each time.
    const client = {
      computersAfter: async (afterId: number) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return {
          ok: true,
          page: { totalCount: 1e9, items: [], rejected: [], ids: [afterId + 1], last: false },
        };
      },
    } as unknown as JamfClient;
    const holder = crypto.randomUUID();
    const learning = createLearning(
      {
        ...{
          sql,
          holder,
          clientOf: () => client,
          log: createLog({ level: 'error', format: 'json', write: () => undefined }),
        },
        ...{
          instances: createInstanceDirectory(sql),
          readers: createReaders(sql, holder, () => performance.now()),
          failures: new Map(),
        },
        backoff: { baseSeconds: 1, maxSeconds: 1 },
      },
      50,
    );
    const first = async () => {
      const [row] = await sql`select instance_id as id from instance_reading where next_learn_at <= now()
        order by next_learn_at limit 1`;
      return row?.id as string | undefined;
    };
    expect(await first()).toBe(instanceId);
    await learning.runDue();
    await eventually(async () => expect(await first()).toBe(other.instanceId));
    const left = (await named()).length;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(200);
    await eventually(async () => {
      await learning.runDue();
      expect(await named()).toEqual([]);
    }, 30_000);
    await learning.stop();
  });
});

describe('a group event with a hundred thousand computers', () => {
  let scene: Scene;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let tenantId: string;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 6 },
              { name: 'paris', macs: 2 },
            ],
          },
        ],
      },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
  });
  afterAll(() => scene?.close());

  const send = (instance: AddedInstance, body: string) =>
    scene.data(`/jamf/${instance.id}/webhooks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': instance.key },
      body,
    });

  it('is taken, learned from one list, and delays nobody', async () => {
    const ids = Array.from({ length: 100_000 }, (_, at) => at + 1);
    const event = {
      webhook: { id: 1, name: 'n', webhookEvent: 'SmartGroupComputerMembershipChange' },
      event: {
        name: 'g',
        smartGroup: true,
        jssid: 9,
        computer: true,
        groupAddedDevicesIds: [...ids, ...ids],
      },
    };
    const before = await scene.api('GET', `/tenants/${tenantId}/devices`);
    expect(before.json.totalCount).toBe(0);
    let open = true;
    const answer = send(berlin, JSON.stringify(event)).finally(() => {
      open = false;
    });
    let neighbours = 0;
    while (open) {
      expect((await send(paris, webhookBody('ComputerCheckIn', 1))).status).toBe(202);
      neighbours += 1;
    }
    expect(await answer).toMatchObject({ status: 202, json: { status: 'accepted' } });
    expect(neighbours).toBeGreaterThan(5);
    // Its six Macs are routed; of what it does not have nothing was ever a computer here.
    const macs = scene.world.fleet.truth().filter(({ instance }) => instance === 'berlin').length;
    await eventually(async () => {
      const devices = await scene.api('GET', `/tenants/${tenantId}/devices?filter=instanceId==${berlin.id}`);
      expect(devices.json.totalCount).toBe(macs);
      const [waiting] = await scene.database.sql`
        select count(*)::int as ids from named_computers where jamf_computer_id <= ${macs}`;
      expect(waiting?.ids).toBe(0);
    });
    const [row] = await scene.database.sql`
      select count(*)::int as rows from computers where instance_id = ${berlin.id} and jamf_computer_id > 1000`;
    expect(row?.rows).toBe(0);
  }, 90_000);
});
