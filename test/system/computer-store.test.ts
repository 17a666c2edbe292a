import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createIntake } from '../../src/delivery/intake.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import {
  computerSchedule,
  createPostpone,
  type DueComputer,
  leaseComputers,
  lockHeld,
  renewComputers,
  settleComputers,
} from '../../src/store/computers/leases.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** Computers that are due to be read: who has them, and what becomes of them, on a real database. */
describe('due computers', () => {
  let database: TestDatabase;
  let [tenantId, instanceId] = ['', ''];
  const holder = () => crypto.randomUUID();

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    ({ tenantId, instanceId } = await addTenant());
  });

  interface Origin {
    readonly tenantId: string;
    readonly instanceId: string;
  }
  const addTenant = async (): Promise<Origin> => {
    const { sql } = database;
    const [id, instance] = [crypto.randomUUID(), crypto.randomUUID()];
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${id}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}')`;
    await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${id}, ${instance}, 'x', 'https://jamf.example', 'x', '{}')`;
    return { tenantId: id, instanceId: instance };
  };
  /** What a webhook about these computers does. */
  const webhook = (ids: readonly number[], origin: Origin = { tenantId, instanceId }): Promise<void> =>
    createIntake({ sharing: 'process', sql: database.sql, onDue: () => undefined }).markDue(
      { ...origin, traceparent: null },
      ids,
    );
  const lease = (
    as: string,
    limit = 100,
    origin: Origin = { tenantId, instanceId },
  ): Promise<DueComputer[]> => {
    const schedule = computerSchedule({ ...origin, background: false, needsInstance: true });
    return leaseComputers(database.sql, as, [{ schedule, limit }]);
  };
  const idsOf = (rows: Iterable<DueComputer>): number[] =>
    [...rows].map(({ jamfComputerId }) => jamfComputerId).sort((a, b) => a - b);
  /** What was read is taken in, of those rows that `as` still has. */
  const settle = (as: string, rows: readonly DueComputer[]): Promise<ReadonlySet<DueComputer>> =>
    database.sql.begin(async (tx) => {
      const held = await lockHeld(
        tx,
        rows.map((row) => ({ row, holder: as })),
      );
      const nothing = { reportAt: undefined, udid: null, serialNumber: null, gone: false };
      const done = { by: 'read' as const, againInSeconds: null, readInSeconds: 0 };
      await settleComputers(
        tx,
        [...held].map((row) => ({ row, ...nothing, ...done })),
      );
      return held;
    });
  const postpone = (as: string, rows: readonly DueComputer[]): Promise<unknown> => {
    const write = createPostpone(database.sql, () => undefined);
    return Promise.all(rows.map((row) => write(row, as, { seconds: 60, error: 'not now' })));
  };
  const endLeases = () => database.sql`
    update computers set lease_until = now() - interval '1 second' where tenant_id = ${tenantId}`;
  const stored = async (tenant = tenantId) => {
    const rows = await database.sql`
      select jamf_computer_id as id, wanted_revision > done_revision as due, lease_owner as holder,
        last_error as error, lease_until > now() as leased, next_try_at <= now() as now
      from computers where tenant_id = ${tenant} order by 1`;
    return rows.map((row) => ({ ...row }));
  };

  it('have one holder while its lease stands', async () => {
    await webhook([1, 2, 3]);
    expect(idsOf(await lease(holder()))).toEqual([1, 2, 3]);
    expect(await lease(holder())).toEqual([]);
    await endLeases();
    expect(idsOf(await lease(holder(), 2))).toHaveLength(2);
  });

  it('that are settled together are all done, each once', async () => {
    await webhook([1, 2, 3]);
    const p = holder();
    expect(idsOf(await settle(p, await lease(p)))).toEqual([1, 2, 3]);
    const done = { due: false, holder: null, error: null, leased: null, now: null };
    expect(await stored()).toEqual([1, 2, 3].map((id) => ({ id, ...done })));
    expect(await lease(holder())).toEqual([]);
  });

  it('are due again when a webhook came while they were read', async () => {
    await webhook([1, 2]);
    const p = holder();
    const rows = await lease(p);
    await webhook([2]);
    await settle(p, rows);
    expect(await stored()).toMatchObject([
      { id: 1, due: false, now: null },
      { id: 2, due: true, now: true },
    ]);
    expect(idsOf(await lease(holder()))).toEqual([2]);
  });

  it('that were lost to another process are settled, postponed and renewed by that one alone', async () => {
    await webhook([1, 2]);
    const [p, q] = [holder(), holder()];
    const lost = await lease(p);
    await endLeases();
    const taken = await lease(q);
    expect(idsOf(await settle(p, lost))).toEqual([]);
    await postpone(p, lost);
    await database.sql`update computers set lease_until = now() + interval '1 second' where tenant_id = ${tenantId}`;
    await renewComputers(
      database.sql,
      lost.map((row) => ({ row, holder: p })),
    );
    const [longest] = await database.sql`
      select max(lease_until) - now() < interval '2 seconds' as short from computers where tenant_id = ${tenantId}`;
    expect(longest).toEqual({ short: true });
    const held = { due: true, holder: q, error: null, leased: true };
    expect(await stored()).toMatchObject([
      { id: 1, ...held },
      { id: 2, ...held },
    ]);
    expect(idsOf(await settle(q, taken))).toEqual([1, 2]);
  });

  it('that are postponed together all wait with their cause, and are still due', async () => {
    await webhook([1, 2, 3]);
    const p = holder();
    await postpone(p, await lease(p));
    const waiting = { due: true, holder: null, error: 'not now', leased: null, now: false };
    expect(await stored()).toEqual([1, 2, 3].map((id) => ({ id, ...waiting })));
  });

  it('of one tenant are no other tenant’s, although both count from 1', async () => {
    const other = await addTenant();
    await webhook([1, 2]);
    await webhook([1, 2], other);
    const p = holder();
    const rows = await lease(p);
    expect(rows.map((row) => row.tenantId)).toEqual([tenantId, tenantId]);
    await settle(p, rows);
    expect(await stored()).toMatchObject([{ due: false }, { due: false }]);
    expect(await stored(other.tenantId)).toMatchObject([
      { id: 1, due: true, holder: null, now: true },
      { id: 2, due: true, holder: null, now: true },
    ]);
    const q = holder();
    await postpone(q, await lease(q, 100, other));
    expect(await stored()).toMatchObject([{ error: null }, { error: null }]);
  });
});
