import type { Log } from '../../../telemetry/log.ts';
import type { WorkerBindings } from '../config.ts';
import { callEveryShard, directoryName } from '../waker.ts';

/** Has every shard's part of the snapshot kept, where there is a bucket for it. */
export async function keepAll(
  { DIRECTORY: directory, SNAPSHOT: bucket }: WorkerBindings,
  shards: number,
  log: Log,
): Promise<void> {
  if (bucket === undefined || directory === undefined) return;
  await callEveryShard(
    shards,
    (scope) => directory.get(directory.idFromName(directoryName(scope)) as never).keep(scope),
    (scope, error) => log.warn('snapshot.not-kept', { ...scope, error }),
  );
}
