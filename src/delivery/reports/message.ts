import { deviceEntitiesText, type UploadBody, uploadBody } from '../../intune/entities.ts';
import type { DueReport, MessagePart } from '../../store/reports/report-row.ts';
import type { Mode } from '../../store/row-types.ts';
import { defaultInventoryVocabulary } from './attributes.ts';
import { deviceReport } from './device-report.ts';
import type { ReportContent } from './report.ts';
import type { ReportStageOptions } from './report-options.ts';

/** The message that tells Intune of some devices: made, stored, and put together again to the letter. */

/** A report whose state may be reported. */
export interface ReportedDevice {
  readonly row: DueReport;
  readonly content: ReportContent;
  /** Undefined where the verdict is Intune's. */
  readonly compliant: boolean | undefined;
}

/** A message as it is stored. */
export interface StoredMessage {
  readonly messageId: string;
  readonly rows: readonly DueReport[];
  readonly body: UploadBody;
}

/** Strictly later than the last reported one, also when a clock went back (contract section 7). */
const nextUpdateTime = (row: DueReport, nowMs: number): Date =>
  new Date(Math.max(nowMs, (row.lastUpdateAt?.getTime() ?? 0) + 1));

/** The user that the last message named: a retraction needs one although Jamf no longer knows it. */
function lastReportedUser(row: DueReport): string | null {
  const [first] = JSON.parse(row.sentContent ?? '[]') as { UserId?: string }[];
  return first?.UserId ?? null;
}

export function contentOf(row: DueReport): ReportContent {
  const content = JSON.parse(row.content) as ReportContent;
  return content.managed || content.userId !== null ? content : { ...content, userId: lastReportedUser(row) };
}

const bodyOf = (
  tenantId: string,
  at: Date,
  entities: readonly string[],
  { apiVersions, contentForm }: ReportStageOptions,
): UploadBody =>
  uploadBody({
    tenantId,
    uploadTime: at,
    apiVersion: apiVersions.DataUploadMessages,
    ...(contentForm === undefined ? {} : { contentForm }),
    entities,
  });

const byDevice = (a: DueReport, b: DueReport): number => (a.deviceId < b.deviceId ? -1 : 1);

/** The stored message of these rows again. */
export function messageAgain(rows: readonly DueReport[], options: ReportStageOptions): StoredMessage {
  const ordered = [...rows].sort(byDevice);
  const [first] = ordered as [DueReport];
  const at = first.messageAt ?? new Date(options.now());
  const entities = ordered.map((row) => row.sentContent ?? '[]');
  return {
    messageId: first.messageId ?? options.newId(),
    rows: ordered,
    body: bodyOf(first.tenantId, at, entities, options),
  };
}

/** A new message, stored before it is sent; what was replaced meanwhile is not in it. Undefined: nothing is left. */
export async function newMessage(
  reported: readonly ReportedDevice[],
  holder: string,
  mode: Mode,
  options: ReportStageOptions,
): Promise<StoredMessage | undefined> {
  const { newId, now, store, vocabulary = defaultInventoryVocabulary } = options;
  const at = new Date(now());
  const parts = [...reported]
    .sort((a, b) => byDevice(a.row, b.row))
    .map(({ compliant, content, row }): MessagePart => {
      const lastUpdateAt = nextUpdateTime(row, now());
      const identity = { tenantId: row.tenantId, deviceId: row.deviceId, lastUpdateTime: lastUpdateAt };
      const entities = deviceEntitiesText(deviceReport(identity, content, { compliant, mode }, vocabulary));
      return { row, entities, lastUpdateAt };
    });
  const messageId = newId();
  const stored = await store.storeMessage(holder, { messageId, at, parts });
  const kept = parts.filter(({ row }) => stored.has(row.deviceId));
  const [first] = kept;
  if (!first) return undefined;
  const entities = kept.map((part) => part.entities);
  return {
    messageId,
    rows: kept.map(({ row }) => ({ ...row, state: 'sent', messageId, sentRevision: row.revision })),
    body: bodyOf(first.row.tenantId, at, entities, options),
  };
}
