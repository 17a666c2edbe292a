import { median } from '../rounds.ts';
import { wait } from '../run.ts';
import type { Contestant } from './contestants.ts';
import { prove } from './prove.ts';
import type { PeerScene } from './scene.ts';
import { loadRound, type Round } from './wrk.ts';

/** Rounds in turn, and what one round says beside another of the same time. */

export interface Course {
  readonly name: string;
  /** In order; the same index in two courses is the same minute of the machine. */
  readonly rounds: readonly Round[];
}

export interface Contest {
  readonly scene: PeerScene;
  readonly contestants: readonly Contestant[];
  readonly rounds: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

const warmUpSeconds = 2;
/** Until what the last one left behind (open sockets, garbage) is done with. */
const betweenMs = 200;

/** Everyone proves its work and warms up, then they take turns; each round begins with another one. */
export async function contest({ contestants, rounds, scene, seconds, signal }: Contest): Promise<Course[]> {
  const targets = [];
  for (const contestant of contestants) {
    targets.push({ ...contestant, answerWireBytes: await prove(contestant, scene) });
  }
  for (const target of targets) await loadRound(target, warmUpSeconds, scene.load, signal);
  const courses = targets.map(({ name }) => ({ name, rounds: [] as Round[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < targets.length; turn += 1) {
      const at = (round + turn) % targets.length;
      courses[at]!.rounds.push(await loadRound(targets[at]!, seconds, scene.load, signal));
      await wait(betweenMs, signal);
    }
  }
  return courses;
}

export const medianOf = ({ rounds }: Course, value: (round: Round) => number): number =>
  median(rounds.map(value));

/** The median of the quotients of rounds that stood side by side, not the quotient of two medians. */
export function pairedRatio(
  upper: Course,
  lower: Course,
  value: (round: Round) => number,
): { readonly median: number; readonly least: number; readonly most: number } {
  const ratios = upper.rounds.map((round, at) => value(round) / value(lower.rounds[at] ?? round));
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}
