import type { Cloud } from '../../entra/clouds.ts';
import { readDevice } from '../../graph/devices.ts';
import { type GetUploadResult, getUpload } from '../../intune/uploads.ts';
import { uploadStatusPatienceMs, verificationPatienceMs } from '../../limits.ts';
import type { DueReport, Settlement } from '../../store/reports/report-row.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { classifyRefusal } from './refusals.ts';
import type { ReportStageOptions } from './report-options.ts';
import { keepSilent, settlementOfAccess } from './upload-outcome.ts';

/** An accepted message is followed here until Entra shows it: accepted is not applied (domain/microsoft.md 0.4). */

/** True where this report is in the share that is looked up in Entra; its ids decide, so that every process agrees. */
export function isSampled(ids: string, share: number): boolean {
  // FNV-1a: spread evenly, the same everywhere.
  let hash = 0x811c9dc5;
  for (let index = 0; index < ids.length; index += 1) {
    hash = Math.imul(hash ^ ids.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) / 0x1_0000_0000 < share;
}

type Settle = (row: DueReport) => Settlement;

/** Maps the status of a message to a settlement of each of its reports. */
function settlementOfStatus(
  rows: readonly DueReport[],
  messageId: string,
  result: GetUploadResult,
  tenant: Tenant,
  options: ReportStageOptions,
): Settle {
  const { microsoft, now, uploadStatusSeconds, verifySample } = options;
  const attempts = Math.max(0, ...rows.map((row) => row.attempts)) + 1;
  const waitSeconds = Math.max(uploadStatusSeconds, options.wait(attempts));
  const later = (reason: string, detail: string, seconds = waitSeconds): Settle => {
    return () => ({ reason, detail, waitSeconds: seconds, attempts });
  };
  switch (result.outcome) {
    case 'completed':
      return (row) => {
        // Under a verdict that Intune computes there is nothing of ours to compare Entra's with.
        const comparable = reportedVerdict(row) !== undefined;
        const sampled = comparable && isSampled(`${messageId}${row.deviceId}`, verifySample);
        return {
          state: 'completed',
          completedAt: new Date(now()),
          confirmedRevision: row.sentRevision ?? row.revision,
          verification: sampled ? 'pending' : comparable ? 'not-sampled' : 'not-applicable',
          waitSeconds: sampled ? Math.min(1, uploadStatusSeconds) : null,
          attempts: 0,
          event: { stage: 'completed', messageId },
        };
      };
    case 'failed': {
      const rule = classifyRefusal('', result.detail);
      const event = { stage: 'failed' as const, messageId, detail: result.detail };
      const detail = `${result.detail} (${rule.remedy})`;
      // The refusal may be long outdated, so the report is sent again, and the new answer counts.
      if (rule.disposition !== 'failed') {
        return () => ({ state: 'due', reason: rule.cause, detail, waitSeconds, attempts, event });
      }
      // The devices of the whole message count, not those that still wait: another of them may be what failed it.
      return ({ messageDevices }) =>
        (messageDevices ?? 1) > 1
          ? { state: 'due', alone: true, reason: 'isolated', detail, waitSeconds: 0, attempts: 0, event }
          : { state: 'failed', reason: rule.cause, detail, waitSeconds: null, attempts, event };
    }
    case 'unknown':
      // Intune lost it or never had it: the same message again.
      return () => ({
        state: 'due',
        reason: 'message-unknown',
        detail: result.detail,
        waitSeconds,
        attempts,
        messageOpen: true,
      });
    case 'pending': {
      const acceptedAtMs = rows[0]?.acceptedAt?.getTime() ?? now();
      const patience = now() - acceptedAtMs < uploadStatusPatienceMs;
      return patience
        ? later('processing', `Intune says ${result.status}`)
        : later('processing-long', `Intune says ${result.status}`, options.holdRecheckSeconds * 10);
    }
    case 'unauthenticated':
    case 'forbidden':
      microsoft.invalidate(tenant, 'token');
      return later(`status-${result.outcome}`, result.detail);
    case 'unavailable':
      if (result.transport !== undefined) microsoft.invalidate(tenant, 'address');
      return later('status-unavailable', result.detail, Math.max(waitSeconds, result.retryAfterSeconds ?? 0));
    case 'throttled':
      return later('status-throttled', result.detail, Math.max(waitSeconds, result.retryAfterSeconds ?? 0));
    case 'unclear':
      if (result.transport !== undefined) microsoft.invalidate(tenant, 'address');
      return later('status-unclear', result.detail);
    case 'refused':
      return later(`status-${result.outcome}`, result.detail);
  }
}

/** Asks what became of an accepted message and settles those of its reports that are still at that state. */
export async function pollUpload(
  rows: readonly DueReport[],
  holder: string,
  tenant: Tenant,
  options: ReportStageOptions,
): Promise<void> {
  const { apiVersions, circuits, microsoft, newId, send, store, timeoutMs } = options;
  const settle = (found: Settle): Promise<void> =>
    store.settle(rows.map((row) => ({ row, holder, found: found(row) })));
  const access = await microsoft.intune(tenant);
  if (!access.ok) return settle(settlementOfAccess(rows, access, options));
  const messageId = rows[0]?.messageId ?? null;
  if (messageId === null) return settle(() => ({ state: 'due', waitSeconds: 0, attempts: 0 }));
  const result = await getUpload({
    send,
    service: access.deviceService,
    accessToken: access.accessToken,
    apiVersion: apiVersions.DataUploadMessages,
    clientRequestId: newId(),
    timeoutMs,
    messageId,
  });
  if (['throttled', 'unavailable', 'unclear'].includes(result.outcome)) circuits.failed(tenant.tenantId);
  else circuits.succeeded(tenant.tenantId);
  if (result.outcome === 'throttled') {
    await keepSilent(tenant, result.retryAfterSeconds ?? options.wait(1), options);
  } else if (result.outcome === 'unavailable' && result.retryAfterSeconds !== undefined) {
    await keepSilent(tenant, result.retryAfterSeconds, options);
  }
  await settle(settlementOfStatus(rows, messageId, result, tenant, options));
}

/** The verdict that the completed message carried; the newest content may be another by now. */
function reportedVerdict(row: DueReport): boolean | undefined {
  const entities = JSON.parse(row.sentContent ?? '[]') as { complianceStatus?: string }[];
  const status = entities.find((entity) => entity.complianceStatus !== undefined)?.complianceStatus;
  return status === undefined ? undefined : status === 'compliant';
}

/** Looks a completed upload up in Entra; gives up after a while and says what was seen. */
export async function verifyUpload(
  row: DueReport,
  holder: string,
  tenant: Tenant,
  cloud: Cloud,
  options: ReportStageOptions,
): Promise<void> {
  const { microsoft, newId, now, send, store, timeoutMs } = options;
  const { messageId } = row;
  const settle = (found: Settlement): Promise<void> => store.settle([{ row, holder, found }]);
  const access = await microsoft.graph(tenant);
  const attempts = row.attempts + 1;
  const expired = now() - (row.completedAt?.getTime() ?? now()) > verificationPatienceMs;
  const later = { waitSeconds: options.wait(attempts), attempts };
  if (!access.ok) {
    return settle({
      ...later,
      ...(expired
        ? { verification: 'not-visible', reason: access.cause, detail: access.detail, waitSeconds: null }
        : {}),
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
    return settle({
      ...later,
      waitSeconds: Math.max(later.waitSeconds, read.retryAfterSeconds ?? 0),
      ...(hopeless ? { verification: 'not-visible', detail: read.detail, waitSeconds: null } : {}),
    });
  }
  const shown = read.found ? read.isCompliant : null;
  if (shown !== null && shown === reportedVerdict(row)) {
    return settle({
      state: 'verified',
      verification: 'verified',
      verifiedAt: new Date(now()),
      waitSeconds: null,
      attempts: 0,
      event: { stage: 'verified', messageId, detail: `Entra shows isCompliant ${shown}` },
    });
  }
  if (shown === null && read.found && !access.canSeeCompliance) {
    return settle({
      verification: 'not-visible',
      detail:
        'Entra shows isCompliant only to an application with DeviceManagementManagedDevices.Read.All: the diagnostic application',
      waitSeconds: null,
      attempts: 0,
    });
  }
  if (!expired) return settle(later);
  const detail = read.found ? `Entra shows isCompliant ${shown}` : 'Entra does not know the device';
  return settle({ verification: 'differs', detail, waitSeconds: null, attempts: 0 });
}
