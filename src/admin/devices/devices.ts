import { createRoute } from '@hono/zod-openapi';
import { parseGuid } from '../../ids.ts';
import type { Sql } from '../../store/database.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { type Condition, requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import { reportStates } from '../reports/fields.ts';
import {
  commonProblems,
  devicePath,
  etag,
  filteredPaging,
  jsonAnswer,
  type ListColumn,
  listOf,
  orderBy,
  parseSort,
  tenantPath,
} from '../schemas.ts';
import { type DeviceRow, describeDevice, deviceRows, deviceSchema, readDevice } from './device.ts';
import { unknownDevice } from './unknown-device.ts';

/** `/tenants/{tenantId}/devices`: the routing table with what Intune was told; placing.ts writes it. */

const tags = ['Devices'];

/** Of the routes, each tenant's in an index; `state` is that of the report. */
export const filterFields: FilterFields = {
  deviceId: { type: 'uuid', column: 'r.device_id' },
  instanceId: { type: 'uuid', column: 'r.instance_id' },
  serialNumber: { type: 'text', column: 'r.serial_number', wildcards: true },
  pinned: { type: 'boolean', column: 'r.pinned' },
  state: { type: 'enum', column: 'p.state', values: reportStates },
};

const devicesTable: readonly ListColumn[] = [
  { field: 'deviceId', whole: true, importance: 1 },
  { field: 'serialNumber', title: 'serial', importance: 2 },
  { field: 'report.state', title: 'state', importance: 3 },
  { field: 'report.reason', title: 'reason', importance: 4 },
  { field: 'jamfComputerId', title: 'computer', importance: 6 },
  { field: 'instanceId', whole: true, importance: 5 },
  { field: 'pinned', importance: 7 },
  { field: 'rule', importance: 9 },
  { field: 'since', importance: 8 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices',
  operationId: 'listDevices',
  tags,
  summary: 'The devices of a tenant, each with its route and its report',
  request: { params: tenantPath, query: filteredPaging(filterFields) },
  responses: { 200: jsonAnswer(listOf(deviceSchema, 'Devices', devicesTable), 'Devices'), ...commonProblems },
});
const read = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}',
  operationId: 'getDevice',
  tags,
  summary: 'One device',
  request: { params: devicePath },
  responses: { 200: jsonAnswer(deviceSchema, 'Device'), ...commonProblems },
});
const sortColumns = {
  deviceId: 'r.device_id',
  serialNumber: 'r.serial_number',
  instanceId: 'r.instance_id',
  since: 'r.since',
};

/** Without a filter the reports need not be looked at. */
const countDevices = (sql: Sql, tenantId: string, filter: Condition | undefined) =>
  filter === undefined
    ? sql<{ count: number }[]>`select count(*) as count from routes where tenant_id = ${tenantId}`
    : sql<{ count: number }[]>`
        select count(*) as count
        from routes r left join reports p on p.tenant_id = r.tenant_id and p.device_id = r.device_id
        where r.tenant_id = ${tenantId} and ${conditionSql(sql, filter)}`;

export function addDevices(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { filter: text, page, 'page-size': pageSize, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, filterFields);
    const order = orderBy(parseSort(sort, sortColumns, 'deviceId:asc'));
    const [total] = await countDevices(sql, tenantId, filter);
    const found = await sql<DeviceRow[]>`
      ${deviceRows(sql)} where r.tenant_id = ${tenantId} and ${conditionSql(sql, filter)}
      order by ${sql.unsafe(order)}, r.device_id limit ${pageSize} offset ${page * pageSize}`;
    return c.json({ totalCount: total?.count ?? 0, results: found.map(describeDevice) }, 200);
  });

  app.openapi(read, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const deviceId = parseGuid(c.req.param('deviceId'));
    const device = deviceId && (await readDevice(sql, tenantId, deviceId));
    if (!device) throw unknownDevice();
    return c.json(device, 200, { etag: etag(device.routeVersion) });
  });
}
