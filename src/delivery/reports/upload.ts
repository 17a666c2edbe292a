import { newId } from '../../ids.ts';
import { type UploadBody, uploadBody } from '../../intune/entities.ts';
import { type PutUploadResult, putUpload } from '../../intune/uploads.ts';
import type { AccessFailure, Mode, Tenant } from '../../store/tenants.ts';
import { addTimeline } from '../timeline.ts';
import { defaultInventoryVocabulary } from './attributes.ts';
import { deviceReport } from './device-report.ts';
import { classifyRefusal } from './refusals.ts';
import { fitsMode, type ReportContent, tellable } from './report.ts';
import type { ReportStageOptions } from './report-options.ts';
import {
  type DueReport,
  releaseReport,
  type Settlement,
  settleReport,
  stillHeld,
  storeMessage,
} from './report-row.ts';

/** Sending one report to Intune: the message id stored first, the outcome settled by what it means. */

/** A message as it was stored: a resend is the same to the letter. */
interface StoredMessage {
  readonly messageId: string;
  readonly body: UploadBody;
}

/** Strictly later than the last told one, also when a clock went back (contract section 7). */
const nextUpdateTime = (row: DueReport, nowMs: number): Date =>
  new Date(Math.max(nowMs, (row.lastUpdateAt?.getTime() ?? 0) + 1));

/** The user that the last message named: a retraction needs one although Jamf no longer knows it. */
function lastToldUser(row: DueReport): string | null {
  const body = JSON.parse(row.sentContent ?? '{}') as Partial<UploadBody>;
  const entities: unknown = typeof body.Content === 'string' ? JSON.parse(body.Content) : body.Content;
  const [first] = (Array.isArray(entities) ? entities : []) as { UserId?: string }[];
  return first?.UserId ?? null;
}

function contentOf(row: DueReport): ReportContent {
  const content = JSON.parse(row.content) as ReportContent;
  return content.managed || content.userId !== null ? content : { ...content, userId: lastToldUser(row) };
}

/** The tenant as it is: content of another mode than the remembered one says that the mode has just changed. */
async function tenantFor(
  content: ReportContent,
  tenant: Tenant,
  { tenants }: ReportStageOptions,
): Promise<Tenant> {
  return fitsMode(content, tenant.mode) ? tenant : ((await tenants.fresh(tenant.tenantId)) ?? tenant);
}

/** The message to send: the stored one again while its outcome is unclear, else a new one, stored before it is sent. */
async function messageFor(
  row: DueReport,
  owner: string,
  told: { readonly compliant: boolean | undefined; readonly mode: Mode },
  options: ReportStageOptions,
): Promise<StoredMessage | undefined> {
  const { apiVersions, contentForm, now, sql, vocabulary = defaultInventoryVocabulary } = options;
  if (row.messageId !== null && row.sentRevision === row.revision && row.sentContent !== null) {
    const again = { messageId: row.messageId, body: JSON.parse(row.sentContent) as UploadBody };
    return (await stillHeld(sql, row, owner)) ? again : undefined;
  }
  const lastUpdateAt = nextUpdateTime(row, now());
  const identity = { tenantId: row.tenantId, deviceId: row.deviceId, lastUpdateTime: lastUpdateAt };
  const body = uploadBody({
    tenantId: row.tenantId,
    uploadTime: new Date(now()),
    apiVersion: apiVersions.DataUploadMessages,
    ...(contentForm === undefined ? {} : { contentForm }),
    reports: [deviceReport(identity, contentOf(row), told, vocabulary)],
  });
  const message = { messageId: newId(), body };
  const stored = await storeMessage(sql, row, owner, {
    messageId: message.messageId,
    content: JSON.stringify(body),
    lastUpdateAt,
  });
  return stored ? message : undefined;
}

/** How a tenant that cannot be talked to is settled. */
export function settlementOfAccess(
  row: DueReport,
  failure: AccessFailure,
  options: ReportStageOptions,
): Settlement {
  const wait = failure.retryAfterSeconds ?? options.wait(row.attempts + 1);
  if (failure.kind === 'retry') {
    return { reason: failure.cause, detail: failure.detail, waitSeconds: wait, attempts: row.attempts + 1 };
  }
  return {
    state: row.state === 'accepted' ? 'accepted' : 'held',
    reason: failure.cause,
    detail: `${failure.detail} ${failure.remedy}`.trim(),
    waitSeconds: options.holdRecheckSeconds,
    attempts: row.attempts,
    ...(row.state === 'held'
      ? {}
      : { event: { stage: 'held' as const, detail: `${failure.cause}: ${failure.detail}` } }),
  };
}

type Refused = Extract<PutUploadResult, { outcome: 'refused' }>;

async function settlementOfRefusal(
  row: DueReport,
  messageId: string,
  refused: Refused,
  tenant: Tenant,
  options: ReportStageOptions,
): Promise<Settlement> {
  const rule = classifyRefusal(refused.code, refused.detail);
  const event = { stage: 'refused' as const, messageId, detail: `${refused.code}: ${refused.detail}` };
  const base = { reason: rule.cause, detail: `${refused.detail} (${rule.remedy})`, event };
  switch (rule.disposition) {
    case 'retry':
      return { ...base, waitSeconds: options.wait(row.attempts + 1), attempts: row.attempts + 1 };
    case 'hold-tenant':
      await options.holdTenant(tenant, {
        cause: rule.cause,
        detail: refused.detail,
        remedy: rule.remedy,
        owner: 'configuration',
      });
      return { ...base, state: 'held', waitSeconds: options.holdRecheckSeconds, attempts: row.attempts };
    case 'failed':
      return { ...base, state: 'failed', waitSeconds: 0, attempts: row.attempts + 1 };
  }
}

