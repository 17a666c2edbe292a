import type { Fragment, Queries, Sql } from '../../store/database.ts';

/**
 * Assigns a device to one of a hundred buckets, 0 to 99, by its id alone: the same in every move, process and version.
 * All bytes of the id are mixed, because what makes ids random is the vendor's business.
 */

/** `column` holds the id: from code, never from a request. */
export const bucketSql = (queries: Queries, column: string): Fragment => {
  const sql = queries as Sql;
  return sql`(('x' || left(encode(sha256(convert_to(${sql(column)}::text, 'UTF8')), 'hex'), 8))::bit(32)::bigint % 100)::int`;
};

export async function bucketOf(deviceId: string): Promise<number> {
  const id = new TextEncoder().encode(deviceId.toLowerCase());
  return new DataView(await crypto.subtle.digest('SHA-256', id)).getUint32(0) % 100;
}
