import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type AddedInstance, connectTenant, sendWebhook, startScene } from '../harness/gateway.ts';

/** Check-ins that say nothing new: remembered, and followed by one read at the end of their period. */

const until = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function startFleet(seconds: string, instances: { name: string; macs: number }[][]) {
  const scene = await startScene({
    world: {
      clouds: ['public'],
      tenants: instances.map((of) => ({ instances: of.map((one) => ({ ...one, compliantShare: 1 })) })),
    },
    environment: { ESPALIER_CHECK_IN_SECONDS: seconds },
  });
  const added = new Map<string, AddedInstance>();
  for (const { tenantId } of scene.world.tenants)
    for (const [name, instance] of await connectTenant(scene, tenantId)) added.set(name, instance);
  const { sql } = scene.database;
  const macsOf = (name: string) => scene.world.fleet.truth().filter(({ instance }) => instance === name);
  const checkIn = async (name: string, computer: number): Promise<void> => {
    expect((await sendWebhook(scene, added.get(name)!, computer, 'ComputerCheckIn')).status).toBe(202);
  };
  /** What the row is, and which transaction wrote it last. */
  const rowOf = async (name: string, computer: number) => {
    const [row] = await sql<{ wanted: number; done: number; writtenBy: string; lastReadAt: Date | null }[]>`
      select wanted_revision as wanted, done_revision as done, xmin::text as "writtenBy", last_read_at as "lastReadAt"
      from computers where instance_id = ${added.get(name)!.id} and jamf_computer_id = ${computer}`;
    return row;
  };
  /** Reads of this computer that its instance has answered. */
  const readsOf = (name: string, computer: number): number =>
    scene.world.journal
      .list({ service: `jamf:${name}` })
      .filter(({ path }) =>
        new RegExp(
          `computers-inventory-detail/${computer}(\\?|$)|computers-inventory/${computer}(\\?|$)|id==${computer}\\b|id%3D%3D${computer}\\b`,
        ).test(path),
      ).length;
  const requestsOf = (name: string): number => scene.world.journal.list({ service: `jamf:${name}` }).length;
  const told = (tenantId: string, deviceId: string) =>
    scene.world.cloud('public').intune.device(tenantId, deviceId).history.at(-1)?.complianceStatus;
  /** Every Mac of these instances was read, and told. */
  const readAll = async (...names: string[]): Promise<void> => {
    for (const name of names)
      for (const { jamfComputerId } of macsOf(name))
        await sendWebhook(scene, added.get(name)!, jamfComputerId);
    await eventually(async () => {
      const [left] = await sql<{ reports: number; computers: number; all: number }[]>`
        select (select count(*) from reports where state <> 'verified')::int as reports,
          (select count(*) from reports)::int as all,
          (select count(*) from computers where next_try_at is not null)::int as computers`;
      expect(left).toMatchObject({ reports: 0, computers: 0 });
      expect(left!.all).toBeGreaterThanOrEqual(names.flatMap(macsOf).length);
    }, 40_000);
  };
  return { scene, sql, added, macsOf, checkIn, rowOf, readsOf, requestsOf, told, readAll };
}

type FleetScene = Awaited<ReturnType<typeof startFleet>>;

