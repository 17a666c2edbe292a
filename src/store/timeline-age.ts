import { timelineSlotMs, timelineSlots, timelineTrimEveryMs } from '../limits.ts';
import type { Log } from '../telemetry/log.ts';
import type { Sql } from './database.ts';

/**
 * Clears timelines by age: a slot whose youngest event is old enough is emptied as a whole, which costs the same however many
 * events are in it. Events of before there were slots go together, when the youngest of them is as old as a slot's.
 *
 * Slots inherit from the table. Declarative partitions were weighed and left: rows that were there already would have needed a
 * new unique index and a scan under a lock, and new partitions a role that may make tables while serving. The price is that a
 * statement looks into 15 small indexes, and that Citus distributes nothing that inherits.
 */

/** Slots all of whose events were written before a time; `now` is in none of them. Pure. */
export function slotsBefore(cutoffMs: number, nowMs: number): number[] {
  const present = Math.floor(nowMs / timelineSlotMs);
  const periods = Array.from({ length: timelineSlots - 1 }, (_, back) => present - 1 - back);
  return periods
    .filter((period) => (period + 1) * timelineSlotMs <= cutoffMs)
    .map((period) => period % timelineSlots);
}

export interface ClearingTimelines {
  readonly sql: Sql;
  readonly log: Log;
  /** `ESPALIER_TIMELINE_DAYS`. */
  readonly keepDays: number;
  /** The database's clock unless given: by it the slots are written. */
  readonly now?: (sql: Sql) => Promise<Date>;
}

async function databaseNow(sql: Sql): Promise<Date> {
  const [row] = await sql<{ now: Date }[]>`select now() as now`;
  if (row === undefined) throw new Error('the database told no time');
  return row.now;
}

/** Clears what is old enough, where this is the process whose turn it is. */
export async function clearTimelines({
  keepDays,
  log,
  now = databaseNow,
  sql,
}: ClearingTimelines): Promise<void> {
  const at = await now(sql);
  const [turn] = await sql<{ slotsSince: Date }[]>`
    update timeline_upkeep set next_at = ${new Date(at.getTime() + timelineTrimEveryMs)} where next_at <= ${at}
    returning slots_since as "slotsSince"`;
  if (turn === undefined) return;
  const cutoffMs = at.getTime() - keepDays * 86_400_000;
  const due: (number | null)[] = slotsBefore(cutoffMs, at.getTime());
  // A process of the version before may have written for a while after the slots came.
  if (turn.slotsSince.getTime() + timelineSlotMs <= cutoffMs) due.push(null);
  for (const slot of due) {
    const [cleared] = await sql<{ done: boolean }[]>`select espalier_clear_timeline(${slot}::int) as done`;
    if (cleared?.done) log.info('timelines.cleared', { slot, before: new Date(cutoffMs) });
  }
}
