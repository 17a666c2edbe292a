/** The database at a start: found or waited for, brought up to date, and seen to be this deployment's. */

import { setTimeout as wait } from 'node:timers/promises';
import { countSealed, sumSealed } from '../connection/reseal.ts';
import { abandonedBy } from '../deadline.ts';
import type { Sealer } from '../secrets/seal.ts';
import { connectWithinRequestSeconds, openDatabase } from '../store/database.ts';
import { describeDatabaseUrl } from '../store/database-url.ts';
import { poolerProblem, sharesSessions } from '../store/pooler.ts';
import { startProblem } from '../store/start-problem.ts';
import { storeFailure } from '../store/store-failure.ts';
import type { Log } from '../telemetry/log.ts';
import type { Config } from './config.ts';
import { DirectoryInUse } from './node-directory-lock.ts';
import { EmbeddedPostgresUnavailable, startEmbeddedPostgres } from './node-embedded-postgres.ts';
import { migrateDatabase, migrationState } from './node-migrate.ts';
import { describeMissingRights, grantServing } from './node-serving-grants.ts';
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
const defaultPauseMs = 1_000;
/** The cause is said again so often while it stays the same. */
const sayAgainMs = 60_000;

/** Resolves when the database answers a query. */
async function tryDatabase(url: string, patienceMs = attemptMs): Promise<void> {
  const sql = openDatabase(url, {
    connections: 1,
    applicationName: 'espalier-start',
    ...(patienceMs < attemptMs ? { connectTimeoutSeconds: patienceMs / 1_000 } : {}),
  });
  const late = wait(patienceMs, undefined, { ref: false }).then(() => {
    throw Object.assign(new Error(`no answer within ${patienceMs / 1_000} s`), { code: 'CONNECT_TIMEOUT' });
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

/** A database that is looked at for the start. */
export interface Preparing {
  readonly url: string;
  readonly config: Pick<Config, 'migrate'>;
  /** Holds this deployment's keys: data that none of them opens belong to another. */
  readonly sealer: Sealer;
  readonly signal: AbortSignal;
  /** A database that lets nobody in for so long is not reached; default: ten seconds. */
  readonly patienceMs?: number;
}

/** `unreachable`: there was nobody to ask. Else the database is there and waits for something. */
export type Prepared =
  | { readonly ready: true }
  | { readonly ready: false; readonly cause: string; readonly unreachable: boolean };

const pendingMigrations = 'the schema has pending migrations, and ESPALIER_MIGRATE=off: espalier migrate';

/** What may pass by itself; throws `StartFault` for what waiting does not mend, and the signal's reason. */
function waitingFor({ signal, url }: Preparing, error: unknown, unreachable: boolean): Prepared {
  signal.throwIfAborted();
  if (error instanceof StartFault) throw error;
  const { cause, passes } = startProblem(error);
  if (!passes) throw databaseFault(url, cause, error);
  return { ready: false, cause, unreachable };
}

/**
 * One look: the database answers, its schema is this build's and its data are this deployment's, or it may pass by itself
 * that they are not. Throws `StartFault` for what waiting does not mend, and the signal's reason.
 */
export async function prepareOnce(preparing: Preparing): Promise<Prepared> {
  const { config, patienceMs, sealer, signal, url } = preparing;
  try {
    await abandonedBy(signal, tryDatabase(url, patienceMs));
  } catch (error) {
    return waitingFor(preparing, error, true);
  }
  try {
    await abandonedBy(signal, refuseSharedSessions(url));
    if (config.migrate === 'auto') await abandonedBy(signal, migrateDatabase(url, { signal }));
    const { isCurrent } = await abandonedBy(signal, migrationState(url));
    if (!isCurrent) return { ready: false, cause: pendingMigrations, unreachable: false };
    const lacking = await abandonedBy(signal, describeMissingRights(url));
    if (lacking !== undefined) return { ready: false, cause: lacking, unreachable: false };
    await abandonedBy(signal, checkDeployment(url, sealer));
    return { ready: true };
  } catch (error) {
    // It may go away between two questions.
    return waitingFor(preparing, error, storeFailure(error) === 'unreachable');
  }
}

export interface Waiting extends Preparing {
  readonly log: Log;
  /** Its reason is what readiness answers meanwhile. */
  readonly onWaiting: (reason: string) => void;
  /** Between two looks; default: a second. */
  readonly pauseMs?: number;
}

/**
 * While the snapshot serves, a database that is back is found as soon as by the breaker (store/breaker.ts), with nothing said
 * by readiness.
 */
export const looksWhileServing = {
  pauseMs: 300,
  patienceMs: connectWithinRequestSeconds * 1_000,
  onWaiting: () => undefined,
} as const;

/** Looks again until `prepareOnce` says that the database is ready, beginning with what it said before, and says so. */
export async function waitForDatabase(before: Prepared, waiting: Waiting): Promise<void> {
  const { log, onWaiting, pauseMs = defaultPauseMs, signal, url } = waiting;
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
  for (let found = before; !found.ready; found = await prepareOnce(waiting)) {
    say(found.cause);
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

/** `espalier migrate`: one attempt, also beside a running gateway; `grantTo` is the role that serves. Throws `StartFault`. */
export async function migrateStore(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  { grantTo }: { readonly grantTo?: string } = {},
): Promise<void> {
  const store = await openStore(config, { join: true });
  try {
    await tryDatabase(store.url);
    await refuseSharedSessions(store.url);
    await migrateDatabase(store.url);
    if (grantTo !== undefined) await grantServing(store.url, grantTo);
  } catch (error) {
    if (error instanceof StartFault) throw error;
    throw databaseFault(store.url, startProblem(error).cause, error);
  } finally {
    await store.close();
  }
}