describe('a check-in within the period of the last read', () => {
  let fleet: FleetScene;
  const seconds = 8;
  beforeAll(async () => {
    fleet = await startFleet(String(seconds), [[{ name: 'berlin', macs: 4 }]]);
  }, 60_000);
  afterAll(() => fleet?.scene.close());

  it('writes no row, asks its instance nothing, and one read follows at the end of the period', async () => {
    const { checkIn, macsOf, readAll, requestsOf, rowOf, scene, told } = fleet;
    await readAll('berlin');
    const [mac, other] = macsOf('berlin');
    const id = mac!.jamfComputerId;
    // The last read was just now, so that there is time to look.
    await sendWebhook(scene, fleet.added.get('berlin')!, id);
    await eventually(async () => {
      const row = await rowOf('berlin', id);
      expect(row).toMatchObject({ done: row!.wanted });
    });
    const before = await rowOf('berlin', id);
    const asked = requestsOf('berlin');
    scene.world.fleet.setCompliant(scene.world.fleet.findByDevice(mac!.deviceId)!, false);
    for (let time = 0; time < 5; time += 1) await checkIn('berlin', id);
    await until(1_500);
    expect(await rowOf('berlin', id)).toEqual(before);
    expect(requestsOf('berlin')).toBe(asked);
    expect(told(mac!.tenantId, mac!.deviceId)).toBe('compliant');
    await eventually(
      () => expect(told(mac!.tenantId, mac!.deviceId)).toBe('notCompliant'),
      seconds * 1_000 + 5_000,
    );
    const after = await rowOf('berlin', id);
    expect(after).toMatchObject({ wanted: before!.wanted + 1, done: before!.wanted + 1 });
    const passed = after!.lastReadAt!.getTime() - before!.lastReadAt!.getTime();
    expect(passed).toBeGreaterThan(seconds * 500);
    await until(seconds * 500);
    // One read for all five, and none for who did not check in.
    expect(await rowOf('berlin', id)).toEqual(after);
    expect(await rowOf('berlin', other!.jamfComputerId)).toMatchObject({ wanted: 1 });
    expect(await fleet.sql`select 1 from check_in_marks`).toHaveLength(0);
  }, 60_000);

  it('is not followed by a second read where another event has had the computer read meanwhile', async () => {
    const { added, checkIn, macsOf, rowOf, scene } = fleet;
    const id = macsOf('berlin')[1]!.jamfComputerId;
    await sendWebhook(scene, added.get('berlin')!, id);
    await eventually(async () => {
      const row = await rowOf('berlin', id);
      expect(row).toMatchObject({ done: row!.wanted });
    });
    await checkIn('berlin', id);
    await sendWebhook(scene, added.get('berlin')!, id);
    const { wanted } = (await rowOf('berlin', id))!;
    await until(seconds * 1_000 + 2_000);
    expect(await rowOf('berlin', id)).toMatchObject({ wanted, done: wanted });
  }, 60_000);

  it('is kept by an orderly end, and read by the process that comes after', async () => {
    const { checkIn, macsOf, rowOf, scene, told } = fleet;
    const mac = macsOf('berlin')[2]!;
    await sendWebhook(scene, fleet.added.get('berlin')!, mac.jamfComputerId);
    await eventually(async () => {
      const row = await rowOf('berlin', mac.jamfComputerId);
      expect(row).toMatchObject({ done: row!.wanted });
    });
    scene.world.fleet.setCompliant(scene.world.fleet.findByDevice(mac.deviceId)!, false);
    await checkIn('berlin', mac.jamfComputerId);
    const { wanted } = (await rowOf('berlin', mac.jamfComputerId))!;
    await scene.restart('stop');
    expect(await fleet.sql`select 1 from check_in_marks`).toHaveLength(0);
    expect(await rowOf('berlin', mac.jamfComputerId)).toMatchObject({ wanted: wanted + 1 });
    await eventually(
      () => expect(told(mac.tenantId, mac.deviceId)).toBe('notCompliant'),
      seconds * 1_000 + 5_000,
    );
  }, 60_000);
});

