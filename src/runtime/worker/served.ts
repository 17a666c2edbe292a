import { monotonicMs } from '../../clock.ts';
import { databaseReads } from '../../forwarding/served-reads.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Config } from '../config.ts';
import type { GatewayParts } from '../gateway.ts';
import type { WorkerBindings } from './config.ts';
import { createConfirmations, createStrictClock, type IsolateConfirmations } from './confirmations.ts';
import type { Scopes } from './scope.ts';
import { sealingOf } from './sealing.ts';
import { createPlatformCache } from './shared-cache.ts';
import { createSharedRows, type SharedRows, withSharedRows } from './shared-rows.ts';
import type { LastKnown } from './snapshot/last-known.ts';
import { withLastKnown } from './snapshot/outage.ts';

/** From what device calls and landing pages are served on Workers, and how long what is remembered of it holds. */

/** No version says anything of what the snapshot gives, which may be older. */
const unconfirmed = (lastKnown: LastKnown, { forget }: IsolateConfirmations): LastKnown => ({
  ...lastKnown,
  sheet: (tenantId) => {
    forget(tenantId);
    return lastKnown.sheet(tenantId);
  },
  route: (tenantId, deviceId) => {
    forget(tenantId);
    return lastKnown.route(tenantId, deviceId);
  },
});

/** A warning a minute says enough of a cache that fails for every call. */
const failuresLoggedEveryMs = 60_000;

/** The isolate's part in what its data center shares. */
async function openShared(config: Config, bindings: WorkerBindings, log: Log): Promise<SharedRows> {
  let loggedAtMs = Number.NEGATIVE_INFINITY;
  const onFailure = (error: unknown): void => {
    if (monotonicMs() - loggedAtMs < failuresLoggedEveryMs) return;
    loggedAtMs = monotonicMs();
    log.warn('cache.failed', { error });
  };
  const cache = createPlatformCache({ caches, onFailure, now: monotonicMs });
  return createSharedRows({ ...(await sealingOf(config, bindings)), cache });
}

export async function composeServed(options: {
  readonly config: Config;
  readonly bindings: WorkerBindings;
  readonly scopes: Scopes;
  readonly log: Log;
  /** undefined: there is no snapshot. */
  readonly lastKnown: LastKnown | undefined;
}): Promise<Pick<GatewayParts, 'reads' | 'lastKnownKeys' | 'confirmations'>> {
  const { bindings, config, lastKnown, log, scopes } = options;
  const { after } = scopes;
  const confirmations =
    bindings.DIRECTORY &&
    createConfirmations({
      ...{ namespace: bindings.DIRECTORY, shards: config.shards, log },
      ...{ after, now: createStrictClock(monotonicMs) },
    });
  const origin = databaseReads(scopes.sql);
  // Within the snapshot: what that gives has no version, and is nothing to share.
  const reads = confirmations
    ? withSharedRows({
        ...{ after, confirmations, reads: origin },
        rows: await openShared(config, bindings, log),
        onCompared: scopes.willAskDatabase,
      })
    : origin;
  const known = lastKnown && {
    lastKnownKeys: lastKnown.keys,
    reads: withLastKnown({
      ...{ log, now: monotonicMs, reads },
      isConfirmed: (tenantId) => confirmations?.isConfirmed(tenantId) ?? false,
      lastKnown: confirmations ? unconfirmed(lastKnown, confirmations) : lastKnown,
    }),
  };
  return { ...(confirmations ? { confirmations, reads } : {}), ...known };
}
