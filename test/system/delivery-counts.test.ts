import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { connectTenant, type Scene, sendWebhook, startScene } from '../harness/gateway.ts';

/** What was delivered, added up by every process beside its work (src/store/delivery-counts.ts). */
describe('the numbers of delivery', () => {
  let scene: Scene;
  const tenant = (index: number): string => scene.world.tenants[index]?.tenantId ?? '';
  const numbers = async (index: number, more = '') =>
    (await scene.api('GET', `/tenants/${tenant(index)}/delivery${more}`)).json;
  const sums = async () => {
    const { accepted, completed, failed, received } = (await numbers(0)).total;
    return { received, accepted, completed, failed };
  };

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [{ name: 'contoso', macs: 3 }] },
          { displayName: 'Fabrikam', instances: [] },
        ],
      },
    });
    const contoso = (await connectTenant(scene, tenant(0))).get('contoso')!;
    await scene.api('POST', '/tenants', { tenantId: tenant(1), displayName: 'Fabrikam', cloud: 'public' });
    for (const { instance, jamfComputerId } of scene.world.fleet.truth())
      if (instance === 'contoso') await sendWebhook(scene, contoso, jamfComputerId);
  });
  afterAll(() => scene?.close());

  it('say what was received, accepted and completed, and how long it took', async () => {
    await eventually(async () => {
      expect(await sums()).toEqual({ received: 3, accepted: 3, completed: 3, failed: 0 });
    });
    const { results, stepSeconds, total } = await numbers(0);
    expect([stepSeconds, results.length]).toEqual([300, 288]);
    expect(total.delaySeconds.median).toBeGreaterThan(0);
    expect(total.delaySeconds.p99).toBeGreaterThanOrEqual(total.delaySeconds.median);
    for (const step of ['hour', 'day']) {
      const { results: coarser, total: same } = await numbers(0, `?step=${step}`);
      expect([same.accepted, coarser.at(-1).accepted + (coarser.at(-2)?.accepted ?? 0)]).toEqual([3, 3]);
    }
  });

  it('count on after a restart, and from several processes into one', async () => {
    await scene.restart('stop');
    const worker = await scene.worker();
    await scene.api('POST', `/tenants/${tenant(0)}/resync`);
    await eventually(async () => {
      expect(await sums()).toEqual({ received: 3, accepted: 6, completed: 6, failed: 0 });
    });
    await worker.stop();
    expect(await sums()).toEqual({ received: 3, accepted: 6, completed: 6, failed: 0 });
  });

  it('are those of the tenant alone, end with it, and are bounded', async () => {
    expect((await numbers(1)).total).toMatchObject({
      received: 0,
      delaySeconds: { median: null, p99: null },
    });
    expect((await scene.api('GET', `/tenants/${tenant(0)}/delivery?hours=840`)).status).toBe(400);
    expect((await numbers(0, '?step=day&hours=840')).results).toHaveLength(35);
    await scene.api('POST', `/tenants/${tenant(0)}/disable`);
    expect((await scene.api('DELETE', `/tenants/${tenant(0)}?force=true`)).status).toBe(200);
    const [left] = await scene.database.sql`select count(*)::int as count from delivery_counts`;
    expect(left).toEqual({ count: 0 });
  });
});
