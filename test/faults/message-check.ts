import type { JournalEntry } from '../../src/simulator/journal.ts';
import type { StoredReport } from './witness.ts';

/**
 * Every message is stored before it is sent, and one whose outcome was not clear (throttled, an error that passes, a broken
 * connection, garbage, no answer in time) is sent again with its id, until it is clear or a newer state replaces it:
 *
 * - `unstored`: a message came to Intune whose id was not in the database before.
 * - `left`: the last try of a message was not clear, and for a device of it no later message was stored.
 * - `renamed`: the same revision of a device was stored under another id while the outcome of its message, which carried no
 *   other device, was not clear. One of several may be taken apart.
 */
export interface MessageTry {
  readonly messageId: string;
  /** When it came to Intune, milliseconds since the epoch. */
  readonly at: number;
  /** `unclear` to whoever sent it; `unknown` where that depends on how long it waited. */
  readonly outcome: 'clear' | 'unclear' | 'unknown';
}

/** An answer that comes about when the gateway gives up (ESPALIER_MICROSOFT_TIMEOUT_SECONDS) says nothing of what it saw. */
const answeredWithinMs = 4_000;

const messageIdOf = (path: string): string | undefined =>
  /DataUploadMessages\(guid'([0-9a-f-]{36})'\)/i.exec(path)?.[1]?.toLowerCase();

function outcomeOf({ arrivedAt, at, note, status }: JournalEntry): MessageTry['outcome'] {
  if (status === 'reset' || status === 429 || status >= 500) return 'unclear';
  // An answer to which the service has no note is a fault's.
  if (note?.messageId === undefined) return 'unclear';
  return Date.parse(at) - Date.parse(arrivedAt) > answeredWithinMs ? 'unknown' : 'clear';
}

/** The uploads among what a journal holds, in the order in which they came. */
export const triesOf = (entries: readonly JournalEntry[]): MessageTry[] =>
  entries
    .flatMap((entry): MessageTry[] => {
      const messageId = entry.method === 'PUT' ? messageIdOf(entry.path) : undefined;
      if (messageId === undefined) return [];
      return [{ messageId, at: Date.parse(entry.arrivedAt), outcome: outcomeOf(entry) }];
    })
    .sort((a, b) => a.at - b.at);

const deviceOf = ({ deviceId, tenantId }: StoredReport): string => `${tenantId}/${deviceId}`;
const show = (at: number): string => new Date(at).toISOString();

/** One line for each violation. `since`: messages from before nobody saw stored. */
export function checkMessages(
  tries: readonly MessageTry[],
  stored: readonly StoredReport[],
  since: number,
): string[] {
  const byMessage = Map.groupBy(stored, ({ messageId }) => messageId);
  const byDevice = Map.groupBy(stored, deviceOf);
  const found: string[] = [];
  for (const [messageId, own] of Map.groupBy(tries, (one) => one.messageId)) {
    const [first, last] = [own[0]!, own.at(-1)!];
    const reports = byMessage.get(messageId) ?? [];
    if (reports.every(({ at }) => at > first.at)) {
      if (first.at >= since) found.push(`unstored ${messageId}: came at ${show(first.at)}`);
      continue;
    }
    for (const report of reports) {
      const next = byDevice.get(deviceOf(report))!.find(({ at }) => at > report.at);
      const lastBefore = own.findLast(({ at }) => at <= (next?.at ?? Number.POSITIVE_INFINITY)) ?? last;
      if (lastBefore.outcome !== 'unclear') continue;
      const what = `${messageId}: ${report.deviceId} in revision ${report.revision}, not clear at ${show(lastBefore.at)}`;
      if (next === undefined) found.push(`left ${what}`);
      else if (next.revision === report.revision && report.devices === 1)
        found.push(`renamed ${what}, then stored as ${next.messageId} at ${show(next.at)}`);
    }
  }
  return found;
}
