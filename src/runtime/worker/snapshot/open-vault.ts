import { monotonicMs } from '../../../clock.ts';
import type { Log } from '../../../telemetry/log.ts';
import type { Config } from '../../config.ts';
import type { WorkerBindings } from '../config.ts';
import { sealingOf } from '../sealing.ts';
import { createLastKnown, type LastKnown } from './last-known.ts';
import { createVault, type Vault } from './vault.ts';

/** The snapshot of this deployment; undefined: no bucket is bound, so there is none. */
export async function openVault(
  config: Pick<Config, 'publicUrl' | 'secretsKey'>,
  bindings: WorkerBindings,
): Promise<Vault | undefined> {
  const { SNAPSHOT: bucket } = bindings;
  return bucket && createVault({ bucket, ...(await sealingOf(config, bindings)) });
}

/** What an isolate may serve while the database cannot be reached. A cause that stays the same is logged once. */
export async function openLastKnown(
  config: Config,
  bindings: WorkerBindings,
  log: Log,
): Promise<LastKnown | undefined> {
  const vault = await openVault(config, bindings);
  if (vault === undefined) return undefined;
  const said = new Map<number, string>();
  return createLastKnown({
    ...{ vault, now: monotonicMs, date: Date.now },
    shards: config.shards,
    maxAgeMs: config.snapshotMaxAgeSeconds * 1_000,
    onRefused: ({ ageMs, cause, shard, ...detail }) => {
      if (said.get(shard) === cause) return;
      said.set(shard, cause);
      const age = ageMs === undefined ? {} : { ageSeconds: Math.round(ageMs / 1_000) };
      log[cause === 'absent' ? 'info' : 'warn']('snapshot.not-used', { shard, cause, ...age, ...detail });
    },
  });
}
