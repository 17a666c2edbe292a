import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from 'undici';
import type { DeviceTruth } from '../../src/simulator/fleet.ts';
import type { Scene } from '../../test/faults/scene.ts';
import { callerToken } from '../../test/harness/gateway.ts';
import { type Outcomes, reasonOf } from './outcomes.ts';

/** Calls of the Microsoft side for devices of the fleet, at a steady rate whatever became of those before. */
export interface DeviceCalls {
  /** Answered by another computer's record than that of the device. */
  misrouted(): number;
  stop(): Promise<void>;
}

const connections = 8;
/** A connection is closed and made anew after so many, so that handshakes are part of the load. */
const callsOfConnection = 500;
const timeoutMs = 30_000;
/** Less than a token lives. */
const newTokensMs = 15 * 60_000;

interface VendorRecord {
  readonly complianceVendorDeviceInformation?: readonly { readonly deviceIds: readonly string[] }[];
}

const isOf = (text: string, deviceId: string): boolean =>
  (JSON.parse(text) as VendorRecord[]).some(({ complianceVendorDeviceInformation: all = [] }) =>
    all.some(({ deviceIds }) => deviceIds.includes(deviceId)),
  );

/** Tokens by tenant, kept as long as Entra gives no new ones. */
async function keepTokens({ world }: Scene, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const tokens = new Map<string, string>();
  const renew = async (): Promise<void> => {
    for (const { tenantId } of world.tenants) tokens.set(tenantId, await callerToken({ world }, tenantId));
  };
  await renew();
  const timer = setInterval(() => renew().catch(() => undefined), newTokensMs);
  signal.addEventListener('abort', () => clearInterval(timer));
  return tokens;
}

export async function startDeviceCalls(
  scene: Scene,
  perSecond: number,
  outcomes: Outcomes,
): Promise<DeviceCalls> {
  const { gateways, world } = scene;
  const pool = new Pool(gateways[0]!.data, {
    connections,
    pipelining: 1,
    maxRequestsPerClient: callsOfConnection,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { ca: world.authority.certificatePem },
  });
  const stopping = new AbortController();
  const tokens = await keepTokens(scene, stopping.signal);
  const devices = world.fleet.truth();
  const pending = new Set<Promise<void>>();
  let misrouted = 0;
  const call = async ({ deviceId, instance, tenantId }: DeviceTruth): Promise<void> => {
    const at = performance.now();
    const failed = (reason: string): void => outcomes.failed({ kind: 'device call', reason, at, instance });
    try {
      const answer = await pool.request({
        method: 'GET',
        path: `/t/${tenantId}/devices/${deviceId}/compliance`,
        headers: { authorization: `Bearer ${tokens.get(tenantId)}` },
      });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) return failed(reasonOf(answer.statusCode, text));
      if (!isOf(text, deviceId)) misrouted += 1;
      outcomes.ok('device call');
    } catch (error) {
      failed((error as NodeJS.ErrnoException).code ?? String(error));
    }
  };
  const calling = (async () => {
    const startedAt = performance.now();
    for (let made = 0; !stopping.signal.aborted; made += 1) {
      await pause(Math.max(0, startedAt + (made / perSecond) * 1_000 - performance.now()));
      const one: Promise<void> = call(devices[Math.floor(Math.random() * devices.length)]!).finally(() =>
        pending.delete(one),
      );
      pending.add(one);
    }
  })();
  return {
    misrouted: () => misrouted,
    stop: async () => {
      stopping.abort();
      await calling;
      await Promise.all(pending);
      await pool.destroy();
    },
  };
}
