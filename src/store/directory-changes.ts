import type { Queries } from './database.ts';

/** What is known to have changed in a tenant's directory, noted in one statement and acted on later. */

export interface DirectoryChange {
  /** `tenant`: anything may have changed. */
  readonly kind: 'member' | 'user' | 'device' | 'tenant';
  /** Entra's object id; of `tenant` the tenant's own. */
  readonly objectId: string;
  readonly change: 'added' | 'removed' | 'updated' | 'deleted' | 'missed';
}

/** Anything may have changed. */
export const anything = (tenantId: string): DirectoryChange => ({
  kind: 'tenant',
  objectId: tenantId,
  change: 'missed',
});

/** The last of several about one object counts; in the order of their keys, so that two writers cannot block each other. */
function newest(changes: readonly DirectoryChange[]): DirectoryChange[] {
  const byKey = new Map(changes.map((one) => [`${one.kind}/${one.objectId}`, one]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

/** Notes changes of one tenant; a newer one of the same object takes the place of one that was not acted on yet. */
export async function noteDirectoryChanges(
  sql: Queries,
  tenantId: string,
  changes: readonly DirectoryChange[],
): Promise<void> {
  const rows = newest(changes);
  if (rows.length === 0) return;
  await sql`
    insert into directory_changes (tenant_id, kind, object_id, change)
    select ${tenantId}, * from unnest(${rows.map((row) => row.kind)}::text[], ${rows.map((row) => row.objectId)}::uuid[],
      ${rows.map((row) => row.change)}::text[])
    on conflict (tenant_id, kind, object_id) do update set
      change = excluded.change, revision = directory_changes.revision + 1, noted_at = now(), next_try_at = now(),
      attempts = 0`;
}