describe('after the end of every process in mid-period, with no polls', () => {
  let fleet: FleetScene;
  // Well above the 12 s for which a killed process keeps the instance from being read by another one.
  const seconds = 30;
  beforeAll(async () => {
    fleet = await startFleet(String(seconds), [
      [
        { name: 'berlin', macs: 4 },
        { name: 'paris', macs: 2 },
      ],
    ]);
    await fleet.readAll('berlin', 'paris');
  }, 120_000);
  afterAll(() => fleet?.scene.close());

  /** Has these read now, so that what follows is within their period. */
  const readNow = async (name: string, ids: readonly number[]): Promise<void> => {
    for (const id of ids) await sendWebhook(fleet.scene, fleet.added.get(name)!, id);
    for (const id of ids)
      await eventually(async () => {
        const row = await fleet.rowOf(name, id);
        expect(row).toMatchObject({ done: row!.wanted });
      });
  };

  it('every change before the last check-in is told within the period', async () => {
    const { checkIn, macsOf, rowOf, scene, told } = fleet;
    const changed = macsOf('berlin').slice(0, 3);
    await readNow(
      'berlin',
      changed.map((mac) => mac.jamfComputerId),
    );
    for (const mac of changed) {
      await checkIn('berlin', mac.jamfComputerId);
      scene.world.fleet.setCompliant(scene.world.fleet.findByDevice(mac.deviceId)!, false);
      await checkIn('berlin', mac.jamfComputerId);
    }
    const lastAtMs = performance.now();
    for (const mac of changed) {
      const row = await rowOf('berlin', mac.jamfComputerId);
      expect(row).toMatchObject({ done: row!.wanted });
      expect(told(mac.tenantId, mac.deviceId)).toBe('compliant');
    }
    await scene.restart('kill');
    const leftMs = (): number => seconds * 1_000 - (performance.now() - lastAtMs);
    await eventually(() => {
      for (const mac of changed) expect(told(mac.tenantId, mac.deviceId)).toBe('notCompliant');
    }, leftMs());
    await eventually(async () => expect(await fleet.sql`select 1 from check_in_marks`).toHaveLength(0));
  }, 120_000);

  it('what a killed process remembered is read by one that goes on', async () => {
    const { checkIn, macsOf, scene, told } = fleet;
    const [mac] = macsOf('paris');
    const other = await scene.another();
    try {
      await readNow('paris', [mac!.jamfComputerId]);
      scene.world.fleet.setCompliant(scene.world.fleet.findByDevice(mac!.deviceId)!, false);
      // The read was the first process's or the other's: either knows of it.
      await checkIn('paris', mac!.jamfComputerId);
      const [row] = await fleet.sql<{ marks: number }[]>`select count(*)::int as marks from check_in_marks`;
      expect(row).toEqual({ marks: 1 });
      await scene.gateway.kill();
      await eventually(
        () => expect(told(mac!.tenantId, mac!.deviceId)).toBe('notCompliant'),
        seconds * 1_000 + 3_000,
      );
    } finally {
      await other.stop();
      await scene.start();
    }
  }, 120_000);
});

