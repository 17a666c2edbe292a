import { z } from '@hono/zod-openapi';
import type { Sql } from '../../store/database.ts';
import { instant, instantOrNull, iso } from '../schemas.ts';

/** A device as the admin API shows it: its route, with what Intune was told. */

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

export const deviceSchema = z
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

export interface DeviceRow {
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

export const deviceRows = (sql: Sql) => sql`
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

export const describeDevice = (row: DeviceRow): z.infer<typeof deviceSchema> => ({
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

/** Undefined: the tenant has no route for it. */
export async function readDevice(
  sql: Sql,
  tenantId: string,
  deviceId: string,
): Promise<z.infer<typeof deviceSchema> | undefined> {
  const [row] = await sql<DeviceRow[]>`
    ${deviceRows(sql)} where r.tenant_id = ${tenantId} and r.device_id = ${deviceId}`;
  return row && describeDevice(row);
}
