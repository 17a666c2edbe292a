import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newestMigration } from '../../src/runtime/node-migrate.ts';
import { appliedMigration } from '../../src/store/migration-journal.ts';
import { findBehind } from '../faults/comparison.ts';
import { createEmptyDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type GatewayProcess,
  type Scene,
  startProcess,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { type Release, unpackLastRelease } from '../harness/last-release.ts';

const rounds = 4;

/**
 * The release before this version and this version on one database, as while a deployment is upgraded: the older one has
 * made the schema and works on while the newer one brings it up to date.
 */
describe('the last release and this version', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-two-'));
  let release: Release;
  let scene: Scene;
  let newer: GatewayProcess;
  let added: ReadonlyMap<string, AddedInstance>;
  let tenantId: string;
  let token: string;

  const macs = () => scene.world.fleet.truth();
  const appliedTo = (deviceId: string) =>
    scene.world.cloud('public').intune.tenant(tenantId).devices.get(deviceId)?.history ?? [];
  /** The base URLs of those that run, older first. */
  const bases = (): string[] => [scene.gateway.data, newer?.data].filter((base) => base !== undefined);

  async function tell(base: string, { instance, jamfComputerId }: ReturnType<typeof macs>[number]) {
    const { id, key } = added.get(instance)!;
    const answer = await call(`${base}/jamf/${id}/webhooks`, {
      method: 'POST',
      ca: scene.trust,
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: webhookBody('ComputerInventoryCompleted', jamfComputerId),
    });
    expect(answer.status, answer.text).toBe(202);
  }

  async function ask(base: string, { deviceId }: ReturnType<typeof macs>[number]) {
    const answer = await call(`${base}/t/${tenantId}/devices/${deviceId}/compliance`, {
      ca: scene.trust,
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status, answer.text).toBe(200);
  }

  const startNewer = (): Promise<GatewayProcess> =>
    startProcess({
      ...scene.environment,
      ESPALIER_DATA_DIR: dir,
      ESPALIER_TLS_CERT_FILE: join(scene.environment.ESPALIER_DATA_DIR!, 'tls.crt'),
      ESPALIER_TLS_KEY_FILE: join(scene.environment.ESPALIER_DATA_DIR!, 'tls.key'),
      ESPALIER_DATA_LISTEN: '127.0.0.1:0',
      ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
    });
  const isTold = () => eventually(() => expect(findBehind(scene.world)).toEqual([]), 90_000);

  /** Each Mac changes, and one of the processes hears of it; with each round it is the turn of the other one. */
  async function changeAll(round: number): Promise<void> {
    for (const [place, mac] of macs().entries()) {
      scene.world.fleet.setCompliant(scene.world.fleet.findByDevice(mac.deviceId)!, !mac.compliant);
      const running = bases();
      await tell(running[(round + place) % running.length]!, mac);
    }
  }

  beforeAll(async () => {
    release = unpackLastRelease();
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 6 },
              { name: 'paris', macs: 3 },
            ],
          },
        ],
      },
      database: createEmptyDatabase,
      entry: release.program,
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    added = await connectTenant(scene, tenantId);
    token = await callerToken(scene, tenantId);
    await changeAll(0);
    await isTold();
  }, 180_000);
  afterAll(async () => {
    await newer?.stop();
    await scene?.close();
    release?.remove();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  it('the newer one brings the schema up to date while the older one serves and delivers', async () => {
    await changeAll(0);
    let isStarted = false;
    const started = startNewer().finally(() => {
      isStarted = true;
    });
    for (let round = 0; !isStarted; round += 1) await ask(scene.gateway.data, macs()[round % macs().length]!);
    newer = await started;
    expect(await appliedMigration(scene.database.sql)).toBe(await newestMigration());
    for (const { ops } of [scene.gateway, newer]) {
      const ready = await fetch(`${ops}/health/ready`);
      expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }]);
    }
    await isTold();
  }, 120_000);

  it('both answer device calls and take webhooks, and every change is told once and in order', async () => {
    for (let round = 0; round < rounds; round += 1) {
      await changeAll(round);
      for (const base of bases()) for (const mac of macs()) await ask(base, mac);
    }
    await isTold();
    for (const { deviceId } of macs()) {
      const history = appliedTo(deviceId);
      expect(history.length).toBeGreaterThan(1);
      const messages = history.map(({ messageId }) => messageId);
      expect(new Set(messages).size).toBe(messages.length);
      const times = history.map(({ lastUpdateTime }) => Date.parse(lastUpdateTime));
      expect(times).toEqual([...new Set(times)].sort((one, other) => one - other));
      // A state that was told already is not told again by the other version.
      const verdicts = history.map(({ complianceStatus }) => complianceStatus);
      expect(verdicts.filter((verdict, place) => verdict === verdicts[place - 1])).toEqual([]);
    }
  }, 120_000);

  it('neither has met an error of the database', () => {
    for (const one of [scene.gateway, newer]) {
      const errors = one.output().match(/^.*"level":"error".*$/gm) ?? [];
      expect(errors).toEqual([]);
      expect(one.output()).not.toMatch(/does not exist|violates (?:not-null|check) constraint/);
    }
  });

  it('each delivers what the other one took in before it was killed', async () => {
    for (const victim of [newer, scene.gateway]) {
      for (const mac of macs()) {
        scene.world.fleet.setCompliant(scene.world.fleet.findByDevice(mac.deviceId)!, !mac.compliant);
        await tell(victim.data, mac);
      }
      await victim.kill();
      // The older one is alone for a while, and then the newer one for good.
      if (victim === scene.gateway) newer = await startNewer();
      await isTold();
    }
  }, 240_000);
});
