import type { Queries } from './database.ts';
import { createHistoryReads, historyLine } from './history-line.ts';

/**
 * Versions of what is served of a tenant, for a runtime that keeps rows and hears of changes by asking whether the version
 * they were read under still stands (Workers). Triggers raise them in the transaction of the change, whoever writes.
 */

export interface ServedQuestion {
  readonly tenantId: string;
  /** The version of the routes since which devices that moved are to be named; undefined: none. */
  readonly routesFrom: number | undefined;
}

export interface ServedVersion {
  readonly tenantId: string;
  /** Of the tenant, its instances and their keys; 0: there never was such a tenant. */
  readonly served: number;
  /** Of its routes. */
  readonly routes: number;
  /** Devices whose route changed since `routesFrom`; undefined: too many, or the versions do not follow one another. */
  readonly moved: readonly string[] | undefined;
}

export interface ServedVersions {
  /** Identifies the line of history that the database continues; versions of another one say nothing. */
  readonly history: string;
  /** One for each question. */
  readonly tenants: readonly ServedVersion[];
}

/** More moves than that in one reading: reading the routes anew is cheaper. */
export const maxMoved = 1_000;

interface Row extends ServedVersion {
  readonly history: string;
  readonly moved: readonly string[];
}

/** Reads the versions of many tenants by one statement, in one snapshot. */
export function createServedReader(
  sql: Queries,
): (asked: readonly ServedQuestion[]) => Promise<ServedVersions> {
  const reads = createHistoryReads();
  const rowsOf = async (byStart: boolean, asked: readonly ServedQuestion[]): Promise<Row[]> => sql<Row[]>`
    select here.history, wanted.tenant_id as "tenantId", coalesce(s.version, 0) as served, coalesce(v.version, 0) as routes,
      array(
        select c.device_id from route_changes c
        where c.tenant_id = wanted.tenant_id and c.version > wanted.routes_from
        order by c.version limit ${maxMoved + 1}) as moved
    from (select ${historyLine(sql, byStart)} as history) here
    cross join unnest(${asked.map(({ tenantId }) => tenantId)}::uuid[],
      ${asked.map(({ routesFrom }) => routesFrom ?? null)}::int8[]) as wanted(tenant_id, routes_from)
    left join served_versions s on s.tenant_id = wanted.tenant_id
    left join route_versions v on v.tenant_id = wanted.tenant_id`;
  return async (asked) => {
    const rows = await reads((byStart) => rowsOf(byStart, asked));
    const from = new Map(asked.map(({ routesFrom, tenantId }) => [tenantId, routesFrom]));
    const followsOn = ({ moved, routes, tenantId }: Row): boolean =>
      moved.length <= maxMoved && (from.get(tenantId) ?? Number.POSITIVE_INFINITY) <= routes;
    return {
      history: rows[0]?.history ?? '',
      tenants: rows.map((row) => ({
        tenantId: row.tenantId,
        served: row.served,
        routes: row.routes,
        moved: followsOn(row) ? row.moved : undefined,
      })),
    };
  };
}
