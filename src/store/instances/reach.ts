import type { Fragment, Queries, Sql } from '../database.ts';
import { inScope, type TenantScope } from '../tenant-scope.ts';

/**
 * What a process reaches that has no authorities but the public ones, no files, and no private network: instances beyond
 * it are left to others, with all that waits for them. What has no reach of its own reaches all instances.
 */

export interface Reach {
  /** Those whose host is beyond it, of the instances that there were at the last look. */
  unreachedUrls(): readonly string[];
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
  return {
    unreachedUrls: () => unreached,
    look: async () => {
      const rows = await sql<{ url: string }[]>`
        select distinct i.url from instances i
        where ${inScope(sql, scope, sql`i.tenant_id`)} and i.url ~ ${mayBePrivate}`;
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
