/** A gateway with more to do than it can: its database's connections are really taken, by statements that wait for a lock. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import type { Answer } from '../harness/http.ts';

describe('a gateway whose database connections are all taken', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let token: string;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [{ instances: [{ name: 'berlin', macs: 3, compliantShare: 1 }] }],
      },
      environment: {
        ESPALIER_LOG_LEVEL: 'info',
        // The fewest that a process can do with: three for intake, calls and delivery.
        ESPALIER_DATABASE_CONNECTIONS: '16',
        ESPALIER_POLL_SECONDS: '3600',
        ESPALIER_RECONCILE_SECONDS: '86400',
      },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    token = await callerToken(scene, tenantId);
    for (const { jamfComputerId } of macs()) expect((await webhook(jamfComputerId)).status).toBe(202);
    await eventually(() => {
      for (const { deviceId } of macs()) expect(told(deviceId)).toBe('compliant');
    }, 40_000);
    for (const { deviceId } of macs()) expect((await call(deviceId)).status).toBe(200);
  }, 120_000);
  afterAll(async () => scene?.close(), 60_000);

  const macs = () => scene.world.fleet.truth();
  const told = (deviceId: string) =>
    scene.world.cloud('public').intune.device(tenantId, deviceId).history.at(-1)?.complianceStatus;
  const send = (kind: 'webhooks' | 'inventory', body: string) =>
    scene.data(`/jamf/${berlin.id}/${kind}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': berlin.key },
      body,
    });
  const webhook = (computer: number) => send('webhooks', webhookBody('ComputerInventoryCompleted', computer));
  const call = (deviceId: string) =>
    scene.data(`/t/${tenantId}/devices/${deviceId}/compliance`, {
      headers: { authorization: `Bearer ${token}` },
    });
  const visit = () => scene.data(`/t/${tenantId}/enroll`);
  const ops = async (path: string) => {
    const answer = await fetch(`${scene.gateway.ops}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  const metric = async (name: string): Promise<number | undefined> => {
    const { text } = await ops('/metrics');
    const value = text.match(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\S+)`, 'm'))?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const isShed = ({ headers, json, status }: Answer): void => {
    expect([status, json?.type]).toEqual([503, 'https://espalier.dev/problems/overloaded']);
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(5);
  };

  /** Holds whoever reads an instance's row, until `work` is done. */
  async function whileInstancesAreLocked(work: () => Promise<void>): Promise<void> {
    await scene.database.sql.begin(async (tx) => {
      await tx`lock table instances in access exclusive mode`;
      await work();
    });
  }
  const level = () => metric('espalier_pressure');

  it('refuses what can wait, in its order, answers device calls and operators, and makes up for webhooks', async () => {
    const [mac] = macs();
    expect(await level()).toBe(0);
    scene.world.fleet.setCompliant(scene.world.fleet.findByDevice(mac!.deviceId)!, false);
    const visits: Promise<Answer>[] = [];
    await whileInstancesAreLocked(async () => {
      // What serves for a second is asked for anew, and holds a connection or waits for one.
      await eventually(async () => {
        visits.push(...Array.from({ length: 12 }, visit));
        const answers = await Promise.all([
          send('inventory', '{}'),
          scene.api('GET', `/tenants/${tenantId}/devices`),
          scene.api('GET', `/tenants/${tenantId}/devices/export`),
          webhook(mac!.jamfComputerId),
        ]);
        for (const answer of answers) isShed(answer);
      });
      // A stranger's key says nothing and marks nothing.
      expect(
        (
          await scene.data(`/jamf/${berlin.id}/webhooks`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', 'x-api-key': `${berlin.key.slice(0, -3)}abc` },
            body: webhookBody('ComputerCheckIn', 1),
          })
        ).status,
      ).not.toBe(202);
      for (const { deviceId } of macs()) expect((await call(deviceId)).status).toBe(200);
      const paths = ['/health/live', '/health/ready', '/metrics'];
      expect(await Promise.all(paths.map(async (path) => (await ops(path)).status))).toEqual([200, 200, 200]);
      expect((await scene.api('GET', `/tenants/${tenantId}`)).status).toBe(200);
      expect((await scene.api('PATCH', `/tenants/${tenantId}`, { displayName: 'In need' })).status).toBe(200);
    });
    await Promise.all(visits);
    await eventually(async () => expect(await level()).toBe(0), 30_000);
    await eventually(() => expect(told(mac!.deviceId)).toBe('notCompliant'), 40_000);
    const changes = scene.gateway
      .output()
      .split('\n')
      .filter((line) => line.includes('"event":"pressure.changed"'))
      .map((line) => JSON.parse(line) as { level: number; cause: string });
    expect(changes.slice(0, 3)).toMatchObject([1, 2, 3].map((level) => ({ level, cause: 'poolWaitMs' })));
    expect(changes.at(-1)).toMatchObject({ level: 0 });
    for (const of of ['push', 'list', 'export', 'webhook'])
      expect(await metric(`espalier_shed_total{class="${of}"}`), of).toBeGreaterThanOrEqual(1);
    expect(await metric('espalier_shed_total{class="call"}')).toBeUndefined();
  }, 120_000);

  it('is ready while lists keep all connections of operators', async () => {
    let lists: Promise<Answer>[] = [];
    await scene.database.sql.begin(async (tx) => {
      await tx`lock table routes in access exclusive mode`;
      lists = [1, 2].map(() => scene.api('GET', `/tenants/${tenantId}/devices`));
      await eventually(async () => {
        const waiting = await tx`select from pg_stat_activity
          where application_name = 'espalier-operators' and wait_event_type = 'Lock'`;
        expect(waiting).toHaveLength(1);
      });
      const { status, text } = await ops('/health/ready');
      expect([status, JSON.parse(text)]).toEqual([200, { status: 'ready' }]);
    });
    for (const { status } of await Promise.all(lists)) expect(status).toBe(200);
  });

  it('takes everything again', async () => {
    expect((await webhook(macs()[1]!.jamfComputerId)).status).toBe(202);
    expect((await scene.api('GET', `/tenants/${tenantId}/devices`)).status).toBe(200);
    expect((await visit()).status).toBeLessThan(400);
  });
});
