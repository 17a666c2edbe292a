/**
 * Decides which schedules of a stage have due rows, and who may take how many of them next. A lane is what must not
 * suffer from its neighbours: a tenant's reports, an instance's computers; what is fresh and what can wait have lanes
 * of their own. This is memory of one process only and may be wrong: the table is the truth, looked at again and again.
 */

import type { Lane, LaneShare } from '../../store/due-rows.ts';

export const laneKey = ({ background, instanceId, kind, tenantId }: Lane): string =>
  `${tenantId}/${instanceId ?? ''}/${kind ?? ''}/${background ? 'background' : 'fresh'}`;

export interface LaneLimits {
  /** Rows in work at the same time in this process. */
  readonly rows: number;
  /** Rows in work of one lane: what a slow service can hold of this process. */
  readonly laneRows: number;
  /** Bound per schedule, where they differ. */
  readonly laneRowsOf?: (lane: Lane) => number;
}

export interface Lanes {
  /** A row of the lane is due then, or was. */
  note(lane: Lane, dueAtMs: number): void;
  /**
   * Shares what is free among the lanes that are due: fresh ones first, equal shares, those that waited longest
   * first. `mayTake` bounds what a lane may have in work (an open circuit: 0).
   */
  pick(nowMs: number, mayTake: (lane: Lane) => number): LaneShare[];
  /**
   * Takes the result of a claim, the schedule of each row: one that gave less than its share has nothing more that is
   * due. A row may be of a lane that was not asked (another device of an open message).
   */
  claimed(shares: readonly LaneShare[], rows: readonly Lane[]): void;
  ended(rows: readonly Lane[]): void;
  /** Time at which the next schedule becomes due; undefined: none is known. */
  nextMs(): number | undefined;
}

interface LaneState {
  readonly lane: Lane;
  /** Something is due now. */
  ready: boolean;
  /** The earliest later time that is known. */
  laterMs: number | undefined;
  /** Raised with each note, so that a claim does not overrule what was noted while it ran. */
  notes: number;
  notesAtPick: number;
  inWork: number;
}

/** Lanes of one claim: its statement looks into each. */
const lanesPerClaim = 64;
/** Rows of one claim. */
const rowsPerClaim = 512;
/** A lane that is nearly full waits until a claim is worth it. */
const worthwhile = (limit: number): number => Math.max(1, Math.floor(limit / 4));

/** A lane that may be served, and how many of its rows may be taken. */
interface ReadyLane {
  readonly state: LaneState;
  readonly room: number;
}

/** Equal shares of what is free, and what one lane cannot use goes to the next. */
function shareOut(ready: readonly ReadyLane[], free: number): LaneShare[] {
  const shares: LaneShare[] = [];
  let left = free;
  for (const [index, { room, state }] of ready.entries()) {
    const limit = Math.min(room, Math.max(1, Math.floor(left / (ready.length - index))));
    if (left <= 0) break;
    left -= limit;
    state.notesAtPick = state.notes;
    shares.push({ lane: state.lane, limit });
  }
  return shares;
}

function roomOf(state: LaneState, limits: LaneLimits, mayTake: (lane: Lane) => number): number {
  const max = limits.laneRowsOf?.(state.lane) ?? limits.laneRows;
  // A probe is one row in work, not one more.
  const free = Math.min(max, mayTake(state.lane)) - state.inWork;
  return state.inWork > 0 && free < worthwhile(max) ? 0 : Math.max(0, free);
}

/** The lanes that a claim can serve, at most so many fresh ones and so many that can wait. */
function readyLanes(states: Iterable<LaneState>, limits: LaneLimits, mayTake: (lane: Lane) => number) {
  const fresh: ReadyLane[] = [];
  const background: ReadyLane[] = [];
  for (const state of states) {
    const kind = state.lane.background ? background : fresh;
    if (!state.ready || kind.length >= lanesPerClaim) continue;
    const room = roomOf(state, limits, mayTake);
    if (room > 0) kind.push({ state, room });
  }
  return { fresh, background };
}

/** A time that has come makes its lane ready, and is no time to wait for any more. */
function readyWhatIsDue(states: Iterable<LaneState>, nowMs: number): void {
  for (const state of states) {
    if (state.laterMs === undefined || state.laterMs > nowMs) continue;
    state.ready = true;
    state.laterMs = undefined;
  }
}

/** Finds the time at which the next schedule becomes due. */
function nextDueMs(states: Iterable<LaneState>): number | undefined {
  let next: number | undefined;
  for (const { laterMs, ready } of states) {
    if (!ready && laterMs !== undefined && (next === undefined || laterMs < next)) next = laterMs;
  }
  return next;
}

export function createLanes(limits: LaneLimits): Lanes {
  /** Schedules in the order in which they were last served. */
  const states = new Map<string, LaneState>();
  const backgroundRows = Math.max(1, Math.floor(limits.rows / 4));
  let inWork = 0;
  let backgroundInWork = 0;

  const stateOf = (lane: Lane): LaneState => {
    const key = laneKey(lane);
    let state = states.get(key);
    if (!state) {
      state = { lane, ready: false, laterMs: undefined, notes: 0, notesAtPick: 0, inWork: 0 };
      states.set(key, state);
    }
    return state;
  };

  const forget = (key: string, state: LaneState): void => {
    if (!state.ready && state.laterMs === undefined && state.inWork === 0) states.delete(key);
  };

  return {
    note: (lane, dueAtMs) => {
      const state = stateOf(lane);
      state.notes += 1;
      state.laterMs = Math.min(state.laterMs ?? Number.POSITIVE_INFINITY, dueAtMs);
    },
    pick: (nowMs, mayTake) => {
      // This runs even when nothing can be taken, for `nextMs` is asked then.
      readyWhatIsDue(states.values(), nowMs);
      const free = Math.min(limits.rows - inWork, rowsPerClaim);
      if (inWork > 0 && free < worthwhile(Math.min(limits.rows, rowsPerClaim))) return [];
      const { background, fresh } = readyLanes(states.values(), limits, mayTake);
      const first = shareOut(fresh, free);
      const left = free - first.reduce((sum, { limit }) => sum + limit, 0);
      const backgroundLeft = Math.min(left, backgroundRows - backgroundInWork);
      const picked = [
        ...first,
        ...shareOut(background.slice(0, lanesPerClaim - first.length), backgroundLeft),
      ];
      for (const { lane } of picked) {
        // The schedule goes to the end of the order: the others come first next time.
        const key = laneKey(lane);
        const state = stateOf(lane);
        states.delete(key);
        states.set(key, state);
      }
      return picked;
    },
    claimed: (shares, rows) => {
      const taken = new Map<string, number>();
      for (const lane of rows) {
        const state = stateOf(lane);
        state.inWork += 1;
        inWork += 1;
        if (lane.background) backgroundInWork += 1;
        taken.set(laneKey(lane), (taken.get(laneKey(lane)) ?? 0) + 1);
      }
      for (const { lane, limit } of shares) {
        const state = states.get(laneKey(lane));
        if (!state) continue;
        if ((taken.get(laneKey(lane)) ?? 0) < limit && state.notes === state.notesAtPick) state.ready = false;
        forget(laneKey(lane), state);
      }
    },
    ended: (rows) => {
      for (const lane of rows) {
        inWork -= 1;
        if (lane.background) backgroundInWork -= 1;
        const state = stateOf(lane);
        state.inWork -= 1;
        forget(laneKey(lane), state);
      }
    },
    nextMs: () => nextDueMs(states.values()),
  };
}
