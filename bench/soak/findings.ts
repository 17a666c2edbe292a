import type { Finding } from '../run.ts';
import { columns, tenths, whole } from '../table.ts';
import type { Proof } from './ending.ts';
import type { Judged } from './measures.ts';
import type { Outcomes } from './outcomes.ts';

export interface Soaked {
  readonly title: string;
  readonly judged: readonly Judged[];
  readonly outcomes: Outcomes;
  readonly proof: Proof;
  /** Device calls answered for another computer. */
  readonly misroutedCalls: number;
  /** What the senders and the gateway's end have to complain of. */
  readonly complaints: readonly string[];
  readonly webhooksAccepted: number;
  readonly pushesAccepted: number;
}

const signed = (value: number): string => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(1)}`;
/** Of all calls. A machine that refuses more for its load shows nothing of a moderate one. */
const mostRefused = 0.01;

function row({ course, name, unit, verdict }: Judged): string[] {
  const { first, last, margin, slopePerHour } = course;
  return [
    unit === '' ? name : `${name}, ${unit}`,
    tenths(first),
    tenths(last),
    signed(slopePerHour),
    `${signed(slopePerHour - margin)} to ${signed(slopePerHour + margin)}`,
    verdict,
  ];
}

const clock = (at: number): string => new Date(performance.timeOrigin + at).toISOString().slice(11, 19);

/** One line for each way in which calls failed, with the time of day of the first and the last. */
function unexplainedKinds(outcomes: Outcomes): string[] {
  const ways = Map.groupBy(outcomes.unexplained(), ({ instance = '', kind, reason }) =>
    [kind, instance, reason].filter(Boolean).join(' '),
  );
  return [...ways].map(
    ([way, calls]) => `${calls.length} ${way}, ${clock(calls[0]!.at)} to ${clock(calls.at(-1)!.at)} UTC`,
  );
}

/** Everything for which a run is not passed, one line each. */
export function faultsOf(soaked: Soaked): string[] {
  const { complaints, judged, misroutedCalls, outcomes, proof } = soaked;
  const { backwards, doubled, lost, misrouted, states } = proof;
  const unverified = Object.entries(states).filter(([state]) => state !== 'verified');
  const unexplained = outcomes.unexplained();
  const counted: [number, string][] = [
    [lost, 'devices are not told'],
    [doubled, 'states were told twice'],
    [backwards, 'states went backwards'],
    [misrouted, 'devices were told to another tenant'],
    [misroutedCalls, 'device calls were answered for another computer'],
    [unexplained.length, 'calls failed while nothing explains it'],
  ];
  return [
    ...(outcomes.refusedForLoad() > mostRefused ? ['too many calls were refused for the load'] : []),
    ...judged.filter(({ verdict }) => verdict === 'grows').map(({ name }) => `${name} grows`),
    ...unverified.map(([state, count]) => `${count} reports are ${state}`),
    ...counted.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`),
    ...unexplainedKinds(outcomes),
    ...complaints,
    ...proof.notes,
  ];
}

export function findingOf(soaked: Soaked): Finding {
  const { judged, misroutedCalls, outcomes, proof, pushesAccepted, title, webhooksAccepted } = soaked;
  const faults = faultsOf(soaked);
  const { backwards, doubled, doubledAfterCrash, lost, misrouted, reportsTaken, states } = proof;
  const verified = states.verified ?? 0;
  return {
    title,
    lines: [
      ...columns([['', 'first tenth', 'last tenth', 'slope/h', '95 %', ''], ...judged.map(row)]),
      '',
      ...columns([
        ['calls', 'outcome', ''],
        ...outcomes.counts().map(({ calls, kind, outcome }) => [kind, outcome, whole(calls)]),
      ]),
      '',
      `${whole(webhooksAccepted)} webhooks and ${whole(pushesAccepted)} pushes accepted, ${whole(reportsTaken)} reports taken by Intune, ${whole(verified)} of ${whole(Object.values(states).reduce((sum, count) => sum + count, 0))} devices verified in the end`,
      `misrouted ${misrouted + misroutedCalls}, lost ${lost}, doubled ${doubled} (after a stop of the database ${doubledAfterCrash}), backwards ${backwards}`,
      ...faults.map((fault) => `missed  ${fault}`),
      faults.length === 0 ? 'holds   nothing grows, nothing is lost' : '',
    ],
    data: {
      judged,
      calls: outcomes.counts(),
      proof,
      misroutedCalls,
      webhooksAccepted,
      pushesAccepted,
      faults,
    },
    fails: faults.length > 0,
  };
}
