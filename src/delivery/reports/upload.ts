import { getUpload, putUpload } from '../../intune/uploads.ts';
import { massChangeRecheckSeconds } from '../../limits.ts';
import type { MassChange, WorseReport } from '../../store/reports/brake.ts';
import type { DueReport, Settlement } from '../../store/reports/report-row.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { noteOnSpan } from '../../telemetry/tracing.ts';
import { contentOf, messageAgain, newMessage, type ReportedDevice, type StoredMessage } from './message.ts';
import { fitsMode, tellable } from './report.ts';
import type { ReportStageOptions } from './report-options.ts';
import { isOpen } from './units.ts';
import { isClosed, settlementOfAccess, settlementOfClosed, settlementOfUpload } from './upload-outcome.ts';
import { worseningOf } from './worsening.ts';

/** Sending reports to Intune: the message stored first, the outcome settled by what it means. */

const settleEach = (
  rows: readonly DueReport[],
  holder: string,
  { store }: ReportStageOptions,
  found: (row: DueReport) => Settlement,
): Promise<void> => store.settle(rows.map((row) => ({ row, holder, found: found(row) })));

/** Sends a stored message and settles its reports. */
async function sendMessage(
  message: StoredMessage,
  holder: string,
  tenant: Tenant,
  access: { readonly accessToken: string; readonly deviceService: string },
  options: ReportStageOptions,
): Promise<void> {
  const { apiVersions, circuits, inTurn, log, metrics, newId, send, timeoutMs } = options;
  // Between the look at the tenant and this moment lie calls that may take long.
  const closedForMs = circuits.closedForMs(tenant.tenantId);
  if (closedForMs !== undefined) {
    return settleEach(message.rows, holder, options, settlementOfClosed(closedForMs));
  }
  noteOnSpan({ 'messaging.message.id': message.messageId });
  const call = () => ({
    send,
    service: access.deviceService,
    accessToken: access.accessToken,
    apiVersion: apiVersions.DataUploadMessages,
    clientRequestId: newId(),
    timeoutMs,
    messageId: message.messageId,
  });
  const result = await inTurn(tenant.tenantId, () => putUpload({ ...call(), body: message.body }));
  metrics.upload(result.outcome);
  const failing = ['throttled', 'unavailable', 'unclear'].includes(result.outcome);
  if (failing) circuits.failed(tenant.tenantId);
  else circuits.succeeded(tenant.tenantId);
  if (result.outcome !== 'accepted') {
    const { messageId, rows } = message;
    const deviceId = rows.length === 1 ? rows[0]?.deviceId : undefined;
    log.warn('upload.setback', {
      tenantId: tenant.tenantId,
      devices: rows.length,
      deviceId,
      messageId,
      ...result,
    });
  }
  const settlement = await settlementOfUpload(message, result, tenant, options, () => getUpload(call()));
  await settleEach(message.rows, holder, options, settlement);
}

export interface SendOptions extends ReportStageOptions {
  /** Messages of which this process has seen a part only. */
  readonly partial: {
    /** Decides whether to wait longer for the other reports. */
    mayWait(messageId: string): boolean;
    whole(messageId: string): void;
  };
}

/** An open message again; only whole, and only while nobody else has one of its reports. */
async function sendAgain(
  rows: readonly DueReport[],
  holder: string,
  tenant: Tenant,
  access: { readonly accessToken: string; readonly deviceService: string },
  options: SendOptions,
): Promise<void> {
  const { partial, store } = options;
  const [first] = rows as readonly [DueReport];
  if (rows.length < (first.messageDevices ?? 1)) {
    if (partial.mayWait(`${first.messageId}`)) return store.regroup(first, holder, regroupSeconds);
    // The others are gone or were reported otherwise: what is here becomes new messages.
    return settleEach(rows, holder, options, ({ attempts, sentRevision }) => ({
      ...(sentRevision === null ? {} : { revision: sentRevision }),
      state: 'due',
      reason: 'message-incomplete',
      waitSeconds: 0,
      attempts,
      messageOpen: false,
    }));
  }
  partial.whole(`${first.messageId}`);
  if (!(await store.stillHeld(holder, rows))) return store.release(rows, holder);
  await sendMessage(messageAgain(rows, options), holder, tenant, access, options);
}

/** Others have a part of the message for a moment: the next lease is likely to find it whole. */
const regroupSeconds = 0.5;

