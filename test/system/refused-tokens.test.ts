import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** Tokens that services refuse although they are good, and addresses that do not answer any more. */
describe('a service that refuses or resets', () => {
  let scene: Scene;
  const tenants = new Map<string, AddedInstance>();
  let next = 0;
  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: Array.from({ length: 5 }, (_, index) => ({ instances: [{ name: `i${index}`, macs: 4 }] })),
      },
      environment: { ESPALIER_HEARTBEAT_SECONDS: '3600', ESPALIER_MICROSOFT_TIMEOUT_SECONDS: '2' },
    });
    for (const { tenantId } of scene.world.tenants) {
      const [instance] = (await connectTenant(scene, tenantId)).values();
      tenants.set(tenantId, instance!);
    }
  }, 120_000);
  beforeEach(() => scene.world.faults.clear());
  afterAll(() => scene?.close());

  const freshTenant = () => scene.world.tenants[next++]!.tenantId;
  const devicesOf = (tenantId: string) =>
    scene.world.fleet.truth().filter((one) => one.tenantId === tenantId);
  const requests = (service: string, tenant: string) => scene.world.journal.list({ service, tenant });
  const lookUps = (tenantId: string) =>
    requests('graph', tenantId).filter(({ path }) => /\/endpoints/i.test(path)).length;
  const refusals = (service: string, tenantId: string) =>
    requests(service, tenantId).filter(({ status }) => status === 401).length;
  const tell = async (tenantId: string) => {
    for (const { jamfComputerId } of devicesOf(tenantId))
      await sendWebhook(scene, tenants.get(tenantId)!, jamfComputerId);
  };
  const verified = (tenantId: string) =>
    eventually(async () => {
      for (const { deviceId } of devicesOf(tenantId)) {
        const { json } = await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`);
        expect(json.report?.state).toBe('verified');
      }
    }, 40_000);
  const changeAll = (tenantId: string, osVersion: string): void => {
    for (const { deviceId } of devicesOf(tenantId))
      scene.world.fleet.updateInventory(scene.world.fleet.findByDevice(deviceId)!, { osVersion });
  };
  const expectTold = (tenantId: string, osVersion: string): void => {
    const told = scene.world.cloud('public').intune.tenant(tenantId).devices;
    for (const { deviceId } of devicesOf(tenantId))
      expect(told.get(deviceId)?.history.at(-1)?.osVersion).toBe(osVersion);
  };
  const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1_000));

  it('is asked again with the same token after a second, and nothing is held for it', async () => {
    const tenantId = freshTenant();
    // Delivery has its tokens by then.
    await tell(tenantId);
    await verified(tenantId);
    const tokens = requests('entra', tenantId).length;
    for (const service of ['intune', 'graph'])
      scene.world.faults.add({ service, tenant: tenantId, status: 401, times: 1 });
    changeAll(tenantId, '26.1');
    await tell(tenantId);
    await eventually(() => expectTold(tenantId, '26.1'));
    await verified(tenantId);
    expect(refusals('intune', tenantId)).toBe(1);
    expect(requests('entra', tenantId)).toHaveLength(tokens);
  });

  it('is asked less and less often while it refuses every token, and told when it takes them again', async () => {
    const tenantId = freshTenant();
    const fault = scene.world.faults.add({ service: 'intune', tenant: tenantId, status: 401 });
    await tell(tenantId);
    await eventually(() => expect(refusals('intune', tenantId)).toBeGreaterThan(1));
    await seconds(12);
    expect(refusals('intune', tenantId)).toBeLessThanOrEqual(12);
    scene.world.faults.remove(fault.id);
    await verified(tenantId);
  }, 90_000);

  it('by resets is looked up once, moved or not, and serves again by itself', async () => {
    const tenantId = freshTenant();
    await tell(tenantId);
    await verified(tenantId);
    const before = lookUps(tenantId);
    const reset = scene.world.faults.add({ service: 'intune', tenant: tenantId, reset: 'before' });
    changeAll(tenantId, '26.2');
    await tell(tenantId);
    await seconds(6);
    expect(lookUps(tenantId)).toBe(before + 1);
    scene.world.faults.remove(reset.id);
    await verified(tenantId);
    expect(lookUps(tenantId)).toBe(before + 1);
  }, 90_000);

  it.each([{ reset: 'after' as const }, { delayMs: 3_000, status: 503 }])(
    'whose old address answers %j is found where it is now',
    async (fault) => {
      const tenantId = freshTenant();
      await tell(tenantId);
      await verified(tenantId);
      const upload = requests('intune', tenantId).findLast(({ path }) =>
        path.includes('DataUploadMessages'),
      )!;
      const old = upload.path.split('/DataUploadMessages')[0]!;
      scene.world.faults.add({ service: 'intune', tenant: tenantId, path: `${old}/`, ...fault });
      const discovery = scene.world.cloud('public').settings.tenant(tenantId).discovery;
      discovery.relocation = `${discovery.relocation ?? ''}x`;
      changeAll(tenantId, '26.3');
      const since = lookUps(tenantId);
      await tell(tenantId);
      await eventually(() => expectTold(tenantId, '26.3'), 40_000);
      expect(lookUps(tenantId)).toBe(since + 1);
    },
    90_000,
  );
});
