import { parseArgs } from 'node:util';

export interface FailoverOptions {
  readonly seed: number;
  /** Failovers after each other, each with a new cluster, of this seed and the ones that follow it. */
  readonly runs: number;
  readonly macs: number;
  /** Changes of Macs in a second. */
  readonly rate: number;
  /** Of traffic before the primary is killed, and after the replica was promoted. */
  readonly seconds: number;
  /** Between the two. */
  readonly downSeconds: number;
}

export const usage = `npm run test:failover -- [--seed N] [--runs K] [--macs N] [--rate R] [--seconds S] [--down S]

  --seed N     the seed of the Macs' changes; default: by chance
  --runs K     K failovers, of the seeds N, N+1, … (1)
  --macs N     Macs over five instances (90)
  --rate R     changes of Macs in a second (8)
  --seconds S  of traffic before the primary is killed, and again after the promotion (12)
  --down S     seconds between the two (3)`;

const bounds = {
  seed: [0, 0xffff_ffff],
  runs: [1, 1000],
  macs: [5, 100_000],
  rate: [0.1, 1000],
  seconds: [1, 86_400],
  down: [0, 3600],
} as const;
type Name = keyof typeof bounds;

/** Throws `RangeError` or `TypeError` with a message for people. */
export function readOptions(args: readonly string[]): FailoverOptions {
  const { values } = parseArgs({
    args: [...args],
    options: Object.fromEntries(Object.keys(bounds).map((name) => [name, { type: 'string' as const }])),
  });
  const given = values as Partial<Record<Name, string>>;
  const read = (name: Name, otherwise: number): number => {
    const text = given[name];
    if (text === undefined) return otherwise;
    const [low, high] = bounds[name];
    const value = Number(text);
    if (text.trim() === '' || !(value >= low && value <= high)) {
      throw new RangeError(`--${name} has to be a number from ${low} to ${high}, not ${text}`);
    }
    return value;
  };
  return {
    seed: Math.trunc(read('seed', Math.trunc(Math.random() * 1_000_000))),
    runs: Math.trunc(read('runs', 1)),
    macs: Math.trunc(read('macs', 90)),
    rate: read('rate', 8),
    seconds: read('seconds', 12),
    downSeconds: read('down', 3),
  };
}
