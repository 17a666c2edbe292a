import type { TakenReport, UploadLedger } from '../../src/simulator/microsoft/upload-ledger.ts';
import { versionOf } from './versions.ts';

/**
 * What Intune's ledger must never show. A *message* is known by its id; what one message says of one device is here
 * a *report*. Requests are ordered by when they came to Intune, not by when it acted: a fault that delays a request
 * lets the next one overtake it, and Intune then ignores the older one by its `LastUpdateTime`.
 *
 * - `order`: of two messages about a device, the one that came later has no later `LastUpdateTime`.
 * - `backwards`: a later `LastUpdateTime` carries an older version of the Mac.
 * - `resend`: a message came again with its id and says something else of the device.
 * - `duplicate`: a message says of a device what an earlier one, with another id, had already said to the word: the
 *   Mac's version, verdict and management. The version grows with every change, so nothing has to be said twice.
 *
 * Duplicates are told apart by what may explain them:
 *
 * - *after a crash*: a gateway was killed or PostgreSQL stopped after the earlier message came (a second is allowed
 *   for what was on its way) and at most 30 s before the later one came. Permitted, and counted.
 * - *after a contradiction*: Intune took the earlier message and refused the same message when it came again, which
 *   it does where its answer was lost and the device was poisoned meanwhile. A partner that believes the refusal has
 *   to say it again, in a new message. Permitted, and counted. A message that was refused and never taken was not
 *   said at all: whatever repeats it (a replay, a message of fewer devices) is its first time and no duplicate.
 * - *undone*: Intune took the earlier message and later said `Failed` of it. It changed nothing, so it was not said
 *   either. Not counted.
 * - *unexplained*: everything else. There must be none.
 *
 * The same id sent again is a *resend*, no duplicate: that is what the ids are for.
 */
export interface LedgerCounts {
  readonly messages: number;
  readonly reports: number;
  readonly resends: number;
  readonly refusals: number;
  readonly duplicatesAfterCrash: number;
  readonly duplicatesAfterContradiction: number;
  readonly duplicatesUnexplained: number;
}

export interface Violation {
  readonly kind: 'order' | 'backwards' | 'resend' | 'duplicate';
  readonly deviceId: string;
  readonly text: string;
}

export interface LedgerCheck {
  /** Looks at what is new since the last look. */
  look(): void;
  readonly violations: readonly Violation[];
  counts(): LedgerCounts;
}

export interface LedgerCheckOptions {
  readonly ledgers: readonly UploadLedger[];
  /** When something was killed, stopped or died; milliseconds since the epoch. */
  readonly crashes: () => readonly number[];
  readonly hasFailed: (messageId: string) => boolean;
}

const crashExplainsMs = 30_000;
const onItsWayMs = 1000;

const saying = ({ complianceStatus, deviceManagementState, osVersion }: TakenReport): string =>
  `${osVersion} ${complianceStatus} ${deviceManagementState}`;

const show = (report: TakenReport): string =>
  `${report.messageId} came ${new Date(report.arrivedAt).toISOString()}, LastUpdateTime ${report.lastUpdateTime}, ${saying(report)}`;

const timeOf = (report: TakenReport): number => Date.parse(report.lastUpdateTime);

/** The first of each message about a device, in the order in which they came. */
export function firstsOf(reports: readonly TakenReport[]): TakenReport[] {
  const firsts = new Map<string, TakenReport>();
  for (const report of reports) {
    const known = firsts.get(report.messageId);
    if (!known || report.arrivedAt < known.arrivedAt) firsts.set(report.messageId, report);
  }
  return [...firsts.values()].sort((a, b) => a.arrivedAt - b.arrivedAt);
}

type Found = Omit<Violation, 'deviceId'>;

function checkOrder(firsts: readonly TakenReport[]): Found[] {
  const found: Found[] = [];
  const pairs = (list: readonly TakenReport[]) =>
    list.slice(1).map((later, index) => [list[index]!, later] as const);
  for (const [earlier, later] of pairs(firsts)) {
    if (timeOf(later) > timeOf(earlier)) continue;
    found.push({ kind: 'order', text: `${show(earlier)}; then ${show(later)}` });
  }
  for (const [earlier, later] of pairs(firsts.toSorted((a, b) => timeOf(a) - timeOf(b)))) {
    if ((versionOf(later.osVersion) ?? 0) >= (versionOf(earlier.osVersion) ?? 0)) continue;
    found.push({ kind: 'backwards', text: `${show(earlier)}; then ${show(later)}` });
  }
  return found;
}

