import { Agent, request } from 'node:https';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { minDatabaseConnections } from '../../src/store/connection-budget.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { type OwnInstance, sendJson, startOwnInstance } from '../harness/own-instance.ts';

/** Limits of a machine on which several processes serve (docs/processes.md): nobody has them once in each. */

const perSecond = 10;
const burst = 2 * perSecond;
const processes = 2;
const connections = processes * minDatabaseConnections;
/** By one process, before the others hear of it. */
const untold = burst / 2 / processes;

describe('limits of a machine with two processes', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let own: OwnInstance;
  let token: string;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      environment: {
        ESPALIER_PROCESSES: String(processes),
        ESPALIER_DATABASE_CONNECTIONS: String(connections),
        ESPALIER_RATE_PER_INSTANCE: String(perSecond),
        ESPALIER_RATE_PER_TENANT: String(perSecond),
      },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    own = await startOwnInstance(scene, tenantId, 'own');
    own.answer = (_, response) => sendJson(response, 200, { id: '4711', udid: 'u', complianceState: 'ok' });
    token = await callerToken(scene, tenantId);
  }, 120_000);
  afterAll(async () => {
    await own?.close();
    await scene?.close();
  });

  interface Asked {
    readonly path: string;
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
  }
  const webhook = (): Asked => ({
    path: `/jamf/${berlin.id}/webhooks`,
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': berlin.key },
    body: webhookBody('ComputerInventoryCompleted', 1),
  });
  const deviceCall = (): Asked => ({
    path: `/t/${tenantId}/devices/${own.deviceId}/compliance`,
    method: 'GET',
    headers: { authorization: `Bearer ${token}` },
  });
  const send = (agent: Agent, { body, path, ...asked }: Asked): Promise<number> =>
    new Promise((resolve, reject) => {
      const outgoing = request(new URL(path, scene.gateway.data), { agent, ...asked }, (incoming) => {
        incoming.resume();
        incoming.on('end', () => resolve(incoming.statusCode ?? 0));
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  /** Number of requests on one connection that are answered before one is refused. */
  const takenOn = async (agent: Agent, asked: Asked): Promise<number> => {
    for (let taken = 0; taken < 20 * burst; taken += 1) {
      const status = await send(agent, asked);
      if (status === 429) return taken;
      expect([200, 202]).toContain(status);
    }
    throw new Error('nothing was refused');
  };

  it.each([
    ['an instance', webhook],
    ['a tenant', deviceCall],
  ])('%s has its rate on one connection whole, and with many at all processes no more', async (_, asked) => {
    // Connections are handed to the processes in turn.
    const agents = Array.from(
      { length: 3 * processes },
      () => new Agent({ keepAlive: true, maxSockets: 1, ca: scene.trust }),
    );
    for (const agent of agents) await send(agent, { path: '/nothing', method: 'GET', headers: {} });
    const begunMs = performance.now();
    let taken = 0;
    for (const [nth, agent] of agents.entries()) {
      taken += await takenOn(agent, asked());
      if (nth === 0) expect(taken).toBeGreaterThanOrEqual(burst);
      await wait(100);
    }
    const seconds = (performance.now() - begunMs) / 1_000;
    expect(taken).toBeLessThanOrEqual(burst + perSecond * seconds + untold * (processes - 1) + 1);
    for (const agent of agents) agent.destroy();
  });

  it('opens no more connections to the database than are allowed in all', async () => {
    const open = async (): Promise<number> => {
      const [row] = await scene.database.sql<{ sessions: number }[]>`
        select count(*)::int as sessions from pg_stat_activity
        where datname = current_database() and application_name like 'espalier%'`;
      return row!.sessions;
    };
    let most = 0;
    let isWorking = true;
    const looking = (async () => {
      while (isWorking) {
        most = Math.max(most, await open());
        await wait(20);
      }
    })();
    const agents = Array.from({ length: 12 }, () => new Agent({ keepAlive: true, ca: scene.trust }));
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([
        ...agents.flatMap((agent) => [send(agent, webhook()), send(agent, deviceCall())]),
        ...agents.map(() => scene.api('GET', `/tenants/${tenantId}/devices`)),
        ...[1, 2, 3].map(() => scene.api('GET', `/tenants/${tenantId}/devices/export`)),
      ]);
    }
    isWorking = false;
    await looking;
    for (const agent of agents) agent.destroy();
    expect(most).toBeGreaterThan(4 * processes);
    expect(most).toBeLessThanOrEqual(connections);
  }, 60_000);
});
