import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/ids.ts';
import { recordClaims, rerouteInstance } from '../../src/routing/claims.ts';
import { explainRoute } from '../../src/routing/explain-route.ts';
import { trimmedHistory } from '../../src/routing/history.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import type { ComputerClaims } from '../../src/store/claims/claims.ts';
import { trimRouteHistory } from '../../src/store/routes/trim-history.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** Claims as the routing core takes them in, against PostgreSQL. */
describe('claims', () => {
  let database: TestDatabase;
  let tenantId: string;
  let a: string;
  let b: string;
  let device: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    [tenantId, device] = [newId(), newId()];
    [a, b] = [newId(), newId()].sort() as [string, string];
    await database.sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 't', 'device-compliance', 'cloud-connector', '{}')`;
    for (const id of [a, b]) {
      await database.sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
        values (${tenantId}, ${id}, ${id}, 'https://jamf.example', 'c', '{"source":"jamf"}')`;
    }
  });

  const day = (number: number): Date => new Date(Date.UTC(2026, 0, number));
  const computer = (
    instanceId: string,
    deviceIds: readonly string[],
    more: Partial<ComputerClaims> = {},
  ): ComputerClaims => ({
    instanceId,
    jamfComputerId: 1,
    registrations: deviceIds.map((deviceId) => ({ deviceId, userId: null })),
    serialNumber: null,
    udid: null,
    lastEnrolledAt: day(1),
    lastCheckInAt: day(10),
    reportAt: day(10),
    ...more,
  });
  const take = (...computers: ComputerClaims[]) =>
    database.sql.begin((tx) =>
      recordClaims(tx, tenantId, computers, ({ instanceId }) => ({ author: instanceId, reason: 'test' })),
    );
  const routeOf = async (deviceId: string) => {
    const [row] = await database.sql<{ instanceId: string; version: number }[]>`
      select instance_id as "instanceId", version from routes
      where tenant_id = ${tenantId} and device_id = ${deviceId}`;
    return row;
  };
  const history = (deviceId: string) => database.sql<{ state: string }[]>`
    select state from claim_history where tenant_id = ${tenantId} and device_id = ${deviceId} order by sequence`;
  const links = () => database.sql`
    select device_id as "deviceId", previous_device_id as "previousDeviceId", linked_by as "linkedBy",
      retired_at is not null as retired
    from device_links where tenant_id = ${tenantId} order by device_id`;

  it('an older record of the same computer neither overwrites nor withdraws; an equal one goes through', async () => {
    await take(computer(a, [device]), computer(b, [device], { lastEnrolledAt: day(2) }));
    const before = await routeOf(device);
    expect(before?.instanceId).toBe(b);
    const late = { reportAt: day(9), lastEnrolledAt: day(30) };
    expect(await take(computer(a, [device], late))).toEqual([]);
    expect(await take(computer(b, [], late))).toEqual([]);
    expect(await routeOf(device)).toEqual(before);
    await take(computer(a, [device], { lastEnrolledAt: day(3) }));
    expect((await routeOf(device))?.instanceId).toBe(a);
  });

  it('what one tenant claims of a device decides nothing for a device of the same id in another', async () => {
    const other = newId();
    await database.sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${other}, 'public', 'o', 'device-compliance', 'cloud-connector', '{}')`;
    const theirs = newId();
    await database.sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${other}, ${theirs}, 'theirs', 'https://jamf.example', 'c', '{"source":"jamf"}')`;
    await take(computer(a, [device]));
    const before = await routeOf(device);
    const by = () => ({ author: 'other', reason: 'test' });
    const inOther = (...computers: ComputerClaims[]) =>
      database.sql.begin((tx) => recordClaims(tx, other, computers, by));
    const newer = { lastEnrolledAt: day(20), reportAt: day(20) };
    expect(await inOther(computer(theirs, [device], newer))).toMatchObject([
      { before: undefined, route: { instanceId: theirs, rule: 'only-claim' } },
    ]);
    expect(await routeOf(device)).toEqual(before);
    expect(await inOther(computer(theirs, [], { reportAt: day(30) }))).toMatchObject([
      { before: { instanceId: theirs }, route: undefined },
    ]);
    expect(await routeOf(device)).toEqual(before);
    expect(await take(computer(a, [device], { reportAt: day(11) }))).toMatchObject([
      { changed: false, route: { instanceId: a, rule: 'only-claim' } },
    ]);
  });

  it('a date ahead of the clock makes no later record look old', async () => {
    await take(computer(a, [device], { reportAt: new Date('2099-01-01') }));
    const [outcome] = await take(computer(a, [], { reportAt: new Date() }));
    expect(outcome).toMatchObject({ changed: true, route: undefined });
  });

  it('the history has no line for what cannot decide, and one for each claim when a second one comes', async () => {
    await take(computer(a, [device]));
    await take(computer(a, [device], { lastCheckInAt: day(11), reportAt: day(11) }));
    expect(await history(device)).toHaveLength(1);
    await take(computer(b, [device]));
    expect(await history(device)).toHaveLength(3);
    await take(computer(b, [device], { lastCheckInAt: day(12), reportAt: day(12) }));
    expect(await history(device)).toHaveLength(4);
    await database.sql`update instances set enabled = false where instance_id = ${b}`;
    const by = { author: 'test', reason: 'test' };
    await rerouteInstance(database.sql, tenantId, b, by);
    await rerouteInstance(database.sql, tenantId, b, by);
    await take(computer(a, [], { reportAt: null }));
    expect((await history(device)).map(({ state }) => state).slice(4)).toEqual(['resting', 'withdrawn']);
  });

  it('links two registrations of one Mac in the order of their enrolments, also out of one batch', async () => {
    const [old, fresh] = [newId(), newId()];
    const mac = { udid: 'U', serialNumber: 'S' };
    await take(
      computer(b, [fresh], { ...mac, lastEnrolledAt: day(5) }),
      computer(a, [old], { ...mac, lastEnrolledAt: day(1) }),
    );
    expect(await links()).toEqual([
      { deviceId: fresh, previousDeviceId: old, linkedBy: 'udid', retired: false },
    ]);
    const [older] = [newId()];
    await take(computer(a, [older], { ...mac, jamfComputerId: 2, lastEnrolledAt: new Date('2025-01-01') }));
    expect(await links()).toHaveLength(3);
    expect(await links()).toContainEqual({
      deviceId: old,
      previousDeviceId: older,
      linkedBy: 'udid',
      retired: false,
    });
  });

  it('virtual machines with one UDID keep their registrations while both check in', async () => {
    const [one, other] = [newId(), newId()];
    for (let at = 10; at < 20; at += 1) {
      const seen = { udid: 'U', lastCheckInAt: day(at), reportAt: day(at) };
      await take(computer(a, [one], seen));
      await take(computer(b, [other], { ...seen, lastEnrolledAt: day(9) }));
    }
    expect([(await routeOf(one))?.instanceId, (await routeOf(other))?.instanceId]).toEqual([a, b]);
  });

  it('a UDID that more than twenty computers share identifies none of them', async () => {
    for (let id = 1; id <= 25; id += 1) {
      await take(computer(a, [newId()], { udid: 'clone', jamfComputerId: id }));
    }
    const before = (await links()).length;
    await take(computer(b, [newId()], { udid: 'clone' }));
    expect(await links()).toHaveLength(before);
  });

  it('a retired registration that is pinned keeps its route', async () => {
    const [old, fresh] = [newId(), newId()];
    await take(computer(a, [old], { udid: 'U' }));
    await database.sql`update routes set pinned = true where device_id = ${old}`;
    await take(
      computer(b, [fresh], { udid: 'U', lastEnrolledAt: day(20), lastCheckInAt: day(22), reportAt: day(22) }),
    );
    expect((await routeOf(old))?.instanceId).toBe(a);
    expect(await links()).toMatchObject([{ retired: false }]);
  });

  it('trims what is older than the retention, and answers the same for every time within it', async () => {
    const { sql } = database;
    const gone = newId();
    await take(computer(a, [device, gone]));
    await take(computer(b, [device], { lastEnrolledAt: day(2) }));
    await take(computer(a, [device], { reportAt: day(11) }));
    await sql`update route_changes set changed_at = now() - interval '500 days' where tenant_id = ${tenantId}`;
    await sql`update routes set since = now() - interval '500 days' where tenant_id = ${tenantId}`;
    await sql`update claim_history set recorded_at = now() - interval '500 days' where tenant_id = ${tenantId}`;
    const midway = new Date(Date.now() - 100 * 86_400_000);
    const then = await explainRoute(sql, tenantId, device, midway);
    expect(then).toMatchObject({ instanceId: b, rule: 'newest-enrolment' });
    await take(computer(a, [device], { lastEnrolledAt: day(30), reportAt: day(30) }));
    const log = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
    };
    await trimRouteHistory(sql, 400, log);
    const { newest, oldest, before } = await trimmedHistory(sql, tenantId);
    expect([newest, oldest]).toEqual([4, 3]);
    expect(before?.getTime()).toBeLessThan(midway.getTime());
    expect(await explainRoute(sql, tenantId, device, midway)).toEqual(then);
    expect(await explainRoute(sql, tenantId, device)).toMatchObject({ instanceId: a, version: 4 });
    const left = await sql`select version from route_changes where tenant_id = ${tenantId} order by version`;
    expect(left.map(({ version }) => version)).toEqual([2, 4]);
    expect(await history(gone)).toEqual([]);
    await trimRouteHistory(sql, 0, log);
    expect((await trimmedHistory(sql, tenantId)).oldest).toBe(3);
  });
});
