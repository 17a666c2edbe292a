import type { GetUploadResult, PutUploadResult } from '../../intune/uploads.ts';
import type { DueReport, Settlement } from '../../store/reports/report-row.ts';
import type { AccessFailure, Tenant } from '../../store/tenants/tenant.ts';
import type { StoredMessage } from './message.ts';
import { classifyRefusal } from './refusals.ts';
import type { ReportStageOptions } from './report-options.ts';

/** Maps an upload's outcome to a settlement of each of its reports. */

type Settle = (row: DueReport) => Settlement;

/** Held by its operator or not connected yet: nothing is wrong with the tenant. */
export const isClosed = (tenant: Tenant): boolean =>
  tenant.paused || !['connected', 'disconnecting'].includes(tenant.connectionState);

const attemptsOf = (rows: readonly DueReport[]): number => Math.max(0, ...rows.map((row) => row.attempts));

/** A finding about the message is one about the revision that it told: a newer one waits behind it. */
const aboutSent = (row: DueReport): Pick<Settlement, 'revision'> =>
  row.sentRevision === null ? {} : { revision: row.sentRevision };

/** The tenant's Intune is left alone for so long: nobody is at fault, all of them wait. */
export const settlementOfClosed =
  (waitMs: number): Settle =>
  (row) => ({
    reason: 'throttled',
    detail: 'Intune asked this tenant to wait, or does not answer',
    waitSeconds: waitMs / 1_000,
    attempts: row.attempts,
  });

/** Settles the reports of a tenant whose Intune cannot be reached; those of one message wait together. */
export function settlementOfAccess(
  rows: readonly DueReport[],
  failure: AccessFailure,
  options: ReportStageOptions,
): Settle {
  const attempts = attemptsOf(rows) + 1;
  const waitSeconds = failure.retryAfterSeconds ?? options.wait(attempts);
  if (failure.kind === 'retry') {
    return () => ({ reason: failure.cause, detail: failure.detail, waitSeconds, attempts });
  }
  return (row) => ({
    state: row.state === 'accepted' ? 'accepted' : 'held',
    reason: failure.cause,
    detail: `${failure.detail} ${failure.remedy}`.trim(),
    waitSeconds: options.holdRecheckSeconds,
    attempts: row.attempts,
    ...(row.state === 'held' || row.state === 'accepted'
      ? {}
      : { event: { stage: 'held', detail: `${failure.cause}: ${failure.detail}` } }),
  });
}

type Refused = Extract<PutUploadResult, { outcome: 'refused' }>;

/** One of them was refused, and nobody knows which: each goes alone, under an id of its own. */
const apart = (reason: string, detail: string): Settlement => ({
  state: 'due',
  reason,
  detail,
  waitSeconds: 0,
  attempts: 0,
  messageOpen: false,
  alone: true,
});

/** A message of several devices that fails so often may fail because of one of them. */
const triesTogether = { unavailable: 2, unclear: 4 } as const;

async function settlementOfRefusal(
  { messageId, rows }: StoredMessage,
  refused: Refused,
  tenant: Tenant,
  options: ReportStageOptions,
): Promise<Settle> {
  const rule = classifyRefusal(refused.code, refused.detail);
  const event = { stage: 'refused' as const, messageId, detail: `${refused.code}: ${refused.detail}` };
  const base = {
    reason: rule.cause,
    detail: `${refused.detail} (${rule.remedy})`,
    messageOpen: false,
    event,
  };
  const attempts = attemptsOf(rows) + 1;
  switch (rule.disposition) {
    case 'retry': {
      if (rows.length > 1 && attempts > triesTogether.unavailable) {
        return () => ({ ...apart('isolated', refused.detail), event });
      }
      const waitSeconds = options.wait(attempts);
      return () => ({ ...base, waitSeconds, attempts });
    }
    case 'hold-tenant':
      await options.tenants.hold(tenant, {
        cause: rule.cause,
        detail: refused.detail,
        remedy: rule.remedy,
        owner: 'configuration',
      });
      return (row) => ({
        ...base,
        state: 'held',
        waitSeconds: options.holdRecheckSeconds,
        attempts: row.attempts,
      });
    case 'failed':
      if (rows.length > 1) return () => ({ ...apart('isolated', refused.detail), event });
      return () => ({ ...base, state: 'failed', waitSeconds: null, attempts });
  }
}

