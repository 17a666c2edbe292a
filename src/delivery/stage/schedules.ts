/**
 * Decides which schedules of a stage have due rows, and who may take how many of them next. A schedule is what must not
 * suffer from its neighbours: a tenant's reports, an instance's computers; what is fresh and what can wait have schedules
 * of their own. This is memory of one process only and may be wrong: the table is the truth, looked at again and again.
 */

import { ChurningMap } from '../../churn.ts';
import type { Schedule, ScheduleShare } from '../../store/due-rows.ts';

export const scheduleKey = ({ background, instanceId, kind, tenantId }: Schedule): string =>
  `${tenantId}/${instanceId ?? ''}/${kind ?? ''}/${background ? 'background' : 'fresh'}`;

export interface ScheduleLimits {
  /** Rows in work at the same time in this process. */
  readonly rows: number;
  /** Rows in work of one schedule: what a slow service can hold of this process. */
  readonly scheduleRows: number;
  /** Bound per schedule, where they differ. */
  readonly scheduleRowsOf?: (schedule: Schedule) => number;
  /** Rows of one lease, which come in one answer; default: 512. */
  readonly leaseRows?: number;
}

export interface Schedules {
  /** A row of the schedule is due then, or was. */
  announce(schedule: Schedule, dueAtMs: number): void;
  /**
   * Shares what is free among the schedules that are due: fresh ones first, equal shares, those that waited longest
   * first. `mayTake` bounds what a schedule may have in work (an open circuit: 0).
   */
  pick(nowMs: number, mayTake: (schedule: Schedule) => number): ScheduleShare[];
  /**
   * Takes the result of a lease, the schedule of each row: one that gave less than its share has nothing more that is
   * due. A row may be of a schedule that was not asked (another device of an open message). True: more was due than
   * was asked for, or may have been.
   */
  leased(shares: readonly ScheduleShare[], rows: readonly Schedule[]): boolean;
  ended(rows: readonly Schedule[]): void;
  /** Takes those that gave all that was due and have nothing in work, since this was last asked. */
  exhausted(): readonly Schedule[];
  /** Time at which the next schedule becomes due; undefined: none is known. */
  nextMs(): number | undefined;
}

interface ScheduleState {
  readonly schedule: Schedule;
  /** Something is due now. */
  ready: boolean;
  /** The earliest later time that is known. */
  laterMs: number | undefined;
  /** Raised with each announcement, so that a lease does not overrule what was announced while it ran. */
  announcements: number;
  announcementsAtPick: number;
  inWork: number;
}

/** Schedules of one lease: its statement looks into each. */
const schedulesPerLease = 64;
const rowsPerLease = 512;
/** A schedule that is nearly full waits until a lease is worth it. */
const worthwhile = (limit: number): number => Math.max(1, Math.floor(limit / 4));

/** A schedule that may be served, and how many of its rows may be taken. */
interface ReadySchedule {
  readonly state: ScheduleState;
  readonly room: number;
}

/** Equal shares of what is free, and what one schedule cannot use goes to the next. */
function shareOut(ready: readonly ReadySchedule[], free: number): ScheduleShare[] {
  const shares: ScheduleShare[] = [];
  let left = free;
  for (const [index, { room, state }] of ready.entries()) {
    const limit = Math.min(room, Math.max(1, Math.floor(left / (ready.length - index))));
    if (left <= 0) break;
    left -= limit;
    state.announcementsAtPick = state.announcements;
    shares.push({ schedule: state.schedule, limit });
  }
  return shares;
}

function roomOf(
  state: ScheduleState,
  limits: ScheduleLimits,
  mayTake: (schedule: Schedule) => number,
): number {
  const max = limits.scheduleRowsOf?.(state.schedule) ?? limits.scheduleRows;
  // A probe is one row in work, not one more.
  const free = Math.min(max, mayTake(state.schedule)) - state.inWork;
  return state.inWork > 0 && free < worthwhile(max) ? 0 : Math.max(0, free);
}

/** The schedules that a lease can serve, at most so many fresh ones and so many that can wait. */
function readySchedules(
  states: Iterable<ScheduleState>,
  limits: ScheduleLimits,
  mayTake: (schedule: Schedule) => number,
) {
  const fresh: ReadySchedule[] = [];
  const background: ReadySchedule[] = [];
  for (const state of states) {
    const kind = state.schedule.background ? background : fresh;
    if (!state.ready || kind.length >= schedulesPerLease) continue;
    const room = roomOf(state, limits, mayTake);
    if (room > 0) kind.push({ state, room });
  }
  return { fresh, background };
}

