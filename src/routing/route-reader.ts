import { columns, pick, type Row } from '../store/columns.ts';
import type { Sql } from '../store/database.ts';
import { routeChanges, routes, tenants } from '../store/schema.ts';
import type { RouteTarget } from './route-table.ts';

/** Reads routes for the route cache: the database's side, with a twin in memory for the simulation. */

export interface RouteName {
  readonly tenantId: string;
  readonly deviceId: string;
}

export interface VersionedRoute extends RouteTarget {
  readonly version: number;
  /**
   * Time at which its tenant was created, in milliseconds: one that was deleted and made again begins its versions
   * anew.
   */
  readonly bornAtMs: number;
}

export interface RouteVersion {
  readonly tenantId: string;
  readonly version: number;
}

/** A line of the routes' history; without a target the route has ended. */
export interface RouteChange extends RouteName, RouteVersion {
  readonly to: RouteTarget | undefined;
}

export interface RouteReader {
  /** Reads routes from one snapshot, in the order of the names; undefined: no such route. */
  read(names: readonly RouteName[]): Promise<(VersionedRoute | undefined)[]>;
  /** Reads the changes of these versions, each device's in the order of versions. */
  changes(versions: readonly RouteVersion[]): AsyncIterable<readonly RouteChange[]>;
  /** Reads the creation times of tenants, in milliseconds, of those that are there; default: all of them. */
  births(tenantIds?: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

interface RouteRow {
  readonly position: number;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly version: number;
  readonly createdAt: Date;
}

const birth = pick(tenants, 'tenantId', 'createdAt');
const change = {
  tenantId: routeChanges.tenantId,
  version: routeChanges.version,
  deviceId: routeChanges.deviceId,
  instanceId: routeChanges.toInstanceId,
  jamfComputerId: routeChanges.toJamfComputerId,
};
type ChangeRow = Row<typeof change>;

const changesPerPage = 5_000;
const firstId = '00000000-0000-0000-0000-000000000000';

const changeOf = ({ deviceId, instanceId, jamfComputerId, tenantId, version }: ChangeRow): RouteChange => ({
  tenantId,
  deviceId,
  version,
  to: instanceId === null || jamfComputerId === null ? undefined : { instanceId, jamfComputerId },
});

async function readMany(sql: Sql, names: readonly RouteName[]): Promise<(VersionedRoute | undefined)[]> {
  const rows = await sql<RouteRow[]>`
    select wanted.position::int as position, ${columns(sql, pick(routes, 'instanceId', 'jamfComputerId', 'version'), 'r')},
      ${columns(sql, pick(tenants, 'createdAt'), 't')}
    from unnest(${names.map(({ tenantId }) => tenantId)}::uuid[], ${names.map(({ deviceId }) => deviceId)}::uuid[])
      with ordinality as wanted(tenant_id, device_id, position)
    cross join lateral (
      select * from routes where tenant_id = wanted.tenant_id and device_id = wanted.device_id offset 0) r
    join tenants t on t.tenant_id = wanted.tenant_id`;
  const found: (VersionedRoute | undefined)[] = names.map(() => undefined);
  for (const { createdAt, instanceId, jamfComputerId, position, version } of rows)
    found[position - 1] = { instanceId, jamfComputerId, version, bornAtMs: createdAt.getTime() };
  return found;
}

export function createRouteReader(sql: Sql): RouteReader {
  return {
    read: (names) => readMany(sql, names),
    births: async (tenantIds) => {
      const rows = await sql<Row<typeof birth>[]>`
        select ${columns(sql, birth)} from tenants
        ${tenantIds === undefined ? sql`` : sql`where tenant_id = any(${tenantIds}::uuid[])`}`;
      return new Map(rows.map(({ createdAt, tenantId }) => [tenantId, createdAt.getTime()]));
    },
    changes: async function* (versions) {
      // One tenant's versions are read together: a busy one has many of few changes.
      for (const [tenantId, some] of Map.groupBy(versions, (version) => version.tenantId)) {
        const numbers = some.map(({ version }) => version);
        let after = { version: 0, deviceId: firstId };
        for (;;) {
          const rows: ChangeRow[] = await sql<ChangeRow[]>`
            select ${columns(sql, change)} from route_changes
            where tenant_id = ${tenantId} and version = any(${numbers}::int8[])
              and (version, device_id) > (${after.version}::int8, ${after.deviceId}::uuid)
            order by version, device_id limit ${changesPerPage}`;
          yield rows.map(changeOf);
          const last = rows.at(-1);
          if (!last || rows.length < changesPerPage) break;
          after = last;
        }
      }
    },
  };
}
