import { monotonicMs } from '../clock.ts';
import { acmeForgottenMs, acmeWantEveryMs } from '../limits.ts';
import { readDue, readStillDue, wantNames } from '../store/acme.ts';
import { underLock } from '../store/exclusive.ts';
import { advance, type OrderParts } from './order.ts';

/**
 * Keeps a certificate for each name of ESPALIER_ACME_NAMES, and for no other: names come from the settings alone. Whatever
 * fails, the certificate that there is goes on being served.
 */

/** Any fixed number: one process at a time talks to the authority. */
const acmeLock = 7_276_154_015;

export interface RenewalParts extends OrderParts {
  readonly directory: string;
  readonly names: readonly string[];
}

/** Makes what a process calls every few seconds; it does something only where the time of a name has come. */
export function createRenewal(parts: RenewalParts): () => Promise<void> {
  const { directory, log, names, signal, sql } = parts;
  let wantedAtMs = Number.NEGATIVE_INFINITY;
  const takeSteps = async (due: readonly string[]): Promise<void> => {
    for (const name of due) {
      if (signal.aborted) return;
      // Another process may have been here before the lock was taken.
      const row = await readStillDue(sql, { directory, name });
      if (row !== undefined && !(await advance(row, parts))) return;
    }
  };
  return async () => {
    if (monotonicMs() - wantedAtMs > acmeWantEveryMs) {
      await wantNames(sql, directory, names, acmeForgottenMs);
      wantedAtMs = monotonicMs();
    }
    const due = await readDue(sql, directory, names);
    if (due.length === 0) return;
    await underLock(sql, log, acmeLock, () => takeSteps(due.map(({ name }) => name)));
  };
}
