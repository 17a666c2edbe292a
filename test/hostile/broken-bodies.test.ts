import { request } from 'node:https';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { bootstrapKey, connectTenant, type Scene, startScene } from '../harness/gateway.ts';

/** Callers that leave in the middle of a body: their fault, and not the database's. */
describe('a caller that resets its connection in the middle of a body', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      environment: { ESPALIER_LOG_LEVEL: 'debug' },
    });
  }, 120_000);
  afterAll(() => scene?.close());

  const leave = async (url: string, headers: Record<string, string> = {}): Promise<void> => {
    const sent = request(url, {
      method: 'POST',
      rejectUnauthorized: false,
      headers: { 'content-type': 'application/json', 'content-length': '100', ...headers },
    });
    sent.on('error', () => undefined);
    sent.write('{"value":');
    await wait(300);
    sent.destroy();
    await wait(300);
  };

  it('is not said to be an outage of the database', async () => {
    const { tenantId } = scene.world.tenants[0]!;
    await connectTenant(scene, tenantId);
    const { gateway } = scene;
    const sent = ['left-notification', 'left-tenant'] as const;
    await leave(`${gateway.data}/t/${tenantId}/notifications`, { 'x-request-id': sent[0] });
    await leave(`${gateway.admin}/api/v1/tenants`, {
      authorization: `Bearer ${bootstrapKey}`,
      'x-request-id': sent[1],
    });
    const answers = () =>
      gateway
        .output()
        .split('\n')
        .filter((line) => line.includes('"event":"request"'))
        .map((line) => JSON.parse(line) as { requestId: string; status: number })
        .filter(({ requestId }) => sent.some((id) => id === requestId))
        .map(({ status }) => status);
    await eventually(() => expect(answers()).toEqual([400, 400]));
  });
});
