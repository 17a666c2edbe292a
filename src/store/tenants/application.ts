/** The own application of a tenant whose connection is `manual`: its secret is sealed, or kept elsewhere under a reference. */

import { sql } from 'drizzle-orm';
import type { Queries } from '../database.ts';
import type { StoredApplication } from '../row-types.ts';
import { tenants } from '../schema.ts';

/** The part of an application that may be shown. */
export interface ShownApplication {
  readonly clientId: string;
  readonly secretRef: string | null;
}

const own = tenants.application;

/** The sealed secret stays in the database. */
export const shownApplication = sql<ShownApplication | null>`case when ${own} is not null then jsonb_build_object(
  'clientId', ${own}->'clientId', 'secretRef', ${own}->'ref') end`;

/** Context that the sealed secret is bound to: it does not open in another row. */
export const applicationAssociation = (tenantId: string): string => `tenants/${tenantId}/application_secret`;

export async function readStoredApplication(
  queries: Queries,
  tenantId: string,
): Promise<StoredApplication | undefined> {
  const [row] = await queries<{ application: StoredApplication | null }[]>`
    select application from tenants where tenant_id = ${tenantId}`;
  return row?.application ?? undefined;
}

/** Replaces sealed secrets where the row still holds the text that was opened; says how many. */
export async function resealApplications(
  queries: Queries,
  rows: readonly { readonly tenantId: string; readonly sealed: string; readonly anew: string }[],
): Promise<number> {
  if (rows.length === 0) return 0;
  const { count } = await queries`
    update tenants t set application = jsonb_set(t.application, '{sealed}', to_jsonb(r.anew))
    from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.sealed)}::text[],
      ${rows.map((row) => row.anew)}::text[]) as r (tenant_id, sealed, anew)
    where t.tenant_id = r.tenant_id and t.application->>'sealed' = r.sealed`;
  return count;
}
