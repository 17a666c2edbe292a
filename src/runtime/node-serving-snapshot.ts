/** The snapshot of a process that serves: taken over where the database cannot be reached, and kept while it is there. */

import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Config } from './config.ts';
import type { Gateway } from './gateway.ts';
import type { KnownCertificates } from './node-acme.ts';
import type { NodeChanges } from './node-changes.ts';
import type { SnapshotKeeping } from './node-snapshot/keep.ts';
import { openSnapshot } from './node-snapshot/snapshot.ts';
import { snapshotParts } from './node-snapshot-parts.ts';

export interface ServingSnapshotOptions {
  readonly config: Config;
  readonly log: Log;
  readonly changes: NodeChanges;
  readonly gateway: Gateway;
  /** Those that came by ACME, where any do. */
  readonly certificates: KnownCertificates | undefined;
  /** False for a process that answers nobody: it has no use for a snapshot, and does not have everything to write one. */
  readonly serves: boolean;
}

export interface ServingSnapshot {
  /** Takes the snapshot over; false: there is none that may serve, and the log says why. `why`: the database's. */
  restore(why: string): Promise<boolean>;
  /** Begins to write it in the background. */
  keep(): SnapshotKeeping | undefined;
  observe(metrics: Metrics): void;
}

const secondsOf = (ms: number): number => Math.round(ms / 1_000);

export async function createServingSnapshot(options: ServingSnapshotOptions): Promise<ServingSnapshot> {
  const { certificates, changes, config, gateway, log, serves } = options;
  const snapshot = serves ? await openSnapshot(config, log) : undefined;
  const { instances, keys, tenants } = gateway;
  const parts = snapshotParts({
    ...{ feed: changes.feed, assignments: changes.assignments, routes: changes.routes.snapshot },
    ...{ tenants, instances, keys, certificates },
  });
  return {
    restore: async (why) => {
      const loaded = await snapshot?.load(parts);
      if (!loaded) return false;
      if (!loaded.loaded) {
        const { ageMs, cause, detail } = loaded;
        const age = ageMs === undefined ? {} : { ageSeconds: secondsOf(ageMs) };
        const level = cause === 'absent' ? 'info' : 'warn';
        log[level]('snapshot.not-used', { cause, ...age, ...(detail === undefined ? {} : { detail }) });
        return false;
      }
      log.warn('snapshot.serves', {
        database: why,
        knownAt: new Date(loaded.knownAt).toISOString(),
        ageSeconds: secondsOf(loaded.ageMs),
        tenants: tenants.known().length,
        instances: instances.known().length,
        routes: changes.routes.outageSize,
      });
      return true;
    },
    keep: () => {
      const kept = snapshot?.keep({ parts, knownForMs: changes.knownForMs });
      return (
        kept && {
          stop: async () => {
            // The last write has what was bound until now.
            await changes.assignments
              .read()
              .catch((error: unknown) => log.debug('assignments.failed', { error }));
            await kept.stop();
          },
        }
      );
    },
    observe: (metrics) => {
      if (!serves) return;
      metrics.onScrape(async (observe) => {
        observe.degraded(changes.policy.isAway() ? 1 : 0);
        // Another process of the directory may be the one that writes.
        const found = await snapshot?.look();
        if (found?.ageMs !== undefined) observe.snapshotAgeSeconds(Math.max(0, found.ageMs) / 1_000);
      });
    },
  };
}
