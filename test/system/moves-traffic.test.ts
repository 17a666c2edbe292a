import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addInstance, callerToken, consent, type Scene, startScene } from '../harness/gateway.ts';
import { runMoves } from '../moves/run.ts';
import { manyCalls, names, prepareTwins, smartGroups, twinWorld } from '../moves/twin-world.ts';
import type { Twin } from '../moves/twins.ts';

/** The small version of `npm run test:moves` (docs/moves.md). */
describe('moves under traffic', () => {
  let scene: Scene;
  let twins: Twin[];

  beforeAll(async () => {
    scene = await startScene({
      world: twinWorld(200),
      environment: { ...manyCalls, ESPALIER_UPLOAD_MAX_DEVICES: '50', ESPALIER_LOG_LEVEL: 'info' },
    });
    twins = prepareTwins(scene.world);
  });
  afterAll(() => scene?.close());

  it('every call is answered by an instance that a version names, and every report arrives once', {
    timeout: 120_000,
  }, async () => {
    const { api, database, gateway, trust, world } = scene;
    const { tenantId } = world.tenants[0]!;
    await consent(scene, tenantId);
    const from = { name: names.from, instance: await addInstance(scene, tenantId, names.from, smartGroups) };
    const to = { name: names.to, instance: await addInstance(scene, tenantId, names.to, smartGroups) };
    expect((await api('POST', `/tenants/${tenantId}/confirm`)).json.ok).toBe(true);
    const token = await callerToken(scene, tenantId);
    const { sql } = database;
    const findings = await runMoves(
      { world, api, sql, origins: [gateway.data], trust, token, tenantId, from, to, twins },
      {
        callsPerSecond: 50,
        changesPerSecond: 10,
        percent: 25,
        stepMs: 1_000,
        settleMs: 30_000,
        allTheWay: true,
      },
      () => undefined,
    );
    expect(findings.complaints).toEqual([]);
    expect(findings).toMatchObject({ behind: 0, duplicates: 0, differed: 0, movedInAll: 200 });
    expect(findings.rolledBack).toBe(findings.movedToHalf);
    expect(findings.movedToHalf).toBeGreaterThan(0);
    expect(findings.during).toBeGreaterThan(0);
  });
});