const permissionMissing = (detail: string) => ({
  cause: 'permission-missing',
  detail: `Intune refuses the application: ${detail}.`,
  remedy: 'Compare the permissions of the tenant with those expected, and consent again.',
  owner: 'configuration',
});

/** Intune asked for silence: this process keeps it, and the others are told. */
export async function keepSilent(
  tenant: Tenant,
  seconds: number,
  { circuits, now, tenants }: ReportStageOptions,
): Promise<void> {
  const ms = seconds * 1_000;
  circuits.silence(tenant.tenantId, ms);
  await tenants.silence(tenant, new Date(now() + ms));
}

async function settlementOfAccepted(
  messageId: string,
  tenant: Tenant,
  options: ReportStageOptions,
): Promise<Settle> {
  await options.tenants.release(tenant);
  const acceptedAt = new Date(options.now());
  return (row) => ({
    ...aboutSent(row),
    state: 'accepted',
    acceptedAt,
    waitSeconds: options.uploadStatusSeconds,
    attempts: 0,
    messageOpen: false,
    alone: false,
    event: { stage: 'accepted', messageId },
  });
}

/** Settlements of an upload's reports: all of one message alike, and due again at the same time. */
export async function settlementOfUpload(
  message: StoredMessage,
  result: PutUploadResult,
  tenant: Tenant,
  options: ReportStageOptions,
  statusOf: () => Promise<GetUploadResult>,
): Promise<Settle> {
  const { messageId, rows } = message;
  const attempts = attemptsOf(rows) + 1;
  const waitSeconds = options.wait(attempts);
  const again = (reason: string, detail: string, retryAfterSeconds = 0): Settle => {
    const seconds = Math.max(retryAfterSeconds, waitSeconds);
    return (row) => ({
      ...aboutSent(row),
      reason,
      detail,
      waitSeconds: seconds,
      attempts,
      messageOpen: true,
    });
  };
  const silence = (seconds: number): Promise<void> => keepSilent(tenant, seconds, options);
  const accepted = (): Promise<Settle> => settlementOfAccepted(messageId, tenant, options);
  /** Taking a message apart says it all again under new ids: this is done only when Intune knows nothing of it. */
  const apartIfNotTaken = async (reason: string, detail: string): Promise<Settle> => {
    const status = await statusOf();
    if (['completed', 'pending', 'failed'].includes(status.outcome)) return accepted();
    if (status.outcome !== 'unknown') {
      const asked = 'retryAfterSeconds' in status ? status.retryAfterSeconds : undefined;
      if (asked !== undefined || status.outcome === 'throttled') await silence(asked ?? waitSeconds);
      return again(reason, detail, asked);
    }
    return (row) => ({ ...aboutSent(row), ...apart('isolated', detail) });
  };
  switch (result.outcome) {
    case 'accepted':
      return accepted();
    case 'refused': {
      const settle = await settlementOfRefusal(message, result, tenant, options);
      return (row) => ({ ...aboutSent(row), ...settle(row) });
    }
    case 'throttled':
      await silence(result.retryAfterSeconds ?? waitSeconds);
      return again('throttled', result.detail, result.retryAfterSeconds);
    case 'unauthenticated':
      options.microsoft.invalidate(tenant, 'token');
      await options.permissionRefused(tenant.tenantId);
      return again('intune-unauthenticated', result.detail);
    case 'forbidden': {
      options.microsoft.invalidate(tenant, 'token');
      const missing = permissionMissing(result.detail);
      await options.tenants.hold(tenant, missing);
      return settlementOfAccess(rows, { ok: false, kind: 'hold', ...missing }, options);
    }
    case 'not-found':
      options.microsoft.invalidate(tenant, 'moved');
      return again('intune-address', result.detail);
    case 'unavailable':
      if (result.retryAfterSeconds !== undefined) await silence(result.retryAfterSeconds);
      if (result.transport !== undefined) options.microsoft.invalidate(tenant, 'address');
      if (rows.length > 1 && result.transport === undefined && attempts > triesTogether.unavailable) {
        return apartIfNotTaken('intune-unavailable', result.detail);
      }
      return again('intune-unavailable', result.detail, result.retryAfterSeconds);
    case 'unclear':
      if (result.transport !== undefined) options.microsoft.invalidate(tenant, 'address');
      if (rows.length > 1 && attempts > triesTogether.unclear) {
        return apartIfNotTaken('outcome-unclear', result.detail);
      }
      return again('outcome-unclear', result.detail);
  }
}
