import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectTenant, type GatewayProcess, type Scene, startScene } from '../harness/gateway.ts';

/** One heartbeat per tenant and period, whichever of two processes is alive (contract section 7). */
describe('heartbeat of two processes', () => {
  let scene: Scene;
  let second: GatewayProcess;
  const periodSeconds = 2;
  const periods = 20;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: Array.from({ length: 3 }, (_, index) => ({ instances: [{ name: `i${index}`, macs: 0 }] })),
      },
      environment: { ESPALIER_HEARTBEAT_SECONDS: String(periodSeconds) },
    });
    for (const { tenantId } of scene.world.tenants) await connectTenant(scene, tenantId);
    second = await scene.worker();
  });
  afterAll(async () => {
    await second?.stop();
    await scene?.close();
  });

  it('is sent once in each of twenty periods, with either process killed at random', async () => {
    const start = Date.now();
    const end = start + periods * periodSeconds * 1_000;
    let kills = 0;
    while (Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, randomInt(1_500, 4_000)));
      // One of the two is always alive; which one dies is left to chance.
      if (randomInt(2) === 0) await scene.restart('kill');
      else {
        await second.kill();
        second = await scene.worker();
      }
      kills += 1;
    }
    expect(kills).toBeGreaterThan(5);
    for (const { tenantId } of scene.world.tenants) {
      const times = scene.world
        .cloud('public')
        .intune.tenant(tenantId)
        .heartbeatCalls.map((one) => one.at)
        .filter((at) => at >= start && at < end);
      const gaps = times.slice(1).map((at, index) => at - times[index]!);
      // Never two in a period: a tenth of jitter, and what a busy machine adds to one call and not to the next.
      expect(Math.min(...gaps)).toBeGreaterThan(periodSeconds * 1_000 * 0.6);
      expect(times.length).toBeLessThanOrEqual(Math.ceil(periods / 0.9) + 1);
      expect(times.length).toBeGreaterThanOrEqual(Math.floor(periods * 0.8));
    }
  }, 120_000);
});
