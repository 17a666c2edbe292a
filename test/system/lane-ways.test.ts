import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, type Scene, startScene } from '../harness/gateway.ts';
import { testedLane } from '../harness/sockets.ts';

/** A gateway says which way device calls take, and no way lets a stranger end it (docs/fast-lane.md). */
describe('the way of device calls', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene();
  });
  afterAll(() => scene?.close());

  const callUnknown = ({ data }: GatewayProcess) =>
    fetch(`${data}/t/${randomUUID()}/devices/${randomUUID()}/compliance`, {
      headers: { authorization: 'Bearer a.b.c' },
    });

  it.each([
    ['on', testedLane === 'public' ? undefined : 'internals', 'trial-passed'],
    ['public', 'public', 'setting'],
    ['off', 'off', 'setting'],
  ])(
    'with ESPALIER_FAST_LANE=%s is told, and strangers are refused one after the other',
    async (setting, way, reason) => {
      if (way === undefined) return;
      const gateway = await scene.another({ ESPALIER_TLS: 'off', ESPALIER_FAST_LANE: setting });
      try {
        for (let time = 0; time < 3; time += 1) expect((await callUnknown(gateway)).status).toBe(401);
        expect((await fetch(`${gateway.ops}/health/live`)).status).toBe(200);
        const line = gateway
          .output()
          .split('\n')
          .find((one) => one.includes('"event":"lane.way"'));
        expect(JSON.parse(line ?? '{}')).toMatchObject({ way, reason });
        const text = await (await fetch(`${gateway.ops}/metrics`)).text();
        expect(text).toMatch(
          new RegExp(`espalier_fast_lane\\{[^}]*way="${way}",reason="${reason}"[^}]*\\} 1`),
        );
      } finally {
        await gateway.stop();
      }
    },
  );
});
