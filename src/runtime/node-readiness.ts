/** The answer of `/health/ready`: not ready before everything has started, nor once the process is ending. */

import { within } from '../deadline.ts';
import type { Readiness } from '../gateway/ops.ts';
import type { Sql } from '../store/database.ts';
import { appliedMigration } from '../store/migration-journal.ts';

/** A probe gives up sooner than its caller. */
const readyWithinMs = 1_800;

/**
 * Ready when the database answers and its schema is this build's; degraded when it does not answer and device calls are
 * answered from memory.
 */
export async function databaseReadiness(
  sql: Sql,
  newest: number,
  degradedSeconds: () => number | undefined,
): Promise<Readiness> {
  try {
    const applied = await within(appliedMigration(sql), readyWithinMs, () => {
      throw new Error(`no answer within ${readyWithinMs} ms`);
    });
    return applied >= newest
      ? { ready: true }
      : { ready: false, reason: 'the schema has pending migrations: espalier migrate' };
  } catch (error) {
    const seconds = degradedSeconds();
    return seconds === undefined
      ? { ready: false, reason: `the database does not answer: ${(error as Error).message}` }
      : { ready: true, degraded: ['database'], age: Math.round(seconds) };
  }
}

export interface ReadinessState {
  readonly read: () => Promise<Readiness>;
  /** Makes the process not ready, for this reason. */
  notReady(reason: string): void;
  /** Started: from now on this says. */
  started(read: () => Promise<Readiness>): void;
}

export function createReadiness(): ReadinessState {
  const notReady = (reason: string) => async (): Promise<Readiness> => ({ ready: false, reason });
  let current = notReady('starting');
  return {
    read: () => current(),
    notReady: (reason) => {
      current = notReady(reason);
    },
    started: (next) => {
      current = next;
    },
  };
}