describe('a check-in is not folded', () => {
  let fleet: FleetScene;
  beforeAll(async () => {
    // No period ends during these tests.
    fleet = await startFleet('3600', [
      [
        { name: 'berlin', macs: 18 },
        { name: 'moved', macs: 1 },
        { name: 'target', macs: 1 },
        { name: 'asked', macs: 1 },
      ],
      [{ name: 'leaving', macs: 1 }],
    ]);
    await fleet.readAll('berlin', 'moved', 'target', 'asked', 'leaving');
  }, 90_000);
  afterAll(() => fleet?.scene.close());

  const wantedOf = async (name: string, id: number): Promise<number> =>
    (await fleet.rowOf(name, id))?.wanted ?? 0;
  const isFolded = async (name: string, id: number): Promise<boolean> => {
    const before = await wantedOf(name, id);
    await fleet.checkIn(name, id);
    return (await wantedOf(name, id)) === before;
  };

  it('only here: everything else is as these are', async () => {
    expect(await isFolded('berlin', fleet.macsOf('berlin')[0]!.jamfComputerId)).toBe(true);
    for (const name of ['moved', 'target', 'asked', 'leaving'])
      expect(await isFolded(name, fleet.macsOf(name)[0]!.jamfComputerId)).toBe(true);
  });

  const set = (assignments: (sql: FleetScene['sql']) => ReturnType<FleetScene['sql']>) => (id: number) =>
    fleet.sql`update computers set ${assignments(fleet.sql)}
      where instance_id = ${fleet.added.get('berlin')!.id} and jamf_computer_id = ${id}`;
  const report = (assignments: (sql: FleetScene['sql']) => ReturnType<FleetScene['sql']>) => (id: number) =>
    fleet.sql`update reports set ${assignments(fleet.sql)} where (tenant_id, device_id) in (
      select tenant_id, device_id from claims
      where instance_id = ${fleet.added.get('berlin')!.id} and jamf_computer_id = ${id})`;
  const ofComputer: [string, (id: number) => PromiseLike<unknown>][] = [
    [
      'that waits for a later time',
      set((sql) => sql`wanted_revision = wanted_revision + 1, next_try_at = now() + interval '1 hour'`),
    ],
    ['whose last read failed', set((sql) => sql`attempts = 1, last_error = 'x'`)],
    ['whose last read was a 404', set((sql) => sql`not_found_since = now()`)],
    ['that its instance has deleted', set((sql) => sql`gone_at = now()`)],
    ['that was never read', set((sql) => sql`last_read_at = null`)],
    [
      'whose last read is older than the period',
      set((sql) => sql`last_read_at = now() - interval '3601 seconds'`),
    ],
    [
      'whose last read is in the future, after a clock was set back',
      set((sql) => sql`last_read_at = now() + interval '1 minute'`),
    ],
    ['whose report is held', report((sql) => sql`state = 'held', next_try_at = now() + interval '1 hour'`)],
    ['whose report failed', report((sql) => sql`state = 'failed', failed_at = now()`)],
    ['whose report is not told yet', report((sql) => sql`revision = revision + 1`)],
    ['whose report is retracted', report((sql) => sql`retracted = true`)],
    ['whose report waits for a read after a restore', report((sql) => sql`read_again = true`)],
    [
      'without a report',
      (
        id,
      ) => fleet.sql`delete from reports where (tenant_id, device_id) in (select tenant_id, device_id from claims
        where instance_id = ${fleet.added.get('berlin')!.id} and jamf_computer_id = ${id})`,
    ],
    [
      'without a route',
      (id) =>
        fleet.sql`delete from routes where instance_id = ${fleet.added.get('berlin')!.id} and jamf_computer_id = ${id}`,
    ],
    [
      'without a claim',
      (id) =>
        fleet.sql`delete from claims where instance_id = ${fleet.added.get('berlin')!.id} and jamf_computer_id = ${id}`,
    ],
  ];
  it.each(ofComputer.map(([name, change], index) => ({ name, change, index })))(
    'of a computer $name',
    async ({ change, index }) => {
      const { jamfComputerId } = fleet.macsOf('berlin')[index + 2]!;
      await change(jamfComputerId);
      expect(await isFolded('berlin', jamfComputerId)).toBe(false);
    },
  );

  it('of a computer that nobody knows', async () => {
    expect(await isFolded('berlin', 4_711)).toBe(false);
  });

  it('that is another event', async () => {
    const { jamfComputerId } = fleet.macsOf('berlin')[1]!;
    const before = await wantedOf('berlin', jamfComputerId);
    await sendWebhook(fleet.scene, fleet.added.get('berlin')!, jamfComputerId, 'ComputerPolicyFinished');
    expect(await wantedOf('berlin', jamfComputerId)).toBe(before + 1);
  });

  it('in a move, of either instance', async () => {
    const { tenantId } = fleet.scene.world.tenants[0]!;
    const [from, to] = [fleet.added.get('moved')!.id, fleet.added.get('target')!.id];
    await fleet.sql`insert into moves (tenant_id, move_id, from_instance_id, to_instance_id, step_percent, shadow, author, reason)
      values (${tenantId}, ${crypto.randomUUID()}, ${from}, ${to}, 10, false, 'x', 'x')`;
    expect(await isFolded('moved', fleet.macsOf('moved')[0]!.jamfComputerId)).toBe(false);
    expect(await isFolded('target', fleet.macsOf('target')[0]!.jamfComputerId)).toBe(false);
  });

  it('while the instance is to be reconciled, as it is after a rebuild and a restore', async () => {
    await fleet.scene.api(
      'POST',
      `/tenants/${fleet.scene.world.tenants[0]!.tenantId}/instances/${fleet.added.get('asked')!.id}/pause`,
      {},
    );
    await fleet.sql`update instance_reading set next_reconcile_at = now() where instance_id = ${fleet.added.get('asked')!.id}`;
    expect(await isFolded('asked', fleet.macsOf('asked')[0]!.jamfComputerId)).toBe(false);
  });

  it('of a tenant that is not connected', async () => {
    await fleet.sql`update tenants set connection_state = 'disabled' where tenant_id = ${fleet.scene.world.tenants[1]!.tenantId}`;
    expect(await isFolded('leaving', fleet.macsOf('leaving')[0]!.jamfComputerId)).toBe(false);
  });
});

describe('with ESPALIER_CHECK_IN_SECONDS=0', () => {
  it('every check-in is read at once', async () => {
    const fleet = await startFleet('0', [[{ name: 'berlin', macs: 1 }]]);
    try {
      await fleet.readAll('berlin');
      const [mac] = fleet.macsOf('berlin');
      fleet.scene.world.fleet.setCompliant(fleet.scene.world.fleet.findByDevice(mac!.deviceId)!, false);
      await fleet.checkIn('berlin', mac!.jamfComputerId);
      await eventually(() => expect(fleet.told(mac!.tenantId, mac!.deviceId)).toBe('notCompliant'));
    } finally {
      await fleet.scene.close();
    }
  }, 60_000);
});
