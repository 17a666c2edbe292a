import { monotonicMs } from '../clock.ts';
import { acmeChallengesFreshMs } from '../limits.ts';
import { type AcmeChallenge, readChallenges } from '../store/acme.ts';
import type { Sql } from '../store/database.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * Answers `http-01`, whichever process opened the challenge. Strangers ask too: all who ask at the time share one look into
 * the database, and there are five a second at most, however many ask.
 */
export type KeyAuthorizationOf = (token: string) => Promise<string | undefined>;

export function createHttpAnswers(sql: Sql, log: Log): KeyAuthorizationOf {
  let known: readonly AcmeChallenge[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    readAtMs = monotonicMs();
    try {
      known = await readChallenges(sql, 'http-01');
    } catch (error) {
      // The authority asks again.
      log.debug('acme.challenges-unreadable', { error });
    }
  };
  const readNext = async (): Promise<void> => {
    await running;
    const waitMs = readAtMs + acmeChallengesFreshMs - monotonicMs();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    next = undefined;
    running = read();
    await running;
  };
  const find = (token: string): string | undefined =>
    known.find((challenge) => challenge.token === token)?.keyAuthorization;
  return async (token) => {
    const found = find(token);
    if (found !== undefined) return found;
    // A look that begins only now: what one under way reads may be older than the challenge.
    next ??= readNext();
    await next;
    return find(token);
  };
}
