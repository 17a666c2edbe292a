import { LRUCache } from 'lru-cache';
import { hashKey } from '../secrets/keys.ts';
import type { Sha256 } from '../secrets/sha256.ts';
import type { Sql } from './database.ts';

/** Whom a key of the data listener belongs to. */
export interface KeyOwner {
  readonly tenantId: string;
  readonly instanceId: string;
}

export interface InstanceKeys {
  /** The owner of a live key; undefined for any other text. */
  ownerOfKey(key: string): Promise<KeyOwner | undefined>;
  /** The instance this client certificate is bound to. */
  ownerOfCertificate(instanceId: string, sha256: string): Promise<KeyOwner | undefined>;
}

/** A revoked key may go on this long in this process; a flood of webhooks must not become a flood of look-ups. */
const freshForMs = 1_000;
/** When a key was last used is noted this often. */
const noteUseEveryMs = 60_000;

export function createInstanceKeys(
  sql: Sql,
  hash: Sha256 = hashKey,
  now: () => number = Date.now,
): InstanceKeys {
  const cache = new LRUCache<string, { owner: KeyOwner | undefined; keyId?: string }>({
    max: 50_000,
    ttl: freshForMs,
    ttlResolution: 0,
  });
  const noted = new LRUCache<string, number>({ max: 50_000 });
  const noteUse = async (owner: KeyOwner, keyId: string): Promise<void> => {
    if (now() - (noted.get(keyId) ?? 0) < noteUseEveryMs) return;
    noted.set(keyId, now());
    await sql`update instance_keys set last_used_at = now()
      where tenant_id = ${owner.tenantId} and instance_id = ${owner.instanceId} and key_id = ${keyId}`;
  };
  return {
    ownerOfKey: async (key) => {
      const keyHash = await hash(key);
      const known = cache.get(keyHash);
      if (known) return known.owner;
      const [row] = await sql<(KeyOwner & { keyId: string })[]>`
        select k.tenant_id as "tenantId", k.instance_id as "instanceId", k.key_id as "keyId" from instance_keys k
        where k.key_hash = ${keyHash} and (k.expires_at is null or k.expires_at > now())`;
      const owner = row && { tenantId: row.tenantId, instanceId: row.instanceId };
      cache.set(keyHash, { owner });
      if (row && owner) await noteUse(owner, row.keyId);
      return owner;
    },
    ownerOfCertificate: async (instanceId, sha256) => {
      const cacheKey = `${instanceId}/${sha256}`;
      const known = cache.get(cacheKey);
      if (known) return known.owner;
      const [owner] = await sql<KeyOwner[]>`
        select tenant_id as "tenantId", instance_id as "instanceId" from instances
        where instance_id = ${instanceId} and client_certificate_sha256 = ${sha256}`;
      cache.set(cacheKey, { owner });
      return owner;
    },
  };
}
