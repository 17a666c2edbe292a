import { monotonicMs } from '../../clock.ts';
import { within } from '../../deadline.ts';
import { createJoining } from '../../joining.ts';
import { openDatabase, type Sql } from '../../store/database.ts';
import { createServedReader, type ServedQuestion } from '../../store/served.ts';
import type { Log } from '../../telemetry/log.ts';
import { databaseUrlOf, loadWorkerConfig, type WorkerBindings } from './config.ts';
import type { Directory, DirectoryAnswer } from './directory-port.ts';
import { createFollowedTenants } from './followed.ts';
import { createWorkerLog } from './log.ts';

/**
 * The Durable Object that says for one shard of the tenants whether what isolates remember of them still holds. While it is
 * asked it reads the versions of all tenants that it was asked about, by one statement twice a second whatever the traffic.
 * It has nothing that the database has not, so it may be lost at any time.
 */

const readEveryMs = 500;
/** A reading that is older is not answered with: the object was idle, or the readings fail. */
const maxAgeMs = 1_000;
const idleAfterMs = 10_000;
/** A reading that takes longer has failed. */
const readWithinMs = 1_000;

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One connection, which is there while the object is asked. */
function createConnection(bindings: WorkerBindings) {
  let opened: { readonly sql: Sql; readonly read: ReturnType<typeof createServedReader> } | undefined;
  return {
    read: (asked: readonly ServedQuestion[]) => {
      if (opened === undefined) {
        const sql = openDatabase(databaseUrlOf(bindings), {
          connections: 1,
          applicationName: 'espalier-directory',
          pooled: true,
        });
        opened = { sql, read: createServedReader(sql) };
      }
      return opened.read(asked);
    },
    close: async (): Promise<void> => {
      const { sql } = opened ?? {};
      opened = undefined;
      // It may have failed, or hang.
      await sql?.end({ timeout: 0 }).catch(() => undefined);
    },
  };
}

async function openLog(bindings: WorkerBindings): Promise<Log> {
  const loaded = await loadWorkerConfig(bindings);
  return createWorkerLog(loaded.ok ? loaded.config : { logLevel: 'info' });
}

export function createDirectory(bindings: WorkerBindings, now: () => number = monotonicMs): Directory {
  const followed = createFollowedTenants(now);
  const connection = createConnection(bindings);
  const readings = createJoining<void>('process');
  let history = '';
  let readAtMs = Number.NEGATIVE_INFINITY;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let isFollowing = false;
  let log: Log | undefined;

  const late = (): never => {
    throw new Error('the versions were not read in time');
  };
  /** Questions that come together share a reading. */
  const read = (): Promise<void> =>
    readings.once('', async () => {
      const atMs = now();
      try {
        const found = await within(connection.read(followed.questions()), readWithinMs, late);
        followed.take(found);
        history = found.history;
        readAtMs = atMs;
      } catch (error) {
        // A connection that went silent would fail every reading.
        await connection.close();
        throw error;
      }
    });
  const follow = async (): Promise<void> => {
    if (isFollowing) return;
    isFollowing = true;
    let hasFailed = false;
    while (now() - askedAtMs < idleAfterMs) {
      await delay(readEveryMs);
      try {
        await read();
        hasFailed = false;
      } catch (error) {
        log ??= await openLog(bindings);
        if (!hasFailed) log.warn('directory.not-read', { error });
        hasFailed = true;
      }
    }
    isFollowing = false;
    await connection.close();
  };
  const answerNow = (asked: readonly ServedQuestion[]): DirectoryAnswer | undefined => {
    const ageMs = now() - readAtMs;
    // A clock that was set back says nothing of the reading's age.
    if (ageMs < 0 || ageMs >= maxAgeMs) return undefined;
    const tenants = asked.map(followed.answer).filter((answer) => answer !== undefined);
    return tenants.length < asked.length ? undefined : { ageMs, history, tenants };
  };

  return {
    versions: async (asked) => {
      askedAtMs = now();
      followed.ask(asked.map(({ tenantId }) => tenantId));
      follow();
      // A reading that was under way does not know of the question yet.
      for (let tries = 0; tries < 2; tries += 1) {
        const answer = answerNow(asked);
        if (answer !== undefined) return answer;
        await read();
      }
      return answerNow(asked) ?? late();
    },
  };
}
