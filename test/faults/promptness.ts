import type { UploadLedger } from '../../src/simulator/microsoft/upload-ledger.ts';
import { versionOf } from './versions.ts';

/**
 * Whether what was answered 202 is told in time. A *telling* is one state of one device in a webhook or a push that
 * was answered 202. Intune has to take in this state or a newer one of the device within so many *fair* seconds.
 *
 * A second is fair for a device while everything works that its telling needs: the database, a gateway, the device's
 * instance, and the Entra, Graph and Intune of its tenant. Fair seconds of several calm spells count together.
 * For a device that was poisoned the time begins when the storm is over, for a person has to replay what Intune refused.
 */
export interface Promptness {
  /** The instance was answered 202 for these states. */
  accepted(states: readonly ReportedState[]): void;
  /** Counts the time since the last look, and looks what Intune took in meanwhile. */
  look(): void;
  /** States that were not told in time, also those that were told later. */
  overdue(): readonly Overdue[];
  /** States that Intune was not told of yet. */
  waiting(): readonly ReportedState[];
  /** Fair seconds that the slowest of all states took or has waited so far. */
  slowestSeconds(): number;
}

/** A device in one state, known by the version that the Mac had in it. */
export interface ReportedState {
  readonly tenantId: string;
  readonly instance: string;
  readonly deviceId: string;
  readonly osVersion: string;
}

export interface Overdue extends ReportedState {
  readonly acceptedAt: number;
}

export interface PromptnessOptions {
  /** Fair seconds from the 202 until Intune has it, at most. */
  readonly withinSeconds: number;
  readonly ledgerOf: (tenantId: string) => UploadLedger;
  /** Whether now everything works that devices of this instance need. */
  readonly isFair: (tenantId: string, instance: string) => boolean;
  /** Intune refuses the device, or a person has not replayed yet what it refused. */
  readonly isPoisoned: (deviceId: string) => boolean;
  /** Milliseconds of a clock that never steps. */
  readonly now: () => number;
}

interface Telling extends Overdue {
  readonly fairMsBefore: number;
}

interface Path {
  readonly tenantId: string;
  readonly instance: string;
  fairMs: number;
}

/** A look that comes late, on a machine that is too busy, says little of the time since the last one. */
const maxMsPerPoll = 1_000;

export function createPromptness(options: PromptnessOptions): Promptness {
  const { isFair, isPoisoned, ledgerOf, now, withinSeconds } = options;
  const paths = new Map<string, Path>();
  const waiting = new Map<string, Telling[]>();
  const overdue = new Map<Telling, Overdue>();
  let slowestMs = 0;
  let lookedAtMs = now();

  const pathOf = ({ instance, tenantId }: ReportedState): Path => {
    const key = `${tenantId}/${instance}`;
    const path = paths.get(key) ?? { tenantId, instance, fairMs: 0 };
    paths.set(key, path);
    return path;
  };
  const newestReported = ({ deviceId, tenantId }: ReportedState): number =>
    ledgerOf(tenantId)
      .ofDevice(deviceId)
      .reduce((newest, { osVersion }) => Math.max(newest, versionOf(osVersion) ?? 0), 0);
  /** Those of one device that still have to be told. */
  const stillWaiting = (tellings: readonly Telling[]): Telling[] => {
    const [first] = tellings as readonly [Telling];
    const told = newestReported(first);
    const { fairMs } = pathOf(first);
    if (isPoisoned(first.deviceId)) return tellings.map((telling) => ({ ...telling, fairMsBefore: fairMs }));
    return tellings.filter((telling) => {
      const waitedMs = fairMs - telling.fairMsBefore;
      slowestMs = Math.max(slowestMs, waitedMs);
      if ((versionOf(telling.osVersion) ?? 0) <= told) return false;
      if (waitedMs > withinSeconds * 1_000) overdue.set(telling, telling);
      return true;
    });
  };

  return {
    accepted: (states) => {
      for (const state of states) {
        const telling = { ...state, acceptedAt: Date.now(), fairMsBefore: pathOf(state).fairMs };
        const key = `${state.tenantId}/${state.deviceId}`;
        waiting.set(key, [...(waiting.get(key) ?? []), telling]);
      }
    },
    look: () => {
      const passedMs = Math.min(now() - lookedAtMs, maxMsPerPoll);
      lookedAtMs = now();
      for (const path of paths.values()) {
        if (isFair(path.tenantId, path.instance)) path.fairMs += passedMs;
      }
      for (const [key, tellings] of waiting) {
        const left = stillWaiting(tellings);
        if (left.length === 0) waiting.delete(key);
        else waiting.set(key, left);
      }
    },
    overdue: () => [...overdue.values()],
    waiting: () => [...waiting.values()].flat(),
    slowestSeconds: () => slowestMs / 1_000,
  };
}
