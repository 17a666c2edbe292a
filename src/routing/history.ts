import type { Queries } from '../store/database.ts';

/** Extent of the recorded history of a tenant's routing table. */
export interface TrimmedHistory {
  /** The newest version of the table. */
  readonly newest: number;
  /** The oldest version that can still be told. */
  readonly oldest: number;
  /** Nothing before this time can be told; null: everything can. */
  readonly before: Date | null;
}

export async function trimmedHistory(sql: Queries, tenantId: string): Promise<TrimmedHistory> {
  const [row] = await sql<TrimmedHistory[]>`
    select version as newest, trimmed_version as oldest, trimmed_before as before
    from route_versions where tenant_id = ${tenantId}`;
  return row ?? { newest: 0, oldest: 0, before: null };
}
