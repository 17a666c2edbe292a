import { createRoute, z } from '@hono/zod-openapi';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import {
  commonProblems,
  filteredPaging,
  instant,
  instantOrNull,
  iso,
  jsonAnswer,
  type ListColumn,
  listOf,
  orderBy,
  parseSort,
  tenantPath,
} from '../schemas.ts';
import { computerOrNull, computerSchema } from './computer.ts';

/** `/tenants/{tenantId}/routes/stale`: Macs that registered with Entra anew, each old registration with the new one. */

const staleSchema = z
  .object({
    deviceId: z.string(),
    previousDeviceId: z.string(),
    /** `computer`, `udid`, `serial-number`: what the two have in common. */
    linkedBy: z.string(),
    linkedAt: instant,
    /** Since when the old registration has no route. */
    retiredAt: instantOrNull,
    /** Where the old registration still has its route. */
    previousRoute: computerSchema.nullable(),
    advice: z.string(),
  })
  .openapi('StaleRegistration');

const filterFields: FilterFields = {
  deviceId: { type: 'uuid', column: 'l.device_id' },
  previousDeviceId: { type: 'uuid', column: 'l.previous_device_id' },
  linkedBy: { type: 'enum', column: 'l.linked_by', values: ['computer', 'udid', 'serial-number'] },
  linkedAt: { type: 'timestamp', column: 'l.linked_at' },
  retiredAt: { type: 'timestamp', column: 'l.retired_at' },
};

const staleRegistrationsTable: readonly ListColumn[] = [
  { field: 'previousDeviceId', whole: true, importance: 1 },
  { field: 'deviceId', whole: true, importance: 2 },
  { field: 'linkedAt', importance: 5 },
  { field: 'retiredAt', importance: 4 },
  { field: 'advice', importance: 3 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/routes/stale',
  operationId: 'listStaleRegistrations',
  tags: ['Routes'],
  summary: 'Old registrations of Macs that registered anew, and whether they still have a route',
  request: { params: tenantPath, query: filteredPaging(filterFields) },
  responses: {
    200: jsonAnswer(listOf(staleSchema, 'StaleRegistrations', staleRegistrationsTable), 'Old registrations'),
    ...commonProblems,
  },
});

interface StaleRow {
  readonly deviceId: string;
  readonly previousDeviceId: string;
  readonly linkedBy: string;
  readonly linkedAt: Date;
  readonly retiredAt: Date | null;
  readonly instanceId: string | null;
  readonly jamfComputerId: number | null;
  readonly pinned: boolean | null;
}

function adviceOf({ instanceId, pinned }: StaleRow): string {
  if (instanceId === null) {
    return 'Nothing is routed by the old registration any more. Its device object in Entra can be deleted.';
  }
  if (pinned === true) {
    return 'The old registration is pinned. Remove the pin, or the device, if the Mac uses the new registration.';
  }
  return (
    'An instance still reports the old registration, and the Mac may still use it. Delete the computer record that names ' +
    'it if the Mac has left that instance; otherwise it is retired when the record has been silent for a day.'
  );
}

const sortColumns = {
  linkedAt: 'l.linked_at',
  retiredAt: 'l.retired_at',
  deviceId: 'l.device_id',
  previousDeviceId: 'l.previous_device_id',
};

export function addStaleRegistrations(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { filter: text, page, 'page-size': pageSize, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, filterFields);
    const wanted = sql`l.tenant_id = ${tenantId} and ${conditionSql(sql, filter)}`;
    const order = orderBy(parseSort(sort, sortColumns, 'linkedAt:desc'));
    const [total] = await sql<{ count: number }[]>`
      select count(*) as count from device_links l where ${wanted}`;
    const rows = await sql<StaleRow[]>`
      select l.device_id as "deviceId", l.previous_device_id as "previousDeviceId", l.linked_by as "linkedBy",
        l.linked_at as "linkedAt", l.retired_at as "retiredAt", r.instance_id as "instanceId",
        r.jamf_computer_id as "jamfComputerId", r.pinned
      from device_links l
      left join routes r on r.tenant_id = l.tenant_id and r.device_id = l.previous_device_id
      where ${wanted}
      order by ${sql.unsafe(order)}, l.device_id, l.previous_device_id limit ${pageSize} offset ${page * pageSize}`;
    const results = rows.map((row) => ({
      deviceId: row.deviceId,
      previousDeviceId: row.previousDeviceId,
      linkedBy: row.linkedBy,
      linkedAt: row.linkedAt.toISOString(),
      retiredAt: iso(row.retiredAt),
      previousRoute: computerOrNull(row.instanceId, row.jamfComputerId),
      advice: adviceOf(row),
    }));
    return c.json({ totalCount: total?.count ?? 0, results }, 200);
  });
}
