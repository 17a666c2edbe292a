import type { Random } from '../../../src/simulator/random.ts';

/** The Macs of one instance as they are in truth: each state with the date that the instance gives it. */

export interface State {
  readonly version: number;
  /** `general.reportDate`; null: the record has none. */
  readonly reportedAt: Date | null;
}

export interface Mac {
  readonly id: number;
  readonly deviceId: string;
  readonly states: State[];
  /** The newest state of which Espalier was told that it is there. */
  announced: number;
  /** The newest state that was told to Intune. */
  told: number;
}

/** What its clock makes of the date of a report; `none`: there is none. */
type Clock = 'right' | 'ahead' | 'none';

export const newestOf = ({ states }: Mac): State => states.at(-1) ?? { version: 0, reportedAt: null };

/** A record as a push or an answer of the API has it. */
export const recordOf = ({ deviceId, id }: Mac, { reportedAt, version }: State) => ({
  id: String(id),
  // Every second Mac has none: then nothing but the revisions says that a state without a date was taken in.
  udid: id % 2 === 0 ? null : `udid-${id}`,
  general: { name: `mac-${id}`, reportDate: reportedAt?.toISOString() ?? null },
  operatingSystem: { version: `15.${version}` },
  localUserAccounts: [{ username: 'u', computerAzureActiveDirectoryId: deviceId }],
  groupMemberships: [{ groupId: '1', groupName: 'compliant', smartGroup: true }],
});

const yearMs = 365 * 24 * 3_600_000;

/** Makes new states, each a while after the last one of any Mac; all of them lie in the past. */
export function createMacs(random: Random, count: number) {
  let nowMs = Date.now() - 20 * 24 * 3_600_000;
  const macs = Array.from({ length: count }, (_, index): Mac & { clock: Clock } => ({
    id: index + 1,
    deviceId: random.guid(),
    states: [],
    announced: 0,
    told: 0,
    clock: random.pick(['right', 'right', 'right', 'ahead', 'none']),
  }));
  const report = (mac: Mac & { clock: Clock }): State => {
    nowMs += random.integer(1_000, 60_000);
    // A clock is set right some day, or lost.
    if (random.next() < 0.1) mac.clock = random.pick(['right', 'ahead', 'none']);
    const atMs = mac.clock === 'ahead' ? nowMs + yearMs : nowMs;
    const state = {
      version: newestOf(mac).version + 1,
      reportedAt: mac.clock === 'none' ? null : new Date(atMs),
    };
    mac.states.push(state);
    return state;
  };
  return { macs, report };
}
