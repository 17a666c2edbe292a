/** Reads the routes of tenants for whoever keeps them outside of the database, in the order of the devices. */

import { columns, pick, type Row } from '../store/columns.ts';
import type { Sql } from '../store/database.ts';
import { routes } from '../store/schema.ts';

const shape = pick(routes, 'deviceId', 'instanceId', 'jamfComputerId');
export type PagedRoute = Row<typeof shape>;
const shapeOfMany = pick(routes, 'tenantId', 'deviceId', 'instanceId', 'jamfComputerId');

/** By tenant its first routes, `limit` at most. A tenant without any is not there. */
export async function readFirstRoutes(
  sql: Sql,
  tenantIds: readonly string[],
  limit: number,
): Promise<ReadonlyMap<string, readonly PagedRoute[]>> {
  const rows = await sql<Row<typeof shapeOfMany>[]>`
    select ${columns(sql, shapeOfMany, 'r')}
    from unnest(${tenantIds as string[]}::uuid[]) as wanted(tenant_id)
    cross join lateral (
      select * from routes where tenant_id = wanted.tenant_id order by device_id limit ${limit}) r
    order by r.tenant_id, r.device_id`;
  return Map.groupBy(rows, ({ tenantId }) => tenantId);
}

/** Those of the devices from one id to another, both of them included. */
export const readRouteRange = (
  sql: Sql,
  tenantId: string,
  [from, to]: readonly [from: string, to: string],
): PromiseLike<PagedRoute[]> => sql<PagedRoute[]>`
  select ${columns(sql, shape)} from routes
  where tenant_id = ${tenantId} and device_id between ${from} and ${to} order by device_id`;
