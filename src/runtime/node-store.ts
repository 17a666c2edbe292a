/** The database at a start: found or waited for, brought up to date, and seen to be this deployment's. */

import { setTimeout as wait } from 'node:timers/promises';
import { countSealed, sumSealed } from '../connection/reseal.ts';
import type { Sealer } from '../secrets/seal.ts';
import { openDatabase } from '../store/database.ts';
import { describeDatabaseUrl } from '../store/database-url.ts';
import { poolerProblem, sharesSessions } from '../store/pooler.ts';
import { startProblem } from '../store/start-problem.ts';
import type { Log } from '../telemetry/log.ts';
import type { Config } from './config.ts';
import { DirectoryInUse } from './node-directory-lock.ts';
import { EmbeddedPostgresUnavailable, startEmbeddedPostgres } from './node-embedded-postgres.ts';
import { migrateDatabase, migrationState } from './node-migrate.ts';
import { settings } from './settings.ts';
import { describeFileError, StartFault } from './start-fault.ts';

export interface Store {
  readonly url: string;
  close(): Promise<void>;
}

/** The configured database as it is, or the embedded one, running; `join`: also that of a gateway that runs already. */
export async function openStore(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  options: { readonly join?: boolean } = {},
): Promise<Store> {
  if (config.databaseUrl !== undefined) return { url: config.databaseUrl, close: async () => undefined };
  try {
    const embedded = await startEmbeddedPostgres(config.dataDir, options);
    return { url: embedded.url, close: embedded.stop };
  } catch (error) {
    const known = error instanceof DirectoryInUse || error instanceof EmbeddedPostgresUnavailable;
    const problem = known ? error.message : `${config.dataDir}: ${describeFileError(error)}`;
    throw new StartFault(settings.dataDir.name, problem, { cause: error });
  }
}

/** One attempt; the next comes after a pause. */
const attemptMs = 10_000;
const pauseMs = 1_000;
/** The cause is said again so often while it stays the same. */
const sayAgainMs = 60_000;

/** Resolves when the database answers a query. */
async function tryDatabase(url: string): Promise<void> {
  const sql = openDatabase(url, { connections: 1, applicationName: 'espalier-start' });
  const late = wait(attemptMs, undefined, { ref: false }).then(() => {
    throw Object.assign(new Error(`no answer within ${attemptMs / 1_000} s`), { code: 'CONNECT_TIMEOUT' });
  });
  try {
    await Promise.race([sql`select 1`, late]);
  } finally {
    await sql.end({ timeout: 0 });
  }
}

/** Throws `StartFault` for a pooler that this process cannot work through. */
async function refuseSharedSessions(url: string): Promise<void> {
  const late = wait(attemptMs, false, { ref: false });
  if (await Promise.race([sharesSessions(url), late])) throw databaseFault(url, poolerProblem, undefined);
}

/** The work is given up, not awaited, when the signal comes. */
export function abandonedBy<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let abandon: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abandon = () => reject(signal.reason);
    signal.addEventListener('abort', abandon, { once: true });
  });
  work.catch(() => undefined);
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', abandon));
}

interface Waiting {
  readonly log: Log;
  /** Holds this deployment's keys: data that none of them opens belong to another. */
  readonly sealer: Sealer;
  readonly signal: AbortSignal;
  /** Its reason is what readiness answers meanwhile. */
  readonly onWaiting: (reason: string) => void;
}

const pendingMigrations = 'the schema has pending migrations, and ESPALIER_MIGRATE=off: espalier migrate';

/**
 * Resolves when the database answers, its schema is this build's and its data are this deployment's. Waits for one that
 * cannot be reached, saying so; throws `StartFault` for what waiting does not mend, and the signal's reason.
 */
export async function prepareDatabase(
  url: string,
  config: Pick<Config, 'migrate'>,
  { log, onWaiting, sealer, signal }: Waiting,
): Promise<void> {
  let said = { cause: '', atMs: 0 };
  const say = (cause: string): void => {
    onWaiting(`waiting for the database: ${cause}`);
    if (said.cause === cause && performance.now() - said.atMs < sayAgainMs) return;
    said = { cause, atMs: performance.now() };
    log.warn('start.waits-for-the-database', {
      variable: settings.databaseUrl.name,
      host: describeDatabaseUrl(url),
      cause,
    });
  };
  for (;;) {
    try {
      await abandonedBy(signal, tryDatabase(url));
      await abandonedBy(signal, refuseSharedSessions(url));
      if (config.migrate === 'auto') await abandonedBy(signal, migrateDatabase(url, signal));
      const { isCurrent } = await abandonedBy(signal, migrationState(url));
      if (isCurrent) return await abandonedBy(signal, checkDeployment(url, sealer));
      say(pendingMigrations);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StartFault) throw error;
      const { cause, passes } = startProblem(error);
      if (!passes) throw databaseFault(url, cause, error);
      say(cause);
    }
    await wait(pauseMs, undefined, { signal });
  }
}

const databaseFault = (url: string, cause: string, error: unknown): StartFault =>
  new StartFault(settings.databaseUrl.name, `${describeDatabaseUrl(url)}: ${cause}`, { cause: error });

/** Throws when everything that is sealed in the database was sealed by keys that this process does not have. */
async function checkDeployment(url: string, sealer: Sealer): Promise<void> {
  const sql = openDatabase(url, { connections: 1, applicationName: 'espalier-start' });
  try {
    const { current, old, unknown } = sumSealed(await countSealed(sql), sealer.keyIds);
    if (current + old > 0 || unknown === 0) return;
    throw new StartFault(
      settings.databaseUrl.name,
      `${describeDatabaseUrl(url)}: the database is another deployment's: of its ${unknown} kept secrets ESPALIER_SECRETS_KEY opens none`,
    );
  } finally {
    await sql.end({ timeout: 0 });
  }
}

/** `espalier migrate`: one attempt, also beside a running gateway. Throws `StartFault`. */
export async function migrateStore(config: Pick<Config, 'databaseUrl' | 'dataDir'>): Promise<void> {
  const store = await openStore(config, { join: true });
  try {
    await tryDatabase(store.url);
    await refuseSharedSessions(store.url);
    await migrateDatabase(store.url);
  } catch (error) {
    if (error instanceof StartFault) throw error;
    throw databaseFault(store.url, startProblem(error).cause, error);
  } finally {
    await store.close();
  }
}
