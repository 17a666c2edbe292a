import { deferFoldable } from '../../store/computers/check-ins.ts';
import { type ComputerSchedule, computerSchedule } from '../../store/computers/leases.ts';
import type { Sql } from '../../store/database.ts';
import { withRetries } from '../../store/retry.ts';
import type { Intake } from '../intake.ts';
import type { CheckIns } from './check-ins.ts';

/**
 * Folds check-ins where nothing is remembered between requests (Workers): the computer's own row says when it is read. The
 * first check-in of a period writes that in one statement, and the others write nothing.
 */

export interface DeferringOptions {
  readonly sql: Sql;
  readonly intake: Pick<Intake, 'markDue'>;
  readonly periodSeconds: number;
  /** Told after the commit. */
  readonly onDue: (schedule: ComputerSchedule) => void;
}

export const createDeferring = ({ intake, onDue, periodSeconds, sql }: DeferringOptions): CheckIns => ({
  take: async (origin, computerIds) => {
    const { instanceId, tenantId } = origin;
    const instance = { tenantId, instanceId };
    const folded = new Set(await withRetries(() => deferFoldable(sql, instance, computerIds, periodSeconds)));
    if (folded.size > 0) onDue(computerSchedule({ ...origin, background: false, needsInstance: true }));
    await intake.markDue(
      origin,
      computerIds.filter((id) => !folded.has(id)),
    );
  },
});
