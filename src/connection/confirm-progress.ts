/** A confirmation at work: it tells each step to whoever watches, and keeps them for whoever comes back later. */

import { newId } from '../ids.ts';
import { leaseRenewMs } from '../limits.ts';
import type { Sql } from '../store/database.ts';
import type { ConfirmStep } from '../store/row-types.ts';
import { beginConfirmation, recordConfirmation, renewConfirmation } from '../store/tenants/confirmation.ts';
import type { Log } from '../telemetry/log.ts';
import type { AddStep } from './confirm-step.ts';

/** Is told of a confirmation while it goes on; it must not throw. */
export interface ConfirmObserver {
  /** From now on `readConfirmation` shows this one. */
  readonly onBegun?: () => void;
  /** In the order in which they are done, which for instances is not the order of the answer. */
  readonly onStep?: (step: ConfirmStep) => void;
}

/** Does the work, which returns all steps in the order of the answer. */
export async function withProgress(
  { log, sql }: { readonly sql: Sql; readonly log: Log },
  { enabling, tenantId }: { readonly tenantId: string; readonly enabling: boolean },
  { onBegun, onStep }: ConfirmObserver,
  work: (add: AddStep) => Promise<readonly ConfirmStep[]>,
): Promise<readonly ConfirmStep[]> {
  const key = { tenantId, confirmationId: newId() };
  await beginConfirmation(sql, key, enabling);
  onBegun?.();
  const done: ConfirmStep[] = [];
  // One after the other: instances are tested side by side, and an earlier list must not replace a later one.
  let noted = Promise.resolve();
  const add: AddStep = (step) => {
    done.push(step);
    onStep?.(step);
    noted = noted.then(() => recordConfirmation(sql, key, done, { ended: false }));
    return noted;
  };
  const renewing = setInterval(() => {
    renewConfirmation(sql, key).catch((error: unknown) =>
      log.warn('confirmation.not-renewed', { tenantId, error }),
    );
  }, leaseRenewMs);
  try {
    const steps = await work(add);
    await recordConfirmation(sql, key, steps, { ended: true });
    return steps;
  } finally {
    clearInterval(renewing);
  }
}
