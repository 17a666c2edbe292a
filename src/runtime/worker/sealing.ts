import { keyIdOf } from '../../secrets/seal.ts';
import type { Config } from '../config.ts';
import { deploymentBehindHyperdrive, deploymentOf } from '../snapshot/deployment.ts';
import type { Sealing } from '../snapshot/sealed-file.ts';
import { databaseUrlOf, type WorkerBindings } from './config.ts';
import { newestMigrationAt } from './health.ts';

/** How this deployment seals what it keeps outside the database. */
export async function sealingOf(
  config: Pick<Config, 'publicUrl' | 'secretsKey'>,
  bindings: WorkerBindings,
): Promise<Sealing> {
  const { HYPERDRIVE: pool } = bindings;
  return {
    keys: await Promise.all(config.secretsKey.map(async (secret) => ({ id: await keyIdOf(secret), secret }))),
    deployment:
      pool === undefined
        ? deploymentOf(databaseUrlOf(bindings))
        : deploymentBehindHyperdrive(pool.connectionString, config.publicUrl),
    schema: newestMigrationAt,
  };
}
