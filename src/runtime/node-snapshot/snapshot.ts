/** The sealed snapshot of a deployment in its data directory (docs/snapshot.md): how it is opened and kept. */

import { join } from 'node:path';
import { snapshotAheadMs } from '../../limits.ts';
import { keyIdOf } from '../../secrets/seal.ts';
import type { SnapshotPart } from '../../snapshot-part.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Config } from '../config.ts';
import { newestMigration } from '../node-migrate.ts';
import { readSecretsKeys } from '../node-secrets.ts';
import { deploymentOf } from '../snapshot/deployment.ts';
import { type KeepOptions, keepSnapshot, type SnapshotKeeping } from './keep.ts';
import { loadSnapshot, lookAtSnapshot, type SnapshotLoad } from './load.ts';
import { createSnapshotWriter } from './write.ts';

export const snapshotFolder = 'snapshot';

export interface NodeSnapshot {
  /** For a start that cannot reach the database. Never throws for what is on disk: a refusal has a cause. */
  load(parts: readonly SnapshotPart[]): Promise<SnapshotLoad>;
  /** Looks without loading. */
  look(): ReturnType<typeof lookAtSnapshot>;
  /** Begins to write in the background; once in a process, when its start is over. */
  keep(options: Pick<KeepOptions, 'parts' | 'knownForMs' | 'firstMs' | 'everyMs'>): SnapshotKeeping;
}

/**
 * Undefined with the embedded database: it lies in the same directory and starts with its process, so there is no outage
 * that a snapshot would help with.
 */
export async function openSnapshot(
  config: Pick<Config, 'dataDir' | 'databaseUrl' | 'secretsKey' | 'snapshotMaxAgeSeconds'>,
  log: Log,
): Promise<NodeSnapshot | undefined> {
  if (config.databaseUrl === undefined) return undefined;
  const keys = await Promise.all(
    readSecretsKeys(config).map(async (secret) => ({ id: await keyIdOf(secret), secret })),
  );
  const [key] = keys;
  if (!key) return undefined;
  const folder = join(config.dataDir, snapshotFolder);
  const own = { folder, deployment: deploymentOf(config.databaseUrl), schema: await newestMigration() };
  const maxAgeMs = config.snapshotMaxAgeSeconds * 1_000;
  const loading = { ...own, keys, maxAgeMs, maxAheadMs: snapshotAheadMs, now: Date.now };
  return {
    load: (parts) => loadSnapshot(loading, parts),
    look: () => lookAtSnapshot(loading),
    keep: (options) =>
      keepSnapshot({ ...own, ...options, log, writer: createSnapshotWriter({ ...own, key }) }),
  };
}
