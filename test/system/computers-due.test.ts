import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Making,
  makeAllDue,
  makeDue,
  readManyWinners,
  readWinners,
  retryNow,
} from '../../src/store/computers/due.ts';
import { dueChannel } from '../../src/store/notifications.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** When computers become due, on a real database: `src/store/computers/due.ts`. */

const tenantId = '11111111-1111-4111-8111-111111111111';
const otherTenantId = '22222222-2222-4222-8222-222222222222';
const instanceId = '33333333-3333-4333-8333-333333333333';
const otherInstanceId = '44444444-4444-4444-8444-444444444444';
const instanceOf = (tenant: string) => (tenant === tenantId ? instanceId : otherInstanceId);

interface State {
  readonly wished: number;
  readonly background: boolean;
  readonly dueInMinutes: number;
}

interface Kept {
  readonly attempts: number;
  readonly background: boolean;
  readonly dueInMinutes: number;
  readonly tenant: string;
}

describe('computers that become due', () => {
  let database: TestDatabase;

  /** A computer that is settled, unless the columns say otherwise; `dueInMinutes`: it waits. */
  const known = async (
    id: number,
    { attempts = 0, background = false, dueInMinutes, tenant = tenantId }: Partial<Kept> = {},
  ) => {
    const waits = dueInMinutes !== undefined;
    await database.sql`
      insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, done_revision, attempts, background, next_try_at)
      values (${tenant}, ${instanceOf(tenant)}, ${id}, ${waits ? 2 : 1}, 1, ${attempts}, ${background},
        ${waits ? database.sql`now() + ${dueInMinutes} * interval '1 minute'` : null})`;
  };
  /** What waits of the tenant, by id; `wished`: wishes that are not satisfied. */
  const waiting = async (tenant = tenantId): Promise<Record<number, State>> => {
    const rows = await database.sql<(State & { id: number })[]>`
      select jamf_computer_id as id, wanted_revision - done_revision as wished, background,
        round(extract(epoch from next_try_at - now()) / 60)::int as "dueInMinutes"
      from computers where tenant_id = ${tenant} and wanted_revision > done_revision order by 1`;
    return Object.fromEntries(rows.map(({ id, ...state }) => [id, state]));
  };
  /** Seconds from the first to the last in the background. */
  const spreadSeconds = async () => {
    const [row] = await database.sql<{ seconds: number }[]>`
      select extract(epoch from max(next_try_at) - min(next_try_at))::float8 as seconds from computers where background`;
    return row?.seconds;
  };
  const make = (ids: readonly number[], making: Partial<Making>) =>
    database.sql.begin((tx) =>
      makeDue(
        tx,
        tx`select ${tenantId}::uuid as tenant_id, ${instanceId}::uuid as instance_id, id as jamf_computer_id
           from unnest(${ids as number[]}::int[]) as one(id)`,
        { urgency: 'fresh', spread: 'none', backoff: 'keep', ...making },
      ),
    );

  beforeAll(async () => {
    database = await createTestDatabase();
    for (const tenant of [tenantId, otherTenantId]) {
      await database.sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
        values (${tenant}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}')`;
      await database.sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
        values (${tenant}, ${instanceOf(tenant)}, 'x', 'https://jamf.example', 'x', '{}')`;
    }
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    await database.sql`delete from computers`;
  });

  it('keep their place, their back-off and their freshness while they wait', async () => {
    await known(1, { dueInMinutes: -60 });
    await known(2, { dueInMinutes: 300, attempts: 3 });
    await known(3, { dueInMinutes: 300, background: true });
    await known(4);
    const made = await make([1, 2, 3, 4, 5], {});
    expect(made).toEqual({ selected: 5, fresh: 5, background: 0, last: { instanceId, jamfComputerId: 5 } });
    expect(await waiting()).toEqual({
      1: { wished: 2, background: false, dueInMinutes: -60 },
      2: { wished: 2, background: false, dueInMinutes: 300 },
      3: { wished: 2, background: false, dueInMinutes: 0 },
      4: { wished: 1, background: false, dueInMinutes: 0 },
      5: { wished: 1, background: false, dueInMinutes: 0 },
    });
  });

  it('are left alone by a background wish while they wait, unless a read under way does not suffice', async () => {
    await known(1, { dueInMinutes: 30 });
    await known(2);
    expect(await make([1, 2], { urgency: 'background', spread: { behind: 30_000 } })).toMatchObject({
      selected: 2,
      fresh: 0,
      background: 1,
    });
    expect(await waiting()).toEqual({
      1: { wished: 1, background: false, dueInMinutes: 30 },
      2: { wished: 1, background: true, dueInMinutes: 5 },
    });
    await make([1, 2], { urgency: 'background', spread: { behind: 0 }, waiting: 'once-more' });
    expect(await waiting()).toEqual({
      1: { wished: 2, background: false, dueInMinutes: 0 },
      2: { wished: 2, background: true, dueInMinutes: 0 },
    });
  });

  it('are not looked at before the given time, and follow each other from then on', async () => {
    await known(1, { dueInMinutes: -60 });
    const ids = Array.from({ length: 201 }, (_, index) => index + 1);
    await make(ids, {
      urgency: 'background',
      spread: { behind: 0 },
      waiting: 'once-more',
      notBeforeSeconds: 1_200,
    });
    const states = await waiting();
    expect(states[1]).toEqual({ wished: 2, background: false, dueInMinutes: 20 });
    expect(states[2]).toEqual({ wished: 1, background: true, dueInMinutes: 20 });
    expect(states[201]).toEqual({ wished: 1, background: true, dueInMinutes: 20 });
    expect(await spreadSeconds()).toBe(1.99);
  });

  it('are read at once when they win a device, also when they fail or were never seen', async () => {
    await known(1, { dueInMinutes: 300, attempts: 5 });
    await known(2, { dueInMinutes: 300, background: true });
    const winners = [1, 2, 3, 3].map((jamfComputerId) => ({ instanceId, jamfComputerId }));
    await database.sql.begin((tx) => readWinners(tx, tenantId, winners));
    const soon = { background: false, dueInMinutes: 0 };
    expect(await waiting()).toEqual({
      1: { wished: 2, ...soon },
      2: { wished: 2, ...soon },
      3: { wished: 1, ...soon },
    });
  });

  it('are left out where another transaction holds their row when they win with very many others', async () => {
    for (const id of [1, 2]) await known(id);
    await database.sql.begin(async (holder) => {
      await holder`select 1 from computers where jamf_computer_id = 1 for update`;
      const wanted = await database.sql.begin((tx) =>
        readManyWinners(
          tx,
          tenantId,
          tx`select ${instanceId}::uuid as instance_id, id as jamf_computer_id from generate_series(1, 3) as one(id)`,
        ),
      );
      expect(wanted).toBe(2);
    });
    expect(Object.keys(await waiting())).toEqual(['2', '3']);
  });

  it('are all of a tenant, batch by batch, and of no other; not those that the instance has deleted', async () => {
    for (const tenant of [tenantId, otherTenantId]) {
      await database.sql`
        insert into computers (tenant_id, instance_id, jamf_computer_id, done_revision, next_try_at)
        select ${tenant}, ${instanceOf(tenant)}, id, 1, null from generate_series(1, 2100) as one(id)`;
    }
    await database.sql`update computers set gone_at = now() where jamf_computer_id = 7`;
    await makeAllDue(database.sql, { tenantId }, 'background');
    const states = await waiting();
    expect(Object.keys(states)).toHaveLength(2099);
    expect(states[7]).toBeUndefined();
    expect(states[2100]).toEqual({ wished: 1, background: true, dueInMinutes: 0 });
    expect(await waiting(otherTenantId)).toEqual({});
    await makeAllDue(database.sql, { tenantId, instanceId }, 'fresh');
    expect((await waiting())[2100]).toEqual({ wished: 2, background: false, dueInMinutes: 0 });
  });

  it('are retried now without losing a place, and only those that wait', async () => {
    await known(1, { dueInMinutes: -60 });
    await known(2, { dueInMinutes: 300, attempts: 4 });
    await known(3);
    await known(2, { dueInMinutes: 300, tenant: otherTenantId });
    await database.sql.begin((tx) => retryNow(tx, { tenantId, instanceId }));
    expect(await waiting()).toEqual({
      1: { wished: 1, background: false, dueInMinutes: -60 },
      2: { wished: 1, background: false, dueInMinutes: 0 },
    });
    expect((await waiting(otherTenantId))[2]?.dueInMinutes).toBe(300);
  });

  it('are notified of once a transaction, and not where nothing became due', async () => {
    const heard: string[] = [];
    const { unlisten } = await database.sql.listen(dueChannel, (payload) => heard.push(payload));
    await known(1, { dueInMinutes: 30 });
    await make([], {});
    await make([1], { urgency: 'background', spread: { behind: 0 } });
    await make([1, 2, 3], {});
    await database.sql.notify(dueChannel, 'end');
    while (!heard.includes('end')) await new Promise((resolve) => setTimeout(resolve, 5));
    await unlisten();
    expect(heard).toEqual(['computers', 'end']);
  });
});
