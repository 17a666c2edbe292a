import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/runtime/node-embedded-postgres.ts';
import { openDatabase } from '../../src/store/database.ts';
import { type Scene, startScene as startTestScene } from '../harness/gateway.ts';
import { showroomWorld } from './customers.ts';

/** The real gateway between simulators, on a database of its own, as an installation that runs for a while is set. */

const settings = {
  ESPALIER_APPROVALS: 'on',
  ESPALIER_LOG_LEVEL: 'error',
  ESPALIER_POLL_SECONDS: '900',
  ESPALIER_RECONCILE_SECONDS: '86400',
};

/** From then on what is held, and what waits for an instance, stays so while pictures are taken. */
export async function holdStill(scene: Scene): Promise<void> {
  await scene.gateway.stop();
  await scene.start({
    ESPALIER_HOLD_RECHECK_SECONDS: '3600',
    ESPALIER_RETRY_BASE_SECONDS: '60',
    ESPALIER_RETRY_MAX_SECONDS: '600',
  });
}

/** Puts all that it starts on `stack`. */
export async function startScene(stack: AsyncDisposableStack): Promise<Scene> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-screenshots-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const server = await startEmbeddedPostgres(dir);
  stack.defer(() => server.stop());
  const scene = await startTestScene({
    world: showroomWorld,
    environment: settings,
    database: async () => {
      const sql = openDatabase(server.url, { connections: 2, applicationName: 'screenshots' });
      return { url: server.url, sql, drop: () => sql.end({ timeout: 2 }) };
    },
  });
  stack.defer(() => scene.close());
  return scene;
}
