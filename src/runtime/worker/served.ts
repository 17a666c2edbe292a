import { monotonicMs } from '../../clock.ts';
import { databaseReads } from '../../forwarding/served-reads.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Config } from '../config.ts';
import type { GatewayParts } from '../gateway.ts';
import type { WorkerBindings } from './config.ts';
import { createConfirmations, createStrictClock, type IsolateConfirmations } from './confirmations.ts';
import type { Scopes } from './scope.ts';
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

export function composeServed(options: {
  readonly config: Pick<Config, 'shards'>;
  readonly bindings: WorkerBindings;
  readonly scopes: Scopes;
  readonly log: Log;
  /** undefined: there is no snapshot. */
  readonly lastKnown: LastKnown | undefined;
}): Pick<GatewayParts, 'reads' | 'lastKnownKeys' | 'confirmations'> {
  const { bindings, config, lastKnown, log, scopes } = options;
  const confirmations =
    bindings.DIRECTORY &&
    createConfirmations({
      ...{ namespace: bindings.DIRECTORY, shards: config.shards, log },
      ...{ after: scopes.after, now: createStrictClock(monotonicMs) },
    });
  const known = lastKnown && {
    lastKnownKeys: lastKnown.keys,
    reads: withLastKnown({
      ...{ log, now: monotonicMs, reads: databaseReads(scopes.sql) },
      isConfirmed: (tenantId) => confirmations?.isConfirmed(tenantId) ?? false,
      lastKnown: confirmations ? unconfirmed(lastKnown, confirmations) : lastKnown,
    }),
  };
  return { ...known, ...(confirmations ? { confirmations } : {}) };
}
