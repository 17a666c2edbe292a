/** The sealed secret of an instance's API client. */

import type { Queries } from '../database.ts';
import type { InstanceRef } from './instance.ts';

/** Context that the secret is sealed for: it does not open in another row. */
export const secretAssociation = ({ instanceId, tenantId }: InstanceRef): string =>
  `instances/${tenantId}/${instanceId}/api_secret`;

/** Replaces sealed secrets where the row still holds the text that was opened; says how many. */
export async function resealSecrets(
  sql: Queries,
  rows: readonly (InstanceRef & { readonly sealed: string; readonly anew: string })[],
): Promise<number> {
  if (rows.length === 0) return 0;
  const { count } = await sql`
    update instances i set api_secret_sealed = r.anew
    from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.instanceId)}::uuid[],
      ${rows.map((row) => row.sealed)}::text[], ${rows.map((row) => row.anew)}::text[])
      as r (tenant_id, instance_id, sealed, anew)
    where i.tenant_id = r.tenant_id and i.instance_id = r.instance_id and i.api_secret_sealed = r.sealed`;
  return count;
}
