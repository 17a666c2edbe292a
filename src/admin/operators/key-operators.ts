import { LRUCache } from 'lru-cache';
import { hashKey, looksLikeKey } from '../../secrets/keys.ts';
import { createCredentialLookup } from '../../store/credentials.ts';
import type { Sql } from '../../store/database.ts';
import type { Operator, Role } from '../context.ts';

/** Operators who show a key: one of the database, or the bootstrap key while there is no admin key. */

const noteUseEveryMs = 60_000;
const remembered = 10_000;

interface KeyRow {
  readonly keyHash: string;
  readonly keyId: string;
  readonly name: string;
  readonly role: Role;
  readonly tenantIds: string[] | null;
  readonly expiresAt: Date | null;
}

export interface KeyOperators {
  /** undefined: no live key. */
  find(key: string): Promise<Operator | undefined>;
  /** Keys were made or revoked in this process. */
  forgetAll(): void;
}

/** Compares without telling by time where two texts differ. */
export async function sameText(a: string, b: string): Promise<boolean> {
  return (await hashKey(a)) === (await hashKey(b));
}

/** Until the first key is made that may do as much. */
export async function bootstrapWorks(sql: Sql): Promise<boolean> {
  const [admin] = await sql`
    select 1 from api_keys where role = 'admin' and tenant_ids is null limit 1`;
  return admin === undefined;
}

async function bootstrapOperator(
  sql: Sql,
  bootstrapKey: string | undefined,
  key: string,
): Promise<Operator | undefined> {
  if (bootstrapKey === undefined || !(await sameText(bootstrapKey, key))) return undefined;
  return (await bootstrapWorks(sql))
    ? { kind: 'bootstrap', name: 'bootstrap', id: undefined, role: 'admin', tenantIds: undefined }
    : undefined;
}

export function createKeyOperators(sql: Sql, bootstrapKey: string | undefined): KeyOperators {
  const noted = new LRUCache<string, number>({ max: remembered });
  const noteUse = async (keyId: string): Promise<void> => {
    if (performance.now() - (noted.get(keyId) ?? Number.NEGATIVE_INFINITY) <= noteUseEveryMs) return;
    noted.set(keyId, performance.now());
    await sql`update api_keys set last_used_at = now() where key_id = ${keyId}`;
  };
  const keys = createCredentialLookup<KeyRow>({
    endsAtMs: ({ expiresAt }) => expiresAt?.getTime(),
    read: async (hashes) => {
      const rows = await sql<KeyRow[]>`
        select key_hash as "keyHash", key_id as "keyId", name, role, tenant_ids as "tenantIds", expires_at as "expiresAt"
        from api_keys
        where key_hash = any(${hashes}) and revoked_at is null and (expires_at is null or expires_at > now())`;
      return new Map(rows.map((row) => [row.keyHash, row]));
    },
  });
  const operatorOfKey = async (key: string): Promise<Operator | undefined> => {
    const row = looksLikeKey(key) ? await keys.find(await hashKey(key)) : undefined;
    if (row === undefined) return undefined;
    const { keyId, name, role, tenantIds } = row;
    await noteUse(keyId);
    return { kind: 'key', name: `key ${name}`, id: keyId, role, tenantIds: tenantIds ?? undefined };
  };
  return {
    find: async (key) => (await operatorOfKey(key)) ?? (await bootstrapOperator(sql, bootstrapKey, key)),
    forgetAll: keys.forgetAll,
  };
}
