import { Hono } from 'hono';
import {
  beginListener,
  finishListener,
  type ListenerEnv,
  type ListenerOptions,
} from '../../gateway/listener.ts';
import type { Sql } from '../../store/database.ts';
import { appliedMigration } from '../../store/migration-journal.ts';
import { storeFailure } from '../../store/store-failure.ts';

/** Health on Workers: the address is public, so an answer says whether, and only the log says why. */

/** `when` of the newest migration in migrations/meta/_journal.json; a test holds them together. */
export const newestMigrationAt = 1796049753183;

export interface HealthOptions extends Omit<ListenerOptions, 'name'> {
  /** Milliseconds since the snapshot was known to be current; undefined: it may not serve. */
  readonly snapshotAgeMs?: (() => Promise<number | undefined>) | undefined;
}

/**
 * Ready where the database answers and its schema is this build's or newer; degraded where it cannot be reached and the
 * snapshot serves. Undefined: not ready.
 */
async function readiness(sql: Sql, { log, snapshotAgeMs }: HealthOptions): Promise<object | undefined> {
  try {
    if ((await appliedMigration(sql)) >= newestMigrationAt) return {};
    log.warn('health.not-ready', { reason: 'the schema has pending migrations: espalier migrate' });
  } catch (error) {
    const ageMs = storeFailure(error) === 'unreachable' ? await snapshotAgeMs?.() : undefined;
    if (ageMs !== undefined) return { degraded: ['database'], age: Math.round(ageMs / 1_000) };
    log.warn('health.not-ready', { reason: 'the database does not answer', error });
  }
  return undefined;
}

/** `/health/live` and `/health/ready` (contract section 3); without `sql` the configuration has faults. */
export function createHealthApp(sql: Sql | undefined, options: HealthOptions): Hono<ListenerEnv> {
  const app = new Hono<ListenerEnv>();
  beginListener(app, { ...options, name: 'ops' });
  app.get('/health/live', (c) => c.json({ status: 'live' }));
  app.get('/health/ready', async (c) => {
    const ready = sql && (await readiness(sql, options));
    return ready ? c.json({ status: 'ready', ...ready }) : c.json({ status: 'not-ready' }, 503);
  });
  finishListener(app);
  return app;
}