const permissionMissing = (detail: string) => ({
  cause: 'permission-missing',
  detail: `Intune refuses the application: ${detail}.`,
  remedy: 'Compare its permissions (GET /tenants/{tenantId}/permissions) and consent again.',
  owner: 'configuration',
});

async function settlementOfAnswer(
  row: DueReport,
  messageId: string,
  result: PutUploadResult,
  tenant: Tenant,
  options: ReportStageOptions,
): Promise<Settlement> {
  const again = (reason: string, detail: string, retryAfterSeconds?: number): Settlement => ({
    reason,
    detail,
    waitSeconds: Math.max(retryAfterSeconds ?? 0, options.wait(row.attempts + 1)),
    attempts: row.attempts + 1,
  });
  switch (result.outcome) {
    case 'accepted':
      await options.releaseTenant(tenant);
      return {
        state: 'accepted',
        acceptedAt: new Date(options.now()),
        waitSeconds: options.uploadStatusSeconds,
        attempts: 0,
        event: { stage: 'accepted', messageId },
      };
    case 'refused':
      return settlementOfRefusal(row, messageId, result, tenant, options);
    case 'throttled':
      options.freeze(row.tenantId, result.retryAfterSeconds ?? options.wait(row.attempts + 1));
      return again('throttled', result.detail, result.retryAfterSeconds);
    case 'unauthenticated':
      options.microsoft.invalidate(tenant, 'token');
      await options.permissionRefused(tenant.tenantId);
      return again('intune-unauthenticated', result.detail);
    case 'forbidden':
      options.microsoft.invalidate(tenant, 'token');
      await options.holdTenant(tenant, permissionMissing(result.detail));
      return settlementOfAccess(
        row,
        {
          ok: false,
          kind: 'hold',
          ...permissionMissing(result.detail),
        },
        options,
      );
    case 'not-found':
      options.microsoft.invalidate(tenant, 'address');
      return again('intune-address', result.detail);
    case 'unavailable':
      if (result.retryAfterSeconds !== undefined) options.freeze(row.tenantId, result.retryAfterSeconds);
      if (result.transport !== undefined) options.microsoft.invalidate(tenant, 'address');
      return again('intune-unavailable', result.detail, result.retryAfterSeconds);
    case 'unclear':
      return again('outcome-unclear', result.detail);
  }
}

/** Held by its operator or not connected yet: nothing is wrong with the tenant. */
const isClosed = (tenant: Tenant): boolean =>
  tenant.paused || !['connected', 'disconnecting'].includes(tenant.connectionState);

/** Tells Intune the state of a device, or holds it and says why. */
export async function sendReport(
  row: DueReport,
  owner: string,
  known: Tenant,
  options: ReportStageOptions,
): Promise<void> {
  const { apiVersions, log, metrics, microsoft, send, sql, timeoutMs } = options;
  const content = contentOf(row);
  const tenant = await tenantFor(content, known, options);
  const { mode } = tenant;
  const verdict = tellable(content, row.sentRevision !== null, mode);
  if (!verdict.tell) {
    const { detail, reason } = verdict;
    return settleReport(sql, row, owner, {
      state: 'held',
      reason,
      detail,
      waitSeconds: options.holdRecheckSeconds,
      attempts: 0,
      ...(row.state === 'held' ? {} : { event: { stage: 'held', detail: `${reason}: ${detail}` } }),
    });
  }
  const access = await microsoft.intune(tenant);
  if (!access.ok) {
    if (access.kind === 'hold' && !isClosed(tenant)) {
      const { cause, detail, owner: who, remedy } = access;
      await options.holdTenant(tenant, { cause, detail, remedy, owner: who });
    }
    return settleReport(sql, row, owner, settlementOfAccess(row, access, options));
  }
  const message = await messageFor(row, owner, { compliant: verdict.compliant, mode }, options);
  if (!message) return releaseReport(sql, row, owner);
  const { messageId } = message;
  const event = { deviceId: row.deviceId, instanceId: row.instanceId, messageId };
  await addTimeline(sql, row.tenantId, [
    {
      ...event,
      stage: 'sent',
      ...(row.messageId === messageId ? { detail: 'again, the same message' } : {}),
    },
  ]);
  const result = await putUpload({
    send,
    service: access.deviceService,
    accessToken: access.accessToken,
    apiVersion: apiVersions.DataUploadMessages,
    clientRequestId: newId(),
    timeoutMs,
    messageId,
    body: message.body,
  });
  metrics.upload(result.outcome);
  if (result.outcome !== 'accepted') {
    log.warn('upload.setback', { tenantId: row.tenantId, deviceId: row.deviceId, messageId, ...result });
  }
  const current = { ...row, state: 'sent' as const };
  await settleReport(
    sql,
    current,
    owner,
    await settlementOfAnswer(current, messageId, result, tenant, options),
  );
}
