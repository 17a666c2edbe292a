import type { Fragment, Queries, Sql } from '../database.ts';
import { inScope, type TenantScope } from '../tenant-scope.ts';

/**
 * What a process reaches that has no authorities but the public ones, no files, and no private network: instances beyond
 * it are left to others, with all that waits for them, and so are tenants whose own application has its secret in a file.
 * What has no reach of its own reaches all of them.
 */

export interface Reach {
  /** Those whose host is beyond it, of the instances that there were at the last look. */
  unreachedUrls(): readonly string[];
  /** Those whose own application it cannot use, at the last look. */
  unreachedTenants(): readonly string[];
  look(): Promise<void>;
}

/** Hosts that may be addresses, `localhost`, or names of a private network: all others are public names. */
const mayBePrivate = String.raw`^https://(\[|\d|[^./:]*\.?(?:[/:]|$)|[^/:]*\.(?:localhost|local|internal|arpa)\.?(?:[/:]|$))`;

export function createReach(
  sql: Sql,
  scope: TenantScope | undefined,
  reachesHost: (hostname: string) => boolean,
): Reach {
  let unreached: readonly string[] = [];
  let tenantIds: readonly string[] = [];
  return {
    unreachedUrls: () => unreached,
    unreachedTenants: () => tenantIds,
    look: async () => {
      const rows = await sql<{ url: string }[]>`
        select distinct i.url from instances i
        where ${inScope(sql, scope, sql`i.tenant_id`)} and i.url ~ ${mayBePrivate}`;
      const tenants = await sql<{ tenantId: string }[]>`
        select t.tenant_id as "tenantId" from tenants t
        where ${inScope(sql, scope, sql`t.tenant_id`)} and t.connection_type = 'manual'
          and t.application ->> 'ref' like 'file:%'`;
      tenantIds = tenants.map(({ tenantId }) => tenantId);
      unreached = rows.map(({ url }) => url).filter((url) => !reachesHost(new URL(url).hostname));
    },
  };
}

/** True for an instance (alias `i`) that is within reach. */
export const isReached = (sql: Queries, reach: Reach | undefined): Fragment =>
  reach === undefined
    ? sql`true`
    : sql`(i.ca_certificate is null and coalesce(i.api_secret_ref, '') not like 'file:%'
        and i.url <> all(${reach.unreachedUrls()}::text[]))`;
