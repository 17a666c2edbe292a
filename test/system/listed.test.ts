import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { type ListedComputer, markChanged, markReconciled } from '../../src/store/computers/listed.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** What an instance's list makes due, on a real database. */
describe('listed computers', () => {
  let database: TestDatabase;
  const ref = { tenantId: crypto.randomUUID(), instanceId: crypto.randomUUID() };
  const { instanceId, tenantId } = ref;
  const start = Date.now();
  const at = (minutes: number) => new Date(start + minutes * 60_000);
  const listed = (jamfComputerId: number, more: Partial<ListedComputer> = {}): ListedComputer => ({
    jamfComputerId,
    reportedAt: at(-60),
    unreadable: false,
    deviceIds: [],
    ...more,
  });
  /** A computer that was read when its report was an hour old. */
  const known = async (id: number, columns: Record<string, unknown> = {}, deviceId?: string) => {
    const row = {
      ...{ tenant_id: tenantId, instance_id: instanceId, jamf_computer_id: id },
      ...{ wanted_revision: 1, done_revision: 1, next_try_at: null, report_at: at(-60), background: false },
      ...columns,
    };
    await database.sql`insert into computers ${database.sql(row as unknown as Record<string, string>)}`;
    if (deviceId !== undefined) {
      await database.sql`insert into claims (tenant_id, device_id, instance_id, jamf_computer_id)
        values (${tenantId}, ${deviceId}, ${instanceId}, ${id})`;
    }
  };
  /** Ids that are due, with `b` where they wait for what is fresh. */
  const due = async () => {
    const rows = await database.sql`
      select jamf_computer_id as id, background from computers where wanted_revision > done_revision order by 1`;
    return rows.map(({ background, id }) => `${id}${background ? 'b' : ''}`);
  };
  const changed = (...some: ListedComputer[]) => database.sql.begin((tx) => markChanged(tx, ref, some));
  const reconciled = (stretch: { afterId: number; upToId: number }, ...some: ListedComputer[]) =>
    database.sql.begin((tx) => markReconciled(tx, ref, some, stretch, { since: new Date(), behind: 0 }));
  const everything = { afterId: 0, upToId: 2_147_483_647 };

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
    const { sql } = database;
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}')`;
    await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${tenantId}, ${instanceId}, 'x', 'https://jamf.example', 'x', '{}')`;
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    await database.sql`delete from computers`;
    await database.sql`delete from claims`;
  });

  it('a poll makes due what is unknown, later, unreadable or back, and nothing else', async () => {
    for (const id of [1, 2, 3]) await known(id);
    await known(4, { gone_at: at(-10) });
    await known(5, { report_at: null });
    await known(6, { report_at: null, pushed_report_at: at(-30) });
    await changed(
      listed(1, { reportedAt: at(-59) }),
      listed(2, { reportedAt: at(-61) }),
      listed(3, { unreadable: true, reportedAt: null }),
      listed(4),
      listed(5),
      listed(6),
      listed(7),
      listed(7),
    );
    expect(await due()).toEqual(['1', '3', '4', '5', '7']);
  });

  it('a page of one computer counts as any other, and an empty one is none', async () => {
    await known(1);
    expect(await changed(listed(1, { reportedAt: at(-59) }))).toBe(1);
    expect(await changed()).toBe(0);
    expect(await due()).toEqual(['1']);
  });

  it('a date ahead of the clock is news when it is another one, and hides nothing that comes after it', async () => {
    const future = at(60 * 24 * 365);
    await known(1, { report_at: at(-60) });
    await known(2, { report_at: future });
    await known(3, { report_at: null });
    await known(4, { report_at: future });
    await known(5, { report_at: future });
    await known(6, { report_at: at(-60), pushed_report_at: future });
    await changed(
      ...[1, 2, 3].map((id) => listed(id, { reportedAt: future })),
      listed(4, { reportedAt: at(60 * 24 * 366) }),
      listed(5, { reportedAt: at(-1) }),
      listed(6, { reportedAt: at(-1) }),
    );
    expect(await due()).toEqual(['1', '3', '4', '5', '6']);
  });

  it('keeps the back-off of one that fails and the place of one that waits', async () => {
    const [later, earlier] = [at(5), at(-5)];
    const waiting = { wanted_revision: 2, report_at: at(-60) };
    await known(1, { ...waiting, attempts: 3, next_try_at: later });
    await known(2, { ...waiting, background: true, next_try_at: later });
    await known(3, { ...waiting, next_try_at: earlier });
    await changed(...[1, 2, 3].map((id) => listed(id, { reportedAt: at(-1) })));
    const rows = await database.sql`
      select next_try_at as "next", background, wanted_revision as wanted from computers order by jamf_computer_id`;
    expect(rows[0]).toEqual({ next: later, background: false, wanted: 3 });
    expect(rows[1]!.next.getTime()).toBeLessThan(Date.now() + 1_000);
    expect(rows[1]!.background).toBe(false);
    expect(rows[2]!.next).toEqual(earlier);
  });

  it('a reconciliation also finds other registrations, the registered in the background, and who is missing', async () => {
    const ids = Array.from({ length: 9 }, () => crypto.randomUUID());
    await known(1, {}, ids[1]);
    await known(2, {}, ids[2]);
    await known(3, {}, ids[3]);
    await known(4, {}, ids[4]);
    for (const id of [5, 6, 7, 30]) await known(id);
    await known(8, { gone_at: at(-10) });
    const marked = await reconciled(
      { afterId: 0, upToId: 20 },
      listed(1, { deviceIds: [ids[1]!] }),
      listed(2, { deviceIds: [ids[0]!] }),
      listed(3, { deviceIds: [] }),
      listed(4, { deviceIds: undefined }),
      listed(5, { deviceIds: [ids[5]!] }),
      listed(6),
      listed(9, { deviceIds: [ids[6]!, ids[7]!] }),
    );
    expect(await due()).toEqual(['1b', '2', '3', '4b', '5', '7b', '9']);
    expect(marked).toMatchObject({ fresh: 4, background: 3 });
  });

  it('an empty list makes everything due in the background, at a steady rate, and ends nothing', async () => {
    for (let id = 1; id <= 250; id += 1) await known(id);
    await known(251, { wanted_revision: 2, next_try_at: at(0) });
    expect(await reconciled(everything)).toMatchObject({ fresh: 0, background: 250 });
    const [row] = await database.sql`
      select count(*) filter (where next_try_at <= now() + interval '1 second') as soon,
        max(next_try_at) > now() + interval '2 seconds' as later, count(*) filter (where background) as background
      from computers`;
    expect(row).toMatchObject({ later: true, background: 250 });
    expect(row!.soon).toBeLessThan(150);
  });
});
