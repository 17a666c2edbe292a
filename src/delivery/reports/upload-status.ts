import type { Cloud } from '../../entra/clouds.ts';
import { readDevice } from '../../graph/devices.ts';
import { newId } from '../../ids.ts';
import { getUpload } from '../../intune/uploads.ts';
import { uploadStatusPatienceMs, verificationPatienceMs } from '../../limits.ts';
import type { Tenant } from '../../store/tenants.ts';
import { classifyRefusal } from './refusals.ts';
import type { ReportStageOptions } from './report-options.ts';
import type { DueReport } from './report-row.ts';
import { settleReport } from './report-row.ts';
import { settlementOfAccess } from './upload.ts';

/** What became of an accepted message, and whether Entra shows it: accepted is not applied (domain/microsoft.md 0.4). */

/** Whether this upload is among the share that is looked up in Entra; by its id, so that every process agrees. */
export function isSampled(messageId: string, share: number): boolean {
  return Number.parseInt(messageId.slice(0, 8), 16) / 0x1_0000_0000 < share;
}

export async function pollUpload(
  row: DueReport,
  owner: string,
  tenant: Tenant,
  options: ReportStageOptions,
): Promise<void> {
  const { apiVersions, microsoft, now, send, sql, timeoutMs, verifySample } = options;
  const { messageId } = row;
  const access = await microsoft.intune(tenant);
  if (!access.ok) return settleReport(sql, row, owner, settlementOfAccess(row, access, options));
  if (messageId === null) {
    return settleReport(sql, row, owner, { state: 'due', waitSeconds: 0, attempts: 0 });
  }
  const result = await getUpload({
    send,
    service: access.deviceService,
    accessToken: access.accessToken,
    apiVersion: apiVersions.DataUploadMessages,
    clientRequestId: newId(),
    timeoutMs,
    messageId,
  });
  const attempts = row.attempts + 1;
  const later = { waitSeconds: Math.max(options.uploadStatusSeconds, options.wait(attempts)), attempts };
  switch (result.outcome) {
    case 'completed': {
      // Where Intune computes the verdict there is nothing of ours to compare Entra's with.
      const comparable = toldVerdict(row) !== undefined;
      const sampled = comparable && isSampled(messageId, verifySample);
      return settleReport(sql, row, owner, {
        state: 'completed',
        completedAt: new Date(now()),
        confirmedRevision: row.sentRevision ?? row.revision,
        verification: sampled ? 'pending' : comparable ? 'not-sampled' : 'not-applicable',
        waitSeconds: sampled ? Math.min(1, options.uploadStatusSeconds) : 0,
        attempts: 0,
        event: { stage: 'completed', messageId },
      });
    }
    case 'failed': {
      const rule = classifyRefusal('', result.detail);
      // What it says of the tenant may be long over: the message is sent again, and its answer counts.
      const again = rule.disposition !== 'failed';
      return settleReport(sql, row, owner, {
        state: again ? 'due' : 'failed',
        reason: rule.cause,
        detail: `${result.detail} (${rule.remedy})`,
        waitSeconds: later.waitSeconds,
        attempts,
        event: { stage: 'failed', messageId, detail: result.detail },
      });
    }
    case 'unknown':
      // Intune lost it or never had it: the same message again.
      return settleReport(sql, row, owner, {
        ...later,
        state: 'due',
        reason: 'message-unknown',
        detail: result.detail,
      });
    case 'pending': {
      const patience = now() - (row.acceptedAt?.getTime() ?? now()) < uploadStatusPatienceMs;
      return settleReport(sql, row, owner, {
        reason: patience ? 'processing' : 'processing-long',
        detail: `Intune says ${result.status}`,
        ...(patience ? later : { waitSeconds: options.holdRecheckSeconds * 10, attempts }),
      });
    }
    case 'unauthenticated':
    case 'forbidden':
      microsoft.invalidate(tenant, 'token');
      return settleReport(sql, row, owner, {
        ...later,
        reason: `status-${result.outcome}`,
        detail: result.detail,
      });
    case 'unavailable':
      if (result.transport !== undefined) microsoft.invalidate(tenant, 'address');
      return settleReport(sql, row, owner, { ...later, reason: 'status-unavailable', detail: result.detail });
    case 'throttled':
      options.freeze(row.tenantId, result.retryAfterSeconds ?? later.waitSeconds);
      return settleReport(sql, row, owner, {
        ...later,
        waitSeconds: Math.max(later.waitSeconds, result.retryAfterSeconds ?? 0),
        reason: 'status-throttled',
        detail: result.detail,
      });
    case 'refused':
    case 'unclear':
      return settleReport(sql, row, owner, {
        ...later,
        reason: `status-${result.outcome}`,
        detail: result.detail,
      });
  }
}

