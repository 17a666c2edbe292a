import { Hono } from 'hono';
import {
  beginListener,
  finishListener,
  type ListenerEnv,
  type ListenerOptions,
} from '../../gateway/listener.ts';
import type { Sql } from '../../store/database.ts';
import { appliedMigration } from '../../store/migration-journal.ts';
import type { Log } from '../../telemetry/log.ts';

/** Health on Workers: the address is public, so an answer says whether, and only the log says why. */

/** `when` of the newest migration in migrations/meta/_journal.json; a test holds them together. */
export const newestMigrationAt = 1795968961658;

/** True where the database answers and its schema is this build's or newer. */
async function isReady(sql: Sql, log: Log): Promise<boolean> {
  try {
    if ((await appliedMigration(sql)) >= newestMigrationAt) return true;
    log.warn('health.not-ready', { reason: 'the schema has pending migrations: espalier migrate' });
  } catch (error) {
    log.warn('health.not-ready', { reason: 'the database does not answer', error });
  }
  return false;
}

/** `/health/live` and `/health/ready` (contract section 3); without `sql` the configuration has faults. */
export function createHealthApp(
  sql: Sql | undefined,
  options: Omit<ListenerOptions, 'name'>,
): Hono<ListenerEnv> {
  const app = new Hono<ListenerEnv>();
  beginListener(app, { ...options, name: 'ops' });
  app.get('/health/live', (c) => c.json({ status: 'live' }));
  app.get('/health/ready', async (c) =>
    sql !== undefined && (await isReady(sql, options.log))
      ? c.json({ status: 'ready' })
      : c.json({ status: 'not-ready' }, 503),
  );
  finishListener(app);
  return app;
}
