import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  callerToken,
  connectTenant,
  type GatewayProcess,
  type Scene,
  startProcess,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { type Haproxy, hasHaproxy, startHaproxy } from '../harness/haproxy.ts';
import { type OwnInstance, startOwnInstance } from '../harness/own-instance.ts';
import { freePort } from '../harness/ports.ts';

/** Calls a second that are aimed at; a machine that cannot bear them gets fewer, never more than `atOnce` at a time. */
const callsPerSecond = Number(process.env.ESPALIER_ROLLING_RATE ?? 500);
const rounds = Number(process.env.ESPALIER_ROLLING_ROUNDS ?? 1);
const atOnce = 64;
const tickMs = 20;
/** For as many calls as are aimed at in a second: a busy machine bears a small part of them. */
const patienceMs = 60_000;

interface Ports {
  readonly data: number;
  readonly admin: number;
  readonly ops: number;
}

/** As docs/tls.md has it: health checks alone, and no request is sent a second time. */
const configuration = (front: number, servers: readonly Ports[], reuse: string): string => `
global
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 5s
  retries 0
  http-reuse ${reuse}
frontend front
  bind 127.0.0.1:${front}
  default_backend gateways
backend gateways
  balance roundrobin
  option httpchk GET /health/ready
  http-check expect status 200
  default-server inter 1s fall 2 rise 1 ssl verify none no-check-ssl
${servers.map(({ data, ops }, index) => `  server gateway${index} 127.0.0.1:${data} check port ${ops}`).join('\n')}
`;

/** Requests at a rate, over connections that are kept, whatever becomes of them. */
function startCalls(
  port: number,
  kinds: readonly (() => {
    method: string;
    path: string;
    headers: Record<string, string>;
    body?: string;
    status: number;
  })[],
) {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const failures: string[] = [];
  const under = new Set<Promise<void>>();
  let sent = 0;
  const send = (): Promise<void> => {
    const { body, headers, method, path, status } = kinds[sent % kinds.length]!();
    sent += 1;
    const what = `${method} ${path.split('/').at(-1)}`;
    return new Promise((resolve) => {
      const fail = (how: string): void => {
        failures.push(`${what}: ${how}`);
        resolve();
      };
      const outgoing = request({ port, host: '127.0.0.1', agent, method, path, headers }, (incoming) => {
        incoming.resume();
        incoming.on('error', (error) => fail(error.message));
        incoming.on('end', () =>
          incoming.statusCode === status ? resolve() : fail(`answered ${incoming.statusCode}`),
        );
      });
      outgoing.on('error', (error) => fail(error.message));
      outgoing.end(body);
    });
  };
  let owed = 0;
  const timer = setInterval(() => {
    owed = Math.min(owed + (callsPerSecond * tickMs) / 1_000, atOnce);
    for (; owed >= 1 && under.size < atOnce; owed -= 1) {
      const one: Promise<void> = send().finally(() => under.delete(one));
      under.add(one);
    }
  }, tickMs);
  return {
    failures,
    sent: () => sent,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(under);
      agent.destroy();
    },
  };
}

describe.skipIf(!hasHaproxy() && process.env.CI === undefined)(
  `two processes behind HAProxy, restarted one after the other at ${callsPerSecond} calls/s`,
  () => {
    const dir = mkdtempSync(join(tmpdir(), 'espalier-rolling-'));
    let scene: Scene;
    let instance: OwnInstance;
    let balancer: Haproxy;
    let front: number;
    let calls: Parameters<typeof startCalls>[1];
    const running: { environment: Record<string, string>; gateway: GatewayProcess }[] = [];

    beforeAll(async () => {
      const ports = await Promise.all(
        [0, 1].map(async () => ({ data: await freePort(), admin: await freePort(), ops: await freePort() })),
      );
      scene = await startScene({
        world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      });
      const { tenantId } = scene.world.tenants[0]!;
      const { id, key } = (await connectTenant(scene, tenantId)).get('berlin')!;
      instance = await startOwnInstance(scene, tenantId, 'own');
      for (const [index, { admin, data, ops }] of ports.entries()) {
        const environment = {
          ...scene.environment,
          ESPALIER_DATA_DIR: join(dir, String(index)),
          ESPALIER_DATA_LISTEN: `127.0.0.1:${data}`,
          ESPALIER_ADMIN_LISTEN: `127.0.0.1:${admin}`,
          ESPALIER_OPS_LISTEN: `127.0.0.1:${ops}`,
          ESPALIER_LOG_LEVEL: 'info',
          ESPALIER_DRAIN_DELAY_SECONDS: process.env.ESPALIER_ROLLING_DELAY ?? '5',
        };
        running.push({ environment, gateway: await startProcess(environment) });
      }
      front = await freePort();
      balancer = await startHaproxy(configuration(front, ports, 'always'), front);
      const token = await callerToken(scene, tenantId);
      const ask = () => ({
        method: 'GET',
        path: `/t/${tenantId}/devices/${instance.deviceId}/compliance`,
        headers: { authorization: `Bearer ${token}` },
        status: 200,
      });
      // Jamf Pro never sends one again.
      const tell = () => ({
        method: 'POST',
        path: `/jamf/${id}/webhooks`,
        headers: { 'content-type': 'application/json', 'x-api-key': key },
        body: webhookBody('ComputerCheckIn', 1),
        status: 202,
      });
      calls = [...Array.from({ length: 9 }, () => ask), tell];
    });
    afterAll(async () => {
      await balancer?.close();
      for (const { gateway } of running) await gateway.kill();
      await instance?.close();
      await scene?.close();
      rmSync(dir, { recursive: true, force: true });
    });

    it('fails none of them', async () => {
      const load = startCalls(front, calls);
      const from = performance.now();
      await eventually(() => expect(load.sent()).toBeGreaterThan(callsPerSecond), patienceMs);
      for (let round = 0; round < rounds; round += 1)
        for (const [index, one] of running.entries()) {
          expect(await one.gateway.stop()).toBe(0);
          one.gateway = await startProcess(one.environment);
          const up = (): number => balancer.output().split(`gateways/gateway${index} is UP`).length - 1;
          await eventually(
            () => expect([up(), balancer.output()]).toEqual([round + 1, balancer.output()]),
            patienceMs,
          );
          const before = load.sent();
          await eventually(() => expect(load.sent()).toBeGreaterThan(before + callsPerSecond), patienceMs);
        }
      await load.stop();
      const perSecond = Math.round(load.sent() / ((performance.now() - from) / 1_000));
      process.stdout.write(
        `${load.sent()} calls at ${perSecond}/s over ${rounds * 2} restarts, ${load.failures.length} failed\n`,
      );
      expect(load.failures).toEqual([]);
    }, 300_000);
  },
);
