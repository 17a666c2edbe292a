import { createRoute, z } from '@hono/zod-openapi';
import { parseGuid } from '../../ids.ts';
import { explainRoute } from '../../routing/explain.ts';
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
  filteredPaging,
  instant,
  instantOrNull,
  iso,
  jsonAnswer,
  listOf,
  orderBy,
  parseSort,
  tenantPath,
} from '../schemas.ts';
import { unknownDevice } from './unknown-device.ts';

/** `/tenants/{tenantId}/devices`: the routing table with what Intune was told, read only. */

const reportSchema = z
  .object({
    state: z.string(),
    reason: z.string().nullable(),
    detail: z.string().nullable(),
    revision: z.number().int(),
    confirmedRevision: z.number().int(),
    messageId: z.string().nullable(),
    verification: z.string().nullable(),
    verdict: z.string(),
    reportedAt: instantOrNull,
    sentAt: instantOrNull,
    acceptedAt: instantOrNull,
    completedAt: instantOrNull,
    verifiedAt: instantOrNull,
    updatedAt: instant,
  })
  .openapi('DeviceReport');

const deviceSchema = z
  .object({
    id: z.string(),
    deviceId: z.string(),
    tenantId: z.string(),
    instanceId: z.string(),
    jamfComputerId: z.string(),
    serialNumber: z.string().nullable(),
    udid: z.string().nullable(),
    pinned: z.boolean(),
    rule: z.string(),
    since: instant,
    routeVersion: z.number().int(),
    report: reportSchema.nullable(),
  })
  .openapi('Device');

const tags = ['Devices'];

/** Of the routes, each tenant's in an index; `state` is that of the report. */
export const filterFields: FilterFields = {
  deviceId: { type: 'uuid', column: 'r.device_id' },
  instanceId: { type: 'uuid', column: 'r.instance_id' },
  serialNumber: { type: 'text', column: 'r.serial_number', wildcards: true },
  pinned: { type: 'boolean', column: 'r.pinned' },
  state: { type: 'enum', column: 'p.state', values: reportStates },
};

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices',
  operationId: 'listDevices',
  tags,
  summary: 'The devices of a tenant, each with its route and its report',
  request: { params: tenantPath, query: filteredPaging(filterFields) },
  responses: { 200: jsonAnswer(listOf(deviceSchema, 'Devices'), 'Devices'), ...commonProblems },
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
const explain = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}/explain',
  operationId: 'explainDevice',
  tags,
  summary: 'Which instance, by which rule, since when, who else claims it, what would change it',
  request: { params: devicePath },
  responses: {
    200: jsonAnswer(
      z
        .object({
          instanceId: z.string().nullable(),
          jamfComputerId: z.string().nullable(),
          rule: z.string(),
          since: instantOrNull,
          version: z.number().int().nullable(),
          claims: z.array(
            z.object({
              instanceId: z.string(),
              jamfComputerId: z.string(),
              lastEnrolledDate: instantOrNull,
              lastCheckIn: instantOrNull,
              pinned: z.boolean(),
            }),
          ),
          wouldChange: z.array(z.string()),
        })
        .openapi('Explanation'),
      'Explanation',
    ),
    ...commonProblems,
  },
});
interface DeviceRow {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly pinned: boolean;
  readonly rule: string;
  readonly since: Date;
  readonly routeVersion: number;
  readonly state: string | null;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly revision: number;
  readonly confirmedRevision: number;
  readonly messageId: string | null;
  readonly verification: string | null;
  readonly content: string;
  readonly sentAt: Date | null;
  readonly acceptedAt: Date | null;
  readonly completedAt: Date | null;
  readonly verifiedAt: Date | null;
  readonly updatedAt: Date;
}

const rows = (sql: Sql) => sql`
  select r.tenant_id as "tenantId", r.device_id as "deviceId", r.instance_id as "instanceId",
    r.jamf_computer_id as "jamfComputerId", r.serial_number as "serialNumber", r.udid, r.pinned, r.rule, r.since,
    r.version as "routeVersion", p.state, p.reason, p.detail, p.revision, p.confirmed_revision as "confirmedRevision",
    p.message_id as "messageId", p.verification, p.content, p.sent_at as "sentAt", p.accepted_at as "acceptedAt",
    p.completed_at as "completedAt", p.verified_at as "verifiedAt", p.updated_at as "updatedAt"
  from routes r left join reports p on p.tenant_id = r.tenant_id and p.device_id = r.device_id`;

function describeReport(row: DeviceRow): z.infer<typeof reportSchema> | null {
  if (row.state === null) return null;
  const content = JSON.parse(row.content) as { verdict?: string; reportedAt?: string | null };
  return {
    state: row.state,
    reason: row.reason,
    detail: row.detail,
    revision: row.revision,
    confirmedRevision: row.confirmedRevision,
    messageId: row.messageId,
    verification: row.verification,
    verdict: content.verdict ?? 'unknown',
    reportedAt: content.reportedAt ?? null,
    sentAt: iso(row.sentAt),
    acceptedAt: iso(row.acceptedAt),
    completedAt: iso(row.completedAt),
    verifiedAt: iso(row.verifiedAt),
    updatedAt: row.updatedAt.toISOString(),
  };
}

const describe = (row: DeviceRow): z.infer<typeof deviceSchema> => ({
  id: row.deviceId,
  deviceId: row.deviceId,
  tenantId: row.tenantId,
  instanceId: row.instanceId,
  jamfComputerId: String(row.jamfComputerId),
  serialNumber: row.serialNumber,
  udid: row.udid,
  pinned: row.pinned,
  rule: row.rule,
  since: row.since.toISOString(),
  routeVersion: row.routeVersion,
  report: describeReport(row),
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
      ${rows(sql)} where r.tenant_id = ${tenantId} and ${conditionSql(sql, filter)}
      order by ${sql.unsafe(order)}, r.device_id limit ${pageSize} offset ${page * pageSize}`;
    return c.json({ totalCount: total?.count ?? 0, results: found.map(describe) }, 200);
  });

  app.openapi(read, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const deviceId = parseGuid(c.req.param('deviceId'));
    const [row] = deviceId
      ? await sql<DeviceRow[]>`${rows(sql)} where r.tenant_id = ${tenantId} and r.device_id = ${deviceId}`
      : [];
    if (!row) throw unknownDevice();
    return c.json(describe(row), 200);
  });

  app.openapi(explain, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const deviceId = parseGuid(c.req.param('deviceId'));
    const explanation = deviceId && (await explainRoute(sql, tenantId, deviceId));
    if (!explanation) throw unknownDevice();
    return c.json(
      { ...explanation, claims: [...explanation.claims], wouldChange: [...explanation.wouldChange] },
      200,
    );
  });
}
