import { LRUCache } from 'lru-cache';
import { hashKey } from '../../secrets/keys.ts';
import type { Sql } from '../../store/database.ts';
import type { Operator, Role } from '../context.ts';

/** Operators who show a key: one of the database, or the bootstrap key while there is no admin key. */

/** A key that was looked up serves this long, so that its revocation counts within a second everywhere. */
const freshForMs = 1_000;
const noteUseEveryMs = 60_000;
const remembered = 10_000;

interface KeyRow {
  readonly keyId: string;
  readonly name: string;
  readonly role: Role;
  readonly tenantIds: string[] | null;
  readonly expiresAt: Date | null;
}

interface Known {
  readonly operator: Operator;
  readonly expiresAtMs: number;
}

export interface KeyOperators {
  /** undefined: no live key. */
  find(key: string): Promise<Operator | undefined>;
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
  const cache = new LRUCache<string, Known>({ max: remembered, ttl: freshForMs, ttlResolution: 0 });
  const noted = new LRUCache<string, number>({ max: remembered });
  const noteUse = async (keyId: string): Promise<void> => {
    if (Date.now() - (noted.get(keyId) ?? 0) <= noteUseEveryMs) return;
    noted.set(keyId, Date.now());
    await sql`update api_keys set last_used_at = now() where key_id = ${keyId}`;
  };
  const lookUp = async (hash: string): Promise<Operator | undefined> => {
    const known = cache.get(hash);
    if (known !== undefined && known.expiresAtMs > Date.now()) return known.operator;
    const [row] = await sql<KeyRow[]>`
      select key_id as "keyId", name, role, tenant_ids as "tenantIds", expires_at as "expiresAt" from api_keys
      where key_hash = ${hash} and revoked_at is null and (expires_at is null or expires_at > now())`;
    if (!row) return undefined;
    const { expiresAt, keyId, name, role, tenantIds } = row;
    const operator: Operator = {
      kind: 'key',
      name: `key ${name}`,
      id: keyId,
      role,
      tenantIds: tenantIds ?? undefined,
    };
    cache.set(hash, { operator, expiresAtMs: expiresAt?.getTime() ?? Number.POSITIVE_INFINITY });
    await noteUse(keyId);
    return operator;
  };
  return {
    find: async (key) =>
      (await lookUp(await hashKey(key))) ?? (await bootstrapOperator(sql, bootstrapKey, key)),
  };
}
