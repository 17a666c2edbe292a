import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, type Scene, startScene } from '../harness/gateway.ts';
import { testedLane } from '../harness/sockets.ts';

/** A gateway says which way device calls take, and no way lets a stranger end it (docs/forwarding.md). */
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
    ['on', testedLane !== 'on' ? undefined : 'internals', 'trial-passed'],
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

  it('silent connections to any listener do not hold the end of the gateway', async () => {
    const gateway = await scene.another();
    const silent: Socket[] = [];
    for (const url of [gateway.data, gateway.admin, gateway.ops])
      for (const bytes of ['', '\x16\x03\x01\x02'] as const) {
        const socket = connect(Number(new URL(url).port), '127.0.0.1');
        silent.push(socket);
        socket.on('error', () => undefined);
        await once(socket, 'connect');
        if (bytes !== '') socket.write(bytes, 'latin1');
      }
    const from = performance.now();
    expect(await gateway.stop()).toBe(0);
    // Half of what requests under way are given.
    expect(performance.now() - from).toBeLessThan(15_000);
    for (const socket of silent) socket.destroy();
  });
});
