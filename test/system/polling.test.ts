import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  addInstance,
  connectTenant,
  type Scene,
  startScene,
} from '../harness/gateway.ts';

/** What is known of instances without their webhooks: by polls, and by reconciliations (contract section 5). */
describe('polling and reconciling', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  const touched = new Set<number>();

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 230, twoUsersShare: 0.1, unregisteredShare: 0.1, compliantShare: 1 },
            ],
          },
          { instances: [{ name: 'oslo', macs: 1 }] },
        ],
      },
      environment: {
        ESPALIER_POLL_SECONDS: '1',
        ESPALIER_RECONCILE_SECONDS: '86400',
        ESPALIER_VERIFY_SAMPLE: '0',
      },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    // The cases count requests: those for computers that stay 404 would be among them.
    const { computers } = scene.world.instance('berlin');
    for (const { id, oddity } of computers.list()) {
      if (oddity === 'hidden' || oddity === 'uninventoried') computers.delete(id);
    }
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
  }, 120_000);
  afterAll(() => scene?.close());
  beforeEach(() => scene.world.faults.clear());

  const simulated = () => scene.world.instance('berlin');
  const path = () => `/tenants/${tenantId}/instances/${berlin.id}`;
  const reading = async () => (await scene.api('GET', path())).json.reading;
  const device = async (deviceId: string) => scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`);
  const applied = (deviceId: string) => scene.world.cloud('public').intune.device(tenantId, deviceId).history;
  /** A device of a Mac that no case before has touched. */
  const freshDevice = () => {
    const device = scene.world.fleet
      .truth()
      .find(({ instance, jamfComputerId }) => instance === 'berlin' && !touched.has(jamfComputerId))!;
    touched.add(device.jamfComputerId);
    return device;
  };
  const asked = (text: string) =>
    scene.world.journal.list({ service: 'jamf:berlin' }).filter((entry) => entry.path.includes(text));
  /** No computer with registrations waits; one that is gone is looked at for longer. */
  const allRead = () =>
    eventually(async () => {
      const waiting = await scene.database.sql`
        select 1 from computers join claims using (tenant_id, instance_id, jamf_computer_id)
        where wanted_revision > done_revision`;
      expect(waiting).toHaveLength(0);
    }, 50_000);
  const polled = async () => {
    const before = (await reading()).polledAt;
    await eventually(async () => expect((await reading()).polledAt).not.toBe(before));
  };
  const reconciled = async (withinMs?: number) => {
    const { requestedAt } = (await scene.api('POST', `${path()}/reconcile`)).json;
    await eventually(async () => {
      const { reconciledAt } = await reading();
      expect(reconciledAt !== null && reconciledAt >= requestedAt).toBe(true);
    }, withinMs);
  };

  it('reads all of a new instance without a single webhook', async () => {
    const truth = scene.world.fleet.truth().filter(({ instance }) => instance === 'berlin');
    expect(truth.length).toBeGreaterThan(200);
    await eventually(async () => {
      const { json } = await scene.api('GET', `/tenants/${tenantId}/status`);
      expect([json.devices, json.backlog.computers]).toEqual([truth.length, 0]);
    }, 50_000);
    expect(asked('id%3E%220%22')).toHaveLength(1);
    expect(await reading()).toMatchObject({ reconcileError: null, pollError: null, reconcilingSince: null });
  });

  it('repairs a lost webhook with the next poll', async () => {
    const { deviceId } = freshDevice();
    const mac = scene.world.fleet.findByDevice(deviceId)!;
    await polled();
    scene.world.fleet.setCompliant(mac, false);
    await eventually(() =>
      expect(applied(deviceId).at(-1)).toMatchObject({ complianceStatus: 'notCompliant' }),
    );
  });

  it('reads nothing again that a poll lists again', async () => {
    await polled();
    await polled();
    scene.world.journal.clear();
    await polled();
    await polled();
    expect(asked('computers-inventory?').length).toBeGreaterThan(1);
    expect(asked('computers-inventory-detail')).toHaveLength(0);
  });

  it('polls what changed page by page, also when a whole page has one time', async () => {
    const truth = scene.world.fleet.truth().filter(({ instance }) => instance === 'berlin');
    const macs = new Set(truth.map(({ deviceId }) => scene.world.fleet.findByDevice(deviceId)!));
    await polled();
    const at = Date.now() + 50;
    for (const mac of macs) {
      scene.world.fleet.updateInventory(mac, { osVersion: '26.4' });
      // As with records that an import has touched at once.
      simulated().computers.get(mac.computerId)!.reportDate = at;
    }
    await eventually(async () => {
      const behind = truth.filter(({ deviceId }) => applied(deviceId).at(-1)?.osVersion !== '26.4');
      expect(behind.map(({ deviceId }) => deviceId)).toEqual([]);
    }, 50_000);
  });

  it('finds a computer that was deleted and one that is no longer managed', async () => {
    const [deleted, unmanaged] = [freshDevice(), freshDevice()];
    scene.world.fleet.deleteComputer(scene.world.fleet.findByDevice(deleted.deviceId)!);
    scene.world.fleet.unmanage(scene.world.fleet.findByDevice(unmanaged.deviceId)!);
    await reconciled();
    await eventually(() =>
      expect(applied(unmanaged.deviceId).at(-1)).toMatchObject({
        deviceManagementState: 'notManaged',
        complianceStatus: 'notCompliant',
      }),
    );
    // A 404 has to last: another node of a cluster may know the computer.
    await eventually(async () => {
      const rows = await scene.database.sql`
        update computers set not_found_since = now() - interval '2 minutes', next_try_at = now()
        where tenant_id = ${tenantId} and instance_id = ${berlin.id}
          and jamf_computer_id = ${deleted.jamfComputerId} and not_found_since is not null returning 1`;
      expect(rows).toHaveLength(1);
    });
    await eventually(async () => expect((await device(deleted.deviceId)).status).toBe(404));
    await eventually(() =>
      expect(applied(deleted.deviceId).at(-1)).toMatchObject({ deviceManagementState: 'notManaged' }),
    );
  });

  it('finds registrations that changed without a later report', async () => {
    const old = freshDevice();
    const mac = scene.world.fleet.findByDevice(old.deviceId)!;
    const before = simulated().computers.get(mac.computerId)!.reportDate;
    scene.world.fleet.reRegister(mac, { removeOld: true });
    simulated().computers.get(mac.computerId)!.reportDate = before;
    await reconciled();
    const [account] = mac.facts.accounts;
    await eventually(async () => {
      expect((await device(account!.entraDeviceId!)).status).toBe(200);
      expect((await device(old.deviceId)).status).toBe(404);
    });
  });

  it('retracts nothing because of a list that is suddenly empty', async () => {
    scene.world.faults.add({
      service: 'jamf:berlin',
      path: 'computers-inventory?',
      status: 200,
      body: '{"totalCount":0,"results":[]}',
      contentType: 'application/json',
    });
    const { json: before } = await scene.api('GET', `/tenants/${tenantId}/status`);
    scene.world.journal.clear();
    await reconciled();
    await allRead();
    expect(asked('computers-inventory-detail').length).toBeGreaterThan(200);
    const { json: after } = await scene.api('GET', `/tenants/${tenantId}/status`);
    expect(after.devices).toBe(before.devices);
    const told = scene.world.journal.list({ service: 'intune', path: 'DataUploadMessages' });
    expect(told.filter(({ method }) => method === 'PUT')).toEqual([]);
  });

  it.each([
    { status: 200, body: '<html>Sign in</html>', contentType: 'text/html' },
    { status: 503, body: '<html>Starting</html>', contentType: 'text/html' },
    { status: 429, body: '{}', contentType: 'application/json' },
  ])('survives $status $contentType in place of a list', async (fault) => {
    const { deviceId } = freshDevice();
    scene.world.faults.add({ service: 'jamf:berlin', path: 'computers-inventory?', times: 4, ...fault });
    await eventually(async () => expect((await reading()).pollError).toMatch(/invalid-answer|overloaded/));
    const mac = scene.world.fleet.findByDevice(deviceId)!;
    scene.world.fleet.setCompliant(mac, false);
    await eventually(() =>
      expect(applied(deviceId).at(-1)).toMatchObject({ complianceStatus: 'notCompliant' }),
    );
    expect((await reading()).pollError).toBeNull();
  });

  it('honours Retry-After', async () => {
    scene.world.faults.add({
      service: 'jamf:berlin',
      path: 'computers-inventory?',
      times: 1,
      status: 503,
      body: '{}',
      contentType: 'application/json',
      headers: { 'retry-after': '5' },
    });
    await eventually(async () => expect((await reading()).pollError).toContain('overloaded'));
    const { nextPollAt } = await reading();
    expect(Date.parse(nextPollAt) - Date.now()).toBeGreaterThan(3_000);
    scene.world.journal.clear();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(asked('computers-inventory?')).toEqual([]);
    await polled();
  });

  it('goes on with a reconciliation after kill -9', async () => {
    const lists = (after: string) =>
      asked(`computers-inventory?`).filter((entry) => entry.path.includes(after));
    scene.world.journal.clear();
    scene.world.faults.add({ service: 'jamf:berlin', path: 'id%3E%221', delayMs: 20_000, times: 1 });
    const { requestedAt } = (await scene.api('POST', `${path()}/reconcile`)).json;
    await eventually(async () => {
      const [row] = await scene.database.sql`
        select reconcile_after_id as "afterId" from instance_reading where instance_id = ${berlin.id}`;
      expect(row!.afterId).toBeGreaterThanOrEqual(100);
    });
    await scene.restart('kill');
    await eventually(async () => {
      const { reconciledAt } = await reading();
      expect(reconciledAt >= requestedAt).toBe(true);
    }, 40_000);
    expect(lists('id%3E%220%22')).toHaveLength(1);
  });

  it('a new instance is known at once, and a paused one is caught up with when it is resumed', async () => {
    const fleet = scene.world.fleet;
    const { deviceId } = freshDevice();
    expect((await scene.api('POST', `${path()}/pause`)).status).toBe(200);
    // What was being read as the pause came is still taken in.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    fleet.setCompliant(fleet.findByDevice(deviceId)!, false);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(applied(deviceId).at(-1)).not.toMatchObject({ complianceStatus: 'notCompliant' });
    await scene.api('POST', `${path()}/resume`);
    await eventually(() =>
      expect(applied(deviceId).at(-1)).toMatchObject({ complianceStatus: 'notCompliant' }),
    );
  });

  it("404 for another tenant's instance, 403 for a viewer", async () => {
    const otherId = scene.world.tenants[1]!.tenantId;
    await scene.api('POST', '/tenants', { tenantId: otherId, cloud: 'public', displayName: 'other' });
    await addInstance(scene, otherId, 'oslo');
    const reconcile = `/tenants/${otherId}/instances/${berlin.id}/reconcile`;
    expect((await scene.api('POST', reconcile)).status).toBe(404);
    const [row] = await scene.database.sql`
      select next_reconcile_at > now() as later from instance_reading where instance_id = ${berlin.id}`;
    expect(row!.later).toBe(true);
  });

  it('asks an instance at most 5 things at a time, however many processes there are', async () => {
    const worker = await scene.worker();
    try {
      scene.world.faults.add({ service: 'jamf:berlin', delayMs: 30 });
      // What a killed process asked is worked on to its end.
      await eventually(() => expect(simulated().load.now()).toBe(0), 30_000);
      simulated().load.reset();
      expect((await scene.api('POST', `/tenants/${tenantId}/routes/rebuild`)).json).toMatchObject({
        tenantId,
        instances: 1,
      });
      await eventually(async () => expect(await reading()).toMatchObject({ reconcilingSince: null }));
      await allRead();
      expect(simulated().load.max()).toBeLessThanOrEqual(5);
      expect(simulated().load.max()).toBeGreaterThan(2);
    } finally {
      await worker.stop();
    }
  });
});
