import { checkInMarksAtOnce } from '../../limits.ts';
import {
  endLapsedKeeping,
  type LeftMark,
  readLeftMarks,
  recoverMark,
} from '../../store/computers/check-in-marks.ts';
import type { Sql } from '../../store/database.ts';
import { underLock } from '../../store/exclusive.ts';
import type { Log } from '../../telemetry/log.ts';
import { recoveredAfterMs } from './check-ins.ts';

/**
 * What a process remembered that ended in the middle of it, by `kill -9` or with its machine, is lost: which computers
 * checked in. Its marks say of which instances, so every computer of theirs that may be meant is read at the end of its
 * period.
 */

/** Any fixed number: one process at a time does it. */
const recoveryLock = 7_276_154_025;

export async function recoverCheckIns(sql: Sql, log: Log): Promise<void> {
  await endLapsedKeeping(sql);
  if ((await readLeftMarks(sql, 1)).length === 0) return;
  await underLock(sql, log, recoveryLock, async () => {
    // A process may have marked thousands of instances, and their reads are due within the period.
    for (;;) {
      const marks = await readLeftMarks(sql, checkInMarksAtOnce);
      let recovered = 0;
      for (const mark of marks) if (await recover(sql, mark, log)) recovered += 1;
      if (recovered === 0 || marks.length < checkInMarksAtOnce) return;
    }
  });
}

/** False: it could not be acted on now, and stays. */
async function recover(sql: Sql, mark: LeftMark, log: Log): Promise<boolean> {
  const { instanceId, tenantId } = mark;
  try {
    await recoverMark(sql, mark, (seconds) => recoveredAfterMs(seconds) / 1_000);
    log.info('check-ins.recovered', { tenantId, instanceId });
    return true;
  } catch (error) {
    log.warn('check-ins.not-recovered', { tenantId, instanceId, error });
    return false;
  }
}
