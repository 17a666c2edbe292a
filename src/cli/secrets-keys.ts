/** The part of `espalier config` about the keys that seal: their ids, which are no secret, and how much each is still needed for. */

import { countSealed } from '../connection/reseal.ts';
import type { Config } from '../runtime/config.ts';
import { createSealer } from '../secrets/seal.ts';
import { openDatabase } from '../store/database.ts';

const answerWithinMs = 3_000;

/** Undefined where the database does not say. */
async function countsOf(url: string | undefined): Promise<ReadonlyMap<string, number> | undefined> {
  if (url === undefined) return undefined;
  const sql = openDatabase(url, {
    connections: 1,
    applicationName: 'espalier-config',
    statementTimeoutMs: answerWithinMs,
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), answerWithinMs);
  });
  try {
    // Away, or not migrated yet: the configuration is shown all the same.
    return await Promise.race([countSealed(sql).catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
    await sql.end({ timeout: 0 });
  }
}

/** A line for each configured key, as comments below the settings. */
export async function describeSecretsKeys(
  config: Pick<Config, 'databaseUrl' | 'secretsKey'>,
): Promise<string[]> {
  const { keyIds } = await createSealer(config.secretsKey);
  const counts = await countsOf(config.databaseUrl);
  const use = (id: string, at: number): string => {
    if (counts === undefined) return 'the database does not say what it sealed';
    const sealed = counts.get(id) ?? 0;
    if (at === 0) return `sealed ${sealed} of the kept secrets`;
    return sealed === 0 ? 'not needed any more (docs/secrets.md)' : `still needed for ${sealed} kept secrets`;
  };
  return keyIds.map(
    (id, at) => `# ESPALIER_SECRETS_KEY ${at === 0 ? 'seals' : 'opens'} with key ${id}: ${use(id, at)}`,
  );
}
