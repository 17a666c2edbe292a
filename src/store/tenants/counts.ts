/** How all tenants fare, in numbers for metrics. Reads the row of each tenant, of which there are some ten thousand. */

import type { Sql } from '../database.ts';
import { type ConnectionState, connectionStates } from '../row-types.ts';

export type TenantState = ConnectionState | 'held' | 'paused';
export const tenantStates: readonly TenantState[] = [...connectionStates, 'held', 'paused'];

export interface TenantCounts {
  /** By state of the connection; of those that are connected `held` and `paused` are told apart. */
  readonly byState: readonly { readonly state: string; readonly count: number }[];
  /** Tenants whose applications have other permissions than they should. */
  readonly permissionDrift: number;
  /** Since the last heartbeat, or the connection where there was none yet, of the tenant that waits longest. */
  readonly heartbeatAgeSeconds: number;
}

export async function countTenants(sql: Sql): Promise<TenantCounts> {
  const byState = await sql<{ state: string; count: number; drift: number; ageSeconds: number | null }[]>`
    select case when connection_state <> 'connected' then connection_state
        when hold is not null then 'held' when paused then 'paused' else 'connected' end as state,
      count(*) as count, count(*) filter (where permissions ->> 'ok' = 'false') as drift,
      extract(epoch from now() - min(coalesce(last_heartbeat_at, connected_at))
        filter (where connection_state = 'connected'))::float8 as "ageSeconds"
    from tenants group by 1 order by 1`;
  return {
    byState: byState.map(({ count, state }) => ({ state, count })),
    permissionDrift: byState.reduce((sum, { drift }) => sum + drift, 0),
    heartbeatAgeSeconds: Math.max(0, ...byState.map(({ ageSeconds }) => ageSeconds ?? 0)),
  };
}
