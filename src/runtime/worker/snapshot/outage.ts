import { within } from '../../../deadline.ts';
import type { LandingTenant } from '../../../forwarding/landing-directory.ts';
import type { ServedReads } from '../../../forwarding/served-reads.ts';
import { awayTryMs, silentAfterMs } from '../../../limits.ts';
import { storeFailure } from '../../../store/store-failure.ts';
import type { Log } from '../../../telemetry/log.ts';
import type { LastKnown } from './last-known.ts';
import type { Sheet } from './sheet.ts';

/**
 * Serves from the snapshot while the database cannot be reached. One that answers and refuses hides nothing: its error is the
 * caller's. So is the outage's where the snapshot does not have what is asked for, for it cannot say that there is none.
 */

export interface OutageOptions {
  readonly reads: ServedReads;
  readonly lastKnown: LastKnown;
  readonly log: Log;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** Requests share what one of them has found out, as data: none waits for another one. */
function createAway({ log, now }: OutageOptions) {
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
  return async <T>(
    read: () => Promise<T | undefined>,
    last: () => Promise<T | undefined>,
  ): Promise<T | undefined> => {
    if (away !== undefined) {
      if (now() < away.tryAtMs) {
        const found = await fallBack(last);
        if (found !== undefined) return found;
      } else away.tryAtMs = now() + awayTryMs;
    }
    const asked = answered(read());
    try {
      const answer = await within<{ row: T | undefined } | 'silent'>(asked, silentAfterMs, () => 'silent');
      if (answer !== 'silent') return answer.row;
      note(new Error('the database does not answer'));
    } catch (error) {
      if (storeFailure(error) !== 'unreachable') throw error;
      note(error);
    }
    return (await fallBack(last)) ?? (await asked).row;
  };
}

const landingOf = ({ instances, tenant: { landing } }: Sheet): LandingTenant => ({ landing, instances });

export function withLastKnown(options: OutageOptions): ServedReads {
  const { lastKnown, reads } = options;
  const either = createAway(options);
  return {
    tenant: (tenantId) =>
      either(
        () => reads.tenant(tenantId),
        async () => (await lastKnown.sheet(tenantId))?.tenant,
      ),
    instance: (tenantId, instanceId) =>
      either(
        () => reads.instance(tenantId, instanceId),
        async () => (await lastKnown.sheet(tenantId))?.instances.find((one) => one.instanceId === instanceId),
      ),
    route: (tenantId, deviceId) =>
      either(
        () => reads.route(tenantId, deviceId),
        () => lastKnown.route(tenantId, deviceId),
      ),
    landingTenant: (tenantId) =>
      either(
        () => reads.landingTenant(tenantId),
        async () => {
          const sheet = await lastKnown.sheet(tenantId);
          return sheet && landingOf(sheet);
        },
      ),
    macState: (...names) =>
      either(
        () => reads.macState(...names),
        async () => 'unavailable' as const,
      ),
  };
}