/** A time that has come makes its schedule ready, and is no time to wait for any more. */
function readyWhatIsDue(states: Iterable<ScheduleState>, nowMs: number): void {
  for (const state of states) {
    if (state.laterMs === undefined || state.laterMs > nowMs) continue;
    state.ready = true;
    state.laterMs = undefined;
  }
}

/** Finds the time at which the next schedule becomes due. */
function nextDueMs(states: Iterable<ScheduleState>): number | undefined {
  let next: number | undefined;
  for (const { laterMs, ready } of states) {
    if (!ready && laterMs !== undefined && (next === undefined || laterMs < next)) next = laterMs;
  }
  return next;
}

const newState = (schedule: Schedule): ScheduleState => ({
  schedule,
  ready: false,
  laterMs: undefined,
  announcements: 0,
  announcementsAtPick: 0,
  inWork: 0,
});

export function createSchedules(limits: ScheduleLimits): Schedules {
  /** Schedules in the order in which they were last served. */
  const states = new ChurningMap<string, ScheduleState>();
  const { leaseRows = rowsPerLease } = limits;
  const backgroundRows = Math.max(1, Math.floor(limits.rows / 4));
  const exhausted = new ChurningMap<string, Schedule>();
  let inWork = 0;
  let backgroundInWork = 0;
  /** Fresh schedules were ready that the last pick had no share for. */
  let leftOut = false;

  const stateOf = (schedule: Schedule): ScheduleState => {
    const key = scheduleKey(schedule);
    let state = states.get(key);
    if (!state) {
      state = newState(schedule);
      states.set(key, state);
    }
    return state;
  };

  const rest = (key: string, state: ScheduleState): void => {
    if (!state.ready && state.inWork === 0) exhausted.set(key, state.schedule);
    if (!state.ready && state.laterMs === undefined && state.inWork === 0) states.delete(key);
  };

  return {
    announce: (schedule, dueAtMs) => {
      const state = stateOf(schedule);
      state.announcements += 1;
      state.laterMs = Math.min(state.laterMs ?? Number.POSITIVE_INFINITY, dueAtMs);
    },
    pick: (nowMs, mayTake) => {
      // This runs even when nothing can be taken, for `nextMs` is asked then.
      readyWhatIsDue(states.values(), nowMs);
      const free = Math.min(limits.rows - inWork, leaseRows);
      if (inWork > 0 && free < worthwhile(Math.min(limits.rows, leaseRows))) return [];
      const { background, fresh } = readySchedules(states.values(), limits, mayTake);
      const first = shareOut(fresh, free);
      leftOut = fresh.length > first.length || fresh.length >= schedulesPerLease;
      const left = free - first.reduce((sum, { limit }) => sum + limit, 0);
      const backgroundLeft = Math.min(left, backgroundRows - backgroundInWork);
      const picked = [
        ...first,
        ...shareOut(background.slice(0, schedulesPerLease - first.length), backgroundLeft),
      ];
      for (const { schedule } of picked) {
        // The schedule goes to the end of the order: the others come first next time.
        const key = scheduleKey(schedule);
        const state = stateOf(schedule);
        states.delete(key);
        states.set(key, state);
      }
      return picked;
    },
    leased: (shares, rows) => {
      const taken = new Map<string, number>();
      for (const schedule of rows) {
        const state = stateOf(schedule);
        state.inWork += 1;
        inWork += 1;
        if (schedule.background) backgroundInWork += 1;
        taken.set(scheduleKey(schedule), (taken.get(scheduleKey(schedule)) ?? 0) + 1);
      }
      let isMore = leftOut;
      for (const { schedule, limit } of shares) {
        const state = states.get(scheduleKey(schedule));
        const isFull = (taken.get(scheduleKey(schedule)) ?? 0) >= limit;
        if (isFull) isMore = true;
        if (!state) continue;
        if (!isFull && state.announcements === state.announcementsAtPick) state.ready = false;
        rest(scheduleKey(schedule), state);
      }
      return isMore;
    },
    ended: (rows) => {
      for (const schedule of rows) {
        inWork -= 1;
        if (schedule.background) backgroundInWork -= 1;
        const state = stateOf(schedule);
        state.inWork -= 1;
        rest(scheduleKey(schedule), state);
      }
    },
    exhausted: () => {
      const taken = [...exhausted.values()];
      exhausted.clear();
      return taken;
    },
    nextMs: () => nextDueMs(states.values()),
  };
}
