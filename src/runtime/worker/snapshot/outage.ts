import { within } from '../../../deadline.ts';
import type { LandingTenant } from '../../../forwarding/landing-directory.ts';
import type { ServedReads } from '../../../forwarding/served-reads.ts';
import { askedAgainMs, awayTryMs, silentAfterMs } from '../../../limits.ts';
import { storeFailure } from '../../../store/store-failure.ts';
import type { Log } from '../../../telemetry/log.ts';
import type { LastKnown } from './last-known.ts';
import type { Sheet } from './sheet.ts';

/**
 * Serves from the snapshot while the database cannot be reached. One that answers and refuses hides nothing: its error is the
 * caller's. So is the outage's where the snapshot does not have what is asked for, for it cannot say that there is none.
 * A single lost connection or slow answer says nothing: the database is asked again, and for as long as the tenant's version
 * is read from it the snapshot, which may be older than what the version stands for, is no answer.
 */

export interface OutageOptions {
  readonly reads: ServedReads;
  readonly lastKnown: LastKnown;
  readonly log: Log;
  /** The tenant's version was read from the database a moment ago. */
  readonly isConfirmed: (tenantId: string) => boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

type Asked<T> =
  | { readonly row: T | undefined }
  /** What has not answered may still do. */
  | { readonly failure: unknown; readonly late?: () => Promise<{ readonly row: T | undefined }> };

/** A read is not asked for more often: some two seconds in all. */
const maxTries = 8;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Requests share what one of them has found out, as data: none waits for another one. */
function createAway({ isConfirmed, log, now }: OutageOptions) {
  let away: { tryAtMs: number } | undefined;
  const fallBack = async <T>(last: () => Promise<T | undefined>): Promise<T | undefined> => {
    try {
      return await last();
    } catch (error) {
      log.warn('snapshot.not-used', { cause: 'unreadable', error });
      return undefined;
    }
  };
  const note = (error: unknown): void => {
    if (away === undefined) log.warn('snapshot.asked', { error });
    away = { tryAtMs: now() + awayTryMs };
  };
  const answered = async <T>(reading: Promise<T | undefined>): Promise<{ row: T | undefined }> => {
    const row = await reading;
    if (away !== undefined) log.info('snapshot.not-needed');
    away = undefined;
    return { row };
  };
  /**
   * What cannot be reached is asked twice, and up to `maxTries` times while versions of the tenant are read from it. Rejects
   * with what the database says.
   */
  const ask = async <T>(tenantId: string, read: () => Promise<T | undefined>): Promise<Asked<T>> => {
    let reading = answered(read());
    for (let tries = 1; ; tries += 1) {
      const waitMs = tries === 1 ? silentAfterMs : askedAgainMs;
      try {
        const answer = await within<{ row: T | undefined } | 'silent'>(reading, waitMs, () => 'silent');
        if (answer !== 'silent') return answer;
        if (tries >= maxTries || !isConfirmed(tenantId)) {
          const own = reading;
          return { failure: new Error('the database does not answer'), late: () => own };
        }
      } catch (error) {
        if (storeFailure(error) !== 'unreachable') {
          away = undefined;
          throw error;
        }
        if (tries >= maxTries || (tries > 1 && !isConfirmed(tenantId))) return { failure: error };
        await pause(tries === 1 ? 0 : askedAgainMs);
        reading = answered(read());
      }
    }
  };
  return async <T>(
    tenantId: string,
    read: () => Promise<T | undefined>,
    last: () => Promise<T | undefined>,
  ): Promise<T | undefined> => {
    if (away !== undefined) {
      if (now() < away.tryAtMs && !isConfirmed(tenantId)) {
        const found = await fallBack(last);
        if (found !== undefined) return found;
      } else away.tryAtMs = now() + awayTryMs;
    }
    const asked = await ask(tenantId, read);
    if ('row' in asked) return asked.row;
    const { failure, late } = asked;
    note(failure);
    const found = isConfirmed(tenantId) ? undefined : await fallBack(last);
    if (found !== undefined) return found;
    if (late === undefined) throw failure;
    return (await late()).row;
  };
}

const landingOf = ({ instances, tenant: { landing } }: Sheet): LandingTenant => ({ landing, instances });

export function withLastKnown(options: OutageOptions): ServedReads {
  const { lastKnown, reads } = options;
  const either = createAway(options);
  return {
    tenant: (tenantId) =>
      either(
        tenantId,
        () => reads.tenant(tenantId),
        async () => (await lastKnown.sheet(tenantId))?.tenant,
      ),
    instance: (tenantId, instanceId) =>
      either(
        tenantId,
        () => reads.instance(tenantId, instanceId),
        async () => (await lastKnown.sheet(tenantId))?.instances.find((one) => one.instanceId === instanceId),
      ),
    route: (tenantId, deviceId) =>
      either(
        tenantId,
        () => reads.route(tenantId, deviceId),
        () => lastKnown.route(tenantId, deviceId),
      ),
    landingTenant: (tenantId) =>
      either(
        tenantId,
        () => reads.landingTenant(tenantId),
        async () => {
          const sheet = await lastKnown.sheet(tenantId);
          return sheet && landingOf(sheet);
        },
      ),
    macState: (...names) =>
      either(
        names[0],
        () => reads.macState(...names),
        async () => 'unavailable' as const,
      ),
  };
}