function checkResends(reports: readonly TakenReport[]): Found[] {
  const firsts = new Map(firstsOf(reports).map((report) => [report.messageId, report]));
  return reports.flatMap((report): Found[] => {
    const first = firsts.get(report.messageId)!;
    const same = first.lastUpdateTime === report.lastUpdateTime && saying(first) === saying(report);
    return same ? [] : [{ kind: 'resend', text: `${show(first)}; again ${show(report)}` }];
  });
}

type Cause = 'crash' | 'contradiction' | 'unexplained';

export function createLedgerCheck({ crashes, hasFailed, ledgers }: LedgerCheckOptions): LedgerCheck {
  const seen = ledgers.map(() => ({ taken: 0, refused: 0 }));
  const refusedAt = new Map<string, number>();
  const messages = new Set<string>();
  const resends = new Set<string>();
  const violations = new Map<string, Violation>();
  const duplicates = new Map<string, Cause>();

  const causeOf = (earlier: TakenReport, later: TakenReport): Cause => {
    const crashed = crashes().some(
      (at) =>
        at >= earlier.arrivedAt - onItsWayMs &&
        at <= later.arrivedAt &&
        at >= later.arrivedAt - crashExplainsMs,
    );
    if (crashed) return 'crash';
    const refused = refusedAt.get(earlier.messageId);
    return refused !== undefined && refused >= earlier.arrivedAt ? 'contradiction' : 'unexplained';
  };
  const add = (deviceId: string, found: Found): void => {
    violations.set(`${found.kind} ${deviceId} ${found.text}`, { ...found, deviceId });
  };
  const checkDuplicates = (deviceId: string, firsts: readonly TakenReport[]): void => {
    const said = new Map<string, TakenReport>();
    for (const report of firsts) {
      if (hasFailed(report.messageId)) continue;
      const key = saying(report);
      const earlier = said.get(key);
      said.set(key, report);
      if (!earlier) continue;
      const pair = `${deviceId} ${earlier.messageId} ${report.messageId}`;
      const cause = duplicates.get(pair) ?? causeOf(earlier, report);
      duplicates.set(pair, cause);
      if (cause === 'unexplained') {
        add(deviceId, { kind: 'duplicate', text: `${show(earlier)}; and ${show(report)}` });
      }
    }
  };
  const checkDevice = (ledger: UploadLedger, deviceId: string): void => {
    const reports = ledger.ofDevice(deviceId);
    const firsts = firstsOf(reports);
    for (const found of [...checkOrder(firsts), ...checkResends(reports)]) add(deviceId, found);
    checkDuplicates(deviceId, firsts);
  };
  const countOf = (cause: Cause): number => [...duplicates.values()].filter((one) => one === cause).length;

  return {
    look: () => {
      for (const [index, ledger] of ledgers.entries()) {
        const last = seen[index]!;
        for (const { at, messageId } of ledger.refused.slice(last.refused)) refusedAt.set(messageId, at);
        const fresh = ledger.taken.slice(last.taken);
        seen[index] = { taken: ledger.taken.length, refused: ledger.refused.length };
        for (const { again, messageId, takenAt } of fresh) {
          messages.add(messageId);
          if (again) resends.add(`${messageId} ${takenAt}`);
        }
        for (const deviceId of new Set(fresh.map((report) => report.deviceId))) checkDevice(ledger, deviceId);
      }
    },
    get violations() {
      return [...violations.values()];
    },
    counts: () => ({
      messages: messages.size,
      reports: ledgers.reduce((sum, ledger) => sum + ledger.taken.filter(({ again }) => !again).length, 0),
      resends: resends.size,
      refusals: ledgers.reduce((sum, ledger) => sum + ledger.refused.length, 0),
      duplicatesAfterCrash: countOf('crash'),
      duplicatesAfterContradiction: countOf('contradiction'),
      duplicatesUnexplained: countOf('unexplained'),
    }),
  };
}