interface HeldReport {
  readonly row: DueReport;
  readonly reason: string;
  readonly detail: string;
  readonly waitSeconds: number;
}

/** What the brake holds of these, in the words of the report. */
async function brakedOf(
  reported: readonly ReportedDevice[],
  holder: string,
  { brake }: ReportStageOptions,
): Promise<ReadonlyMap<string, MassChange>> {
  if (brake === undefined) return new Map();
  const worse = reported.flatMap((one): WorseReport[] => {
    const worsening = worseningOf(one);
    return worsening === undefined ? [] : [{ row: one.row, worsening }];
  });
  return worse.length === 0 ? new Map() : brake.admit(holder, worse);
}

const heldByBrake = (row: DueReport, { macs, notCompliant, unmanaged }: MassChange): HeldReport => ({
  row,
  reason: 'mass-change',
  detail: `of ${macs} Macs ${unmanaged} became unmanaged and ${notCompliant} not compliant within an hour: a person releases or refuses that`,
  waitSeconds: massChangeRecheckSeconds,
});

/** Selects the reports that may be sent; the others are held, each with its reason. */
async function sortOut(
  rows: readonly DueReport[],
  holder: string,
  tenant: Tenant,
  options: ReportStageOptions,
): Promise<ReportedDevice[]> {
  const tellableNow: ReportedDevice[] = [];
  const held: HeldReport[] = [];
  const { holdRecheckSeconds: waitSeconds } = options;
  for (const row of rows) {
    const content = contentOf(row);
    const verdict = tellable(content, row.sentRevision !== null, tenant.mode);
    if (row.readAgain) held.push({ row, ...readAgain, waitSeconds });
    else if (verdict.tell) tellableNow.push({ row, content, compliant: verdict.compliant });
    else held.push({ row, reason: verdict.reason, detail: verdict.detail, waitSeconds });
  }
  const braked = await brakedOf(tellableNow, holder, options);
  const reported = tellableNow.filter(({ row }) => {
    const hold = braked.get(row.deviceId);
    if (hold !== undefined) held.push(heldByBrake(row, hold));
    return hold === undefined;
  });
  if (held.length > 0) {
    await options.store.settle(
      held.map(({ detail, reason, row, waitSeconds }) => ({
        row,
        holder,
        found: {
          state: 'held',
          reason,
          detail,
          waitSeconds,
          attempts: 0,
          ...(row.state === 'held' ? {} : { event: { stage: 'held', detail: `${reason}: ${detail}` } }),
        },
      })),
    );
  }
  return reported;
}

const readAgain = {
  reason: 'read-again',
  detail: 'read before a time in which no gateway watched: the instance is asked again first',
};

/** The tenant as it is: content of another mode than the remembered one says that the mode has just changed. */
async function tenantFor(
  rows: readonly DueReport[],
  tenant: Tenant,
  { tenants }: ReportStageOptions,
): Promise<Tenant> {
  const fits = rows.every((row) => fitsMode(contentOf(row), tenant.mode));
  return fits ? tenant : ((await tenants.fresh(tenant.tenantId)) ?? tenant);
}

/** Tells Intune the state of some devices of one tenant in one message, or holds them and says why. */
export async function sendReports(
  rows: readonly DueReport[],
  holder: string,
  known: Tenant,
  options: SendOptions,
): Promise<void> {
  const again = rows[0] !== undefined && isOpen(rows[0]);
  const tenant = again ? known : await tenantFor(rows, known, options);
  const reported = again ? [] : await sortOut(rows, holder, tenant, options);
  if (!again && reported.length === 0) return;
  const left = again ? rows : reported.map(({ row }) => row);
  const access = await options.microsoft.intune(tenant);
  if (!access.ok) {
    if (access.kind === 'hold' && !isClosed(tenant)) {
      const { cause, detail, owner, remedy } = access;
      await options.tenants.hold(tenant, { cause, detail, remedy, owner });
    }
    return settleEach(left, holder, options, settlementOfAccess(left, access, options));
  }
  if (again) return sendAgain(rows, holder, tenant, access, options);
  const message = await newMessage(reported, holder, tenant.mode, options);
  const sent = new Set(message?.rows.map(({ deviceId }) => deviceId));
  const replaced = left.filter(({ deviceId }) => !sent.has(deviceId));
  if (replaced.length > 0) await options.store.release(replaced, holder);
  if (message) await sendMessage(message, holder, tenant, access, options);
}