/** The verdict that the completed message carried; the newest content may be another by now. */
function toldVerdict(row: DueReport): boolean | undefined {
  const body = JSON.parse(row.sentContent ?? '{}') as { Content?: unknown };
  const entities = (typeof body.Content === 'string' ? JSON.parse(body.Content) : body.Content) as
    | { complianceStatus?: string }[]
    | undefined;
  const status = entities?.find((entity) => entity.complianceStatus !== undefined)?.complianceStatus;
  return status === undefined ? undefined : status === 'compliant';
}

/** Looks a completed upload up in Entra; gives up after a while and says what was seen. */
export async function verifyUpload(
  row: DueReport,
  owner: string,
  tenant: Tenant,
  cloud: Cloud,
  options: ReportStageOptions,
): Promise<void> {
  const { microsoft, now, send, sql, timeoutMs } = options;
  const { messageId } = row;
  const access = await microsoft.graph(tenant);
  const attempts = row.attempts + 1;
  const expired = now() - (row.completedAt?.getTime() ?? now()) > verificationPatienceMs;
  const later = { waitSeconds: options.wait(attempts), attempts };
  if (!access.ok) {
    return settleReport(sql, row, owner, {
      ...later,
      ...(expired ? { verification: 'not-visible', reason: access.cause, detail: access.detail } : {}),
    });
  }
  const read = await readDevice({
    send,
    cloud,
    accessToken: access.accessToken,
    clientRequestId: newId(),
    timeoutMs,
    priority: 'Low',
    deviceId: row.deviceId,
  });
  if (!read.ok) {
    if (read.failure === 'unauthenticated') microsoft.invalidate(tenant, 'token');
    const hopeless = expired || read.failure === 'forbidden';
    return settleReport(sql, row, owner, {
      ...later,
      waitSeconds: Math.max(later.waitSeconds, read.retryAfterSeconds ?? 0),
      ...(hopeless ? { verification: 'not-visible', detail: read.detail } : {}),
    });
  }
  const shown = read.found ? read.isCompliant : null;
  if (shown !== null && shown === toldVerdict(row)) {
    return settleReport(sql, row, owner, {
      state: 'verified',
      verification: 'verified',
      verifiedAt: new Date(now()),
      waitSeconds: 0,
      attempts: 0,
      event: { stage: 'verified', messageId, detail: `Entra shows isCompliant ${shown}` },
    });
  }
  if (shown === null && read.found && !access.canSeeCompliance) {
    return settleReport(sql, row, owner, {
      verification: 'not-visible',
      detail:
        'Entra shows isCompliant only to an application with DeviceManagementManagedDevices.Read.All: the diagnostic application',
      waitSeconds: 0,
      attempts: 0,
    });
  }
  if (!expired) return settleReport(sql, row, owner, later);
  const detail = read.found ? `Entra shows isCompliant ${shown}` : 'Entra does not know the device';
  return settleReport(sql, row, owner, { verification: 'differs', detail, waitSeconds: 0, attempts: 0 });
}
