import { hashKey, looksLikeKey } from '../../secrets/keys.ts';
import { type LiveApiKey, markApiKeyUsed, readLiveApiKeys } from '../../store/api-keys.ts';
import { createCredentialLookup, createUseRecorder } from '../../store/credentials.ts';
import type { Sql } from '../../store/database.ts';
import type { AdminServices, Operator } from '../context.ts';

/** Operators who show a key: one of the database, or the bootstrap key while there is no admin key. */

export interface KeyOperators {
  /** undefined: no live key. */
  find(key: string): Promise<Operator | undefined>;
  /** The same by the key's SHA-256, which is what a session keeps of it. */
  findByHash(hash: string): Promise<Operator | undefined>;
  /** Keys were made or revoked in this process. */
  forgetAll(): void;
}

/** Compares without telling by time where two texts differ. */
export async function sameText(a: string, b: string): Promise<boolean> {
  return (await hashKey(a)) === (await hashKey(b));
}

/** The bootstrap key works until the first key is made that may do as much. */
export async function bootstrapWorks(sql: Sql): Promise<boolean> {
  const [admin] = await sql`
    select 1 from api_keys where role = 'admin' and tenant_ids is null limit 1`;
  return admin === undefined;
}

async function bootstrapOperator(
  sql: Sql,
  bootstrapKey: string | undefined,
  hash: string,
): Promise<Operator | undefined> {
  if (bootstrapKey === undefined || (await hashKey(bootstrapKey)) !== hash) return undefined;
  return (await bootstrapWorks(sql))
    ? { kind: 'bootstrap', name: 'bootstrap', id: undefined, role: 'admin', tenantIds: undefined }
    : undefined;
}

export function createKeyOperators({
  after,
  bootstrapKey,
  log,
  sharing,
  sql,
}: Pick<AdminServices, 'after' | 'bootstrapKey' | 'log' | 'sharing' | 'sql'>): KeyOperators {
  const recordUse = createUseRecorder(({ keyId }: LiveApiKey) => markApiKeyUsed(sql, keyId), { after, log });
  const keys = createCredentialLookup<LiveApiKey>({
    sharing,
    endsAtMs: ({ expiresAt }) => expiresAt?.getTime(),
    read: async (hashes) => new Map((await readLiveApiKeys(sql, hashes)).map((row) => [row.keyHash, row])),
  });
  const operatorOfKey = async (hash: string): Promise<Operator | undefined> => {
    const row = await keys.find(hash);
    if (row === undefined) return undefined;
    const { keyId, name, role, tenantIds } = row;
    recordUse(row);
    return { kind: 'key', name: `key ${name}`, id: keyId, role, tenantIds: tenantIds ?? undefined };
  };
  return {
    find: async (key) => {
      const hash = await hashKey(key);
      const found = looksLikeKey(key) ? await operatorOfKey(hash) : undefined;
      return found ?? (await bootstrapOperator(sql, bootstrapKey, hash));
    },
    findByHash: async (hash) =>
      (await operatorOfKey(hash)) ?? (await bootstrapOperator(sql, bootstrapKey, hash)),
    forgetAll: keys.forgetAll,
  };
}
