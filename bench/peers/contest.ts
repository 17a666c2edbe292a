import { median } from '../rounds.ts';
import { wait } from '../run.ts';
import type { Contestant } from './contestants.ts';
import { between, type LookUps, missedShare, readLookUps } from './look-ups.ts';
import { prove } from './prove.ts';
import type { PeerScene } from './scene.ts';
import { type LoadTarget, loadRound, type Round } from './wrk.ts';

/** Rounds in turn, and what one round says beside another of the same time. */

export interface Course {
  readonly name: string;
  /** In order; the same index in two courses is the same minute of the machine. */
  readonly rounds: readonly Round[];
  /** Of a gateway that tells: its look-ups in all rounds. */
  readonly lookUps: LookUps | undefined;
}

export interface Contest {
  readonly scene: PeerScene;
  readonly contestants: readonly Contestant[];
  readonly rounds: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

const warmUpSeconds = 2;
/** Node.js compiles what it finds hot; and a gateway may still have to learn routes. */
const warmUpRequests = 150_000;
const warmBelowShare = 0.001;
/** Of a gateway that gets there late or never. */
const warmUps = 15;
/** Until what the last one left behind (open sockets, garbage) is done with. */
const betweenMs = 200;

type Target = Contestant & LoadTarget;

async function warmUp(target: Target, { scene, signal }: Contest): Promise<void> {
  let requests = 0;
  for (let time = 0; time < warmUps; time += 1) {
    const before = target.ops === undefined ? undefined : await readLookUps(target.ops);
    const { requestsPerSecond } = await loadRound(target, warmUpSeconds, scene.load, signal);
    requests += requestsPerSecond * warmUpSeconds;
    const missed =
      target.ops === undefined || before === undefined
        ? 0
        : missedShare(between(before, await readLookUps(target.ops)));
    if (requests >= warmUpRequests && missed < warmBelowShare) return;
  }
}

/** Everyone proves its work and warms up, then they take turns; each round begins with another one. */
export async function contest(options: Contest): Promise<Course[]> {
  const { contestants, rounds, scene, seconds, signal } = options;
  const targets: Target[] = [];
  for (const contestant of contestants) {
    targets.push({ ...contestant, answerWireBytes: await prove(contestant, scene) });
  }
  for (const target of targets) await warmUp(target, options);
  const lookUps = async () =>
    Promise.all(targets.map(({ ops }) => (ops === undefined ? undefined : readLookUps(ops))));
  const before = await lookUps();
  const measured = targets.map(() => [] as Round[]);
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < targets.length; turn += 1) {
      const at = (round + turn) % targets.length;
      measured[at]!.push(await loadRound(targets[at]!, seconds, scene.load, signal));
      await wait(betweenMs, signal);
    }
  }
  const after = await lookUps();
  return targets.map(({ name }, at) => {
    const [from, to] = [before[at], after[at]];
    return { name, rounds: measured[at]!, lookUps: from && to && between(from, to) };
  });
}

export const medianOf = ({ rounds }: Course, value: (round: Round) => number): number =>
  median(rounds.map(value));

export interface Ratio {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Bounds of the median that hold with 95 % (its ranks are those of a binomial distribution). */
  readonly from: number;
  readonly to: number;
}

/** Of quotients of rounds that stood side by side, which is not the quotient of two medians. */
export function pairedRatio(upper: Course, lower: Course, value: (round: Round) => number): Ratio {
  const sorted = upper.rounds
    .map((round, at) => value(round) / value(lower.rounds[at] ?? round))
    .sort((a, b) => a - b);
  const last = sorted.length - 1;
  const ranks = Math.ceil(0.98 * Math.sqrt(sorted.length));
  const at = (index: number): number => sorted[Math.min(last, Math.max(0, index))] ?? Number.NaN;
  const middle = Math.floor(sorted.length / 2);
  return {
    median: median(sorted),
    min: at(0),
    max: at(last),
    from: at(middle - ranks),
    to: at(last - middle + ranks),
  };
}
