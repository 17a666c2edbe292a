import { createRoute, z } from '@hono/zod-openapi';
import { and, eq } from 'drizzle-orm';
import { parseGuid } from '../../ids.ts';
import type { Sql } from '../../store/database.ts';
import { query } from '../../store/query.ts';
import { claims, computers, directoryDevices, reports, routes } from '../../store/schema.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, devicePath, instantOrNull, iso, jsonAnswer } from '../schemas.ts';
import { unknownDevice } from './unknown-device.ts';

/** `…/devices/{deviceId}/comparison`: what Jamf Pro says of a Mac beside what Intune was told and what Entra shows. */

const text = z.string().nullable();

/** These members are known from both Jamf Pro and the last message to Intune. */
const said = { managed: z.boolean().nullable(), userId: text, deviceName: text, osVersion: text };

const comparison = z
  .object({
    jamf: z
      .object({
        instanceId: z.string(),
        jamfComputerId: z.string(),
        verdict: text,
        ...said,
        lastCheckInAt: instantOrNull,
        reportedAt: instantOrNull,
        readWaits: z
          .boolean()
          .openapi({ description: 'The computer is due to be read and was not read yet' }),
        readError: text.openapi({ description: 'Why the last read failed' }),
      })
      .nullable(),
    intune: z
      .object({
        verdict: text.openapi({ description: 'null: none was sent, because Intune makes it' }),
        ...said,
        messageId: text,
        sentAt: instantOrNull,
        acceptedAt: instantOrNull,
        completedAt: instantOrNull,
        newest: z.boolean().openapi({ description: 'Nothing newer waits to be told' }),
        refused: z
          .boolean()
          .openapi({ description: 'Intune did not take it, so that it holds what it held before' }),
      })
      .nullable(),
    entra: z.object({
      isCompliant: z.boolean().nullable().openapi({
        description: 'As it was seen after the last message; null: it was not looked up, or showed no value',
      }),
      enabled: z.boolean().nullable(),
      enabledSeenAt: instantOrNull,
      verification: text,
      verifiedAt: instantOrNull,
      detail: text,
    }),
    differences: z.array(z.enum(['verdict', 'managed', 'userId', 'deviceName', 'osVersion', 'entra'])),
  })
  .openapi('DeviceComparison');

type Comparison = z.infer<typeof comparison>;

const compare = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}/comparison',
  operationId: 'compareDevice',
  tags: ['Devices'],
  summary: 'What Jamf Pro says of a Mac, what Intune was told, and what Entra shows',
  request: { params: devicePath },
  responses: { 200: jsonAnswer(comparison, 'The three sides, and where they differ'), ...commonProblems },
});

/** Reads the winning computer's state at its last read. */
async function readRoute(sql: Sql, tenantId: string, deviceId: string) {
  const [row] = await query(sql)
    .select({
      instanceId: routes.instanceId,
      jamfComputerId: routes.jamfComputerId,
      verdict: claims.verdict,
      userId: claims.userId,
      lastCheckInAt: claims.lastCheckInAt,
      reportAt: claims.reportAt,
      wantedRevision: computers.wantedRevision,
      doneRevision: computers.doneRevision,
      lastError: computers.lastError,
    })
    .from(routes)
    .leftJoin(
      claims,
      and(
        eq(claims.tenantId, routes.tenantId),
        eq(claims.deviceId, routes.deviceId),
        eq(claims.instanceId, routes.instanceId),
        eq(claims.jamfComputerId, routes.jamfComputerId),
      ),
    )
    .leftJoin(
      computers,
      and(
        eq(computers.tenantId, routes.tenantId),
        eq(computers.instanceId, routes.instanceId),
        eq(computers.jamfComputerId, routes.jamfComputerId),
      ),
    )
    .where(and(eq(routes.tenantId, tenantId), eq(routes.deviceId, deviceId)));
  return row;
}

async function readReport(sql: Sql, tenantId: string, deviceId: string) {
  const [row] = await query(sql)
    .select({
      content: reports.content,
      instanceId: reports.instanceId,
      retracted: reports.retracted,
      revision: reports.revision,
      sentRevision: reports.sentRevision,
      sentContent: reports.sentContent,
      messageId: reports.messageId,
      sentAt: reports.sentAt,
      failedAt: reports.failedAt,
      acceptedAt: reports.acceptedAt,
      completedAt: reports.completedAt,
      verification: reports.verification,
      verifiedAt: reports.verifiedAt,
      detail: reports.detail,
    })
    .from(reports)
    .where(and(eq(reports.tenantId, tenantId), eq(reports.deviceId, deviceId)));
  return row;
}

async function readDirectory(sql: Sql, tenantId: string, deviceId: string) {
  const [row] = await query(sql)
    .select({ enabled: directoryDevices.enabled, seenAt: directoryDevices.seenAt })
    .from(directoryDevices)
    .where(and(eq(directoryDevices.tenantId, tenantId), eq(directoryDevices.deviceId, deviceId)))
    .limit(1);
  return row;
}

