import { columns, pick, type Row } from './columns.ts';
import type { Queries, Sql, Transaction } from './database.ts';
import { query } from './query.ts';
import { apiKeys } from './schema.ts';

/** Operators' keys. None is ever deleted: the bootstrap key must not come back with the last one's end. */

export async function insertApiKey(tx: Transaction, key: typeof apiKeys.$inferInsert): Promise<void> {
  await query(tx).insert(apiKeys).values(key);
}

/** False when there is none that could be revoked. */
export async function revokeApiKey(tx: Transaction, keyId: string): Promise<boolean> {
  const { count } = await tx`
    update api_keys set revoked_at = now() where key_id = ${keyId} and revoked_at is null`;
  return count > 0;
}

export const markApiKeyUsed = (sql: Sql, keyId: string) => sql`
  update api_keys set last_used_at = now() where key_id = ${keyId}`;

const liveShape = pick(apiKeys, 'keyHash', 'keyId', 'name', 'role', 'tenantIds', 'expiresAt');
export type LiveApiKey = Row<typeof liveShape>;

const isLive = (sql: Queries) => sql`revoked_at is null and (expires_at is null or expires_at > now())`;

export const readLiveApiKeys = (sql: Queries, hashes: readonly string[]): Promise<LiveApiKey[]> => sql<
  LiveApiKey[]
>`
  select ${columns(sql, liveShape)} from api_keys where key_hash = any(${hashes as string[]}) and ${isLive(sql)}`;

/** Undefined when it was revoked or has expired. */
export async function readLiveApiKey(sql: Queries, keyId: string): Promise<LiveApiKey | undefined> {
  const [row] = await sql<LiveApiKey[]>`
    select ${columns(sql, liveShape)} from api_keys where key_id = ${keyId} and ${isLive(sql)}`;
  return row;
}
