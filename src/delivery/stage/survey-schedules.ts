/**
 * The safety net below the table of schedules: one process at a time goes through the schedules of all due rows, in the
 * index of the rows themselves, and mends the entries that are missing. Triggers write them, so there are none
 * unless rows came past the triggers, as those of a logical replica do. Such rows are found within a minute, or, where a survey
 * takes longer than 0.15 s, within three hundred times as long as it takes, a quarter of an hour at most.
 */

import { maxSurveyRestMs, surveyPeriodMs } from '../../limits.ts';
import type { Sql } from '../../store/database.ts';
import type { StageName } from '../../store/due-rows.ts';
import { mendSchedules, restSurvey, takeSurvey } from '../../store/schedules.ts';
import type { Log } from '../../telemetry/log.ts';

/** A survey may take this part of the time between two of them, of all processes together. */
const surveyShare = 300;

const stages: readonly StageName[] = ['computers', 'reports'];

async function mendStage(sql: Sql, stage: StageName): Promise<number> {
  let mended = 0;
  let last: Awaited<ReturnType<typeof mendSchedules>>['last'];
  do {
    const slice = await mendSchedules(sql, stage, last);
    mended += slice.mended;
    last = slice.last;
  } while (last !== undefined);
  return mended;
}

/** Surveys where that is due and no other process has taken it; `now` is monotonic, in milliseconds. */
export async function surveySchedules(sql: Sql, log: Log, now: () => number): Promise<void> {
  if (!(await takeSurvey(sql, surveyPeriodMs))) return;
  const startedAtMs = now();
  for (const stage of stages) {
    const mended = await mendStage(sql, stage);
    if (mended > 0) log.warn('schedules.mended', { stage, mended });
  }
  const restMs = Math.min((now() - startedAtMs) * surveyShare, maxSurveyRestMs);
  if (restMs > surveyPeriodMs) await restSurvey(sql, restMs);
}