type RouteRow = NonNullable<Awaited<ReturnType<typeof readRoute>>>;
type ReportRow = NonNullable<Awaited<ReturnType<typeof readReport>>>;

/** Compared part of the content of src/delivery/reports/report.ts. */
interface Content {
  readonly deviceName?: string;
  readonly osVersion?: string;
  readonly managed?: boolean;
}

function jamfOf(route: RouteRow, report: ReportRow | undefined): Comparison['jamf'] {
  // A state that another instance told, or a retraction, says nothing of what this one says.
  const own = report !== undefined && !report.retracted && report.instanceId === route.instanceId;
  const content: Content = own ? JSON.parse(report.content) : {};
  return {
    instanceId: route.instanceId,
    jamfComputerId: String(route.jamfComputerId),
    verdict: route.verdict,
    managed: content.managed ?? null,
    userId: route.userId,
    deviceName: content.deviceName ?? null,
    osVersion: content.osVersion ?? null,
    lastCheckInAt: iso(route.lastCheckInAt),
    reportedAt: iso(route.reportAt),
    readWaits: (route.wantedRevision ?? 0) > (route.doneRevision ?? 0),
    readError: route.lastError,
  };
}

/** Members of the entities that a message carries for a device (src/intune/entities.ts). */
interface Entity {
  readonly complianceStatus?: string;
  readonly DeviceManagementState?: string;
  readonly DeviceName?: string;
  readonly OsVersion?: string;
  readonly UserId?: string;
}

function intuneOf(report: ReportRow): Comparison['intune'] {
  if (report.sentContent === null) return null;
  const entities: readonly Entity[] = JSON.parse(report.sentContent);
  const inventory = entities.find((entity) => entity.DeviceManagementState !== undefined);
  const status = entities.find((entity) => entity.complianceStatus !== undefined)?.complianceStatus;
  return {
    verdict: status === undefined ? null : status === 'compliant' ? 'compliant' : 'not-compliant',
    managed: inventory === undefined ? null : inventory.DeviceManagementState === 'managed',
    userId: inventory?.UserId ?? null,
    deviceName: inventory?.DeviceName ?? null,
    osVersion: inventory?.OsVersion ?? null,
    messageId: report.messageId,
    sentAt: iso(report.sentAt),
    acceptedAt: iso(report.acceptedAt),
    completedAt: iso(report.completedAt),
    newest: report.sentRevision === report.revision,
    refused: report.failedAt !== null && report.sentRevision === report.revision,
  };
}

/**
 * Verdict that verification saw: the reported one, or another one, which its detail names
 * (src/delivery/reports/upload-status.ts).
 */
function seenInEntra(report: ReportRow | undefined, intune: Comparison['intune']): boolean | null {
  if (report?.verification === 'verified') return intune?.verdict === 'compliant';
  if (report?.verification !== 'differs') return null;
  const [, shown] = /^Entra shows isCompliant (true|false)$/.exec(report.detail ?? '') ?? [];
  return shown === undefined ? null : shown === 'true';
}

/** A member that one side does not know is no difference. */
function differencesOf({ entra, intune, jamf }: Omit<Comparison, 'differences'>): Comparison['differences'] {
  if (intune === null) return [];
  const found: Comparison['differences'] = [];
  // A Mac outside of the applicable group is told as not compliant where it was told of before.
  const verdict = jamf?.verdict === 'not-applicable' ? 'not-compliant' : jamf?.verdict;
  if (jamf !== null) {
    const compared = verdict === 'compliant' || verdict === 'not-compliant';
    if (compared && intune.verdict !== null && verdict !== intune.verdict) found.push('verdict');
    for (const field of ['managed', 'userId', 'deviceName', 'osVersion'] as const) {
      if (jamf[field] !== null && intune[field] !== null && jamf[field] !== intune[field]) found.push(field);
    }
  }
  if (entra.verification === 'differs') found.push('entra');
  return found;
}

export function addComparison(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(compare, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const deviceId = parseGuid(c.req.param('deviceId'));
    if (deviceId === undefined) throw unknownDevice();
    const [route, report, directory] = await Promise.all([
      readRoute(sql, tenantId, deviceId),
      readReport(sql, tenantId, deviceId),
      readDirectory(sql, tenantId, deviceId),
    ]);
    if (!route && !report) throw unknownDevice();
    const jamf = route ? jamfOf(route, report) : null;
    const intune = report ? intuneOf(report) : null;
    const verification = report?.verification ?? null;
    const sides = {
      jamf,
      intune,
      entra: {
        isCompliant: seenInEntra(report, intune),
        enabled: directory?.enabled ?? null,
        enabledSeenAt: iso(directory?.seenAt ?? null),
        verification,
        verifiedAt: iso(report?.verifiedAt ?? null),
        detail: verification === null ? null : (report?.detail ?? null),
      },
    };
    return c.json({ ...sides, differences: differencesOf(sides) }, 200);
  });
}
