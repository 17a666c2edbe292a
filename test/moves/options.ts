import { parseArgs } from 'node:util';

export interface MoveOptions {
  readonly macs: number;
  readonly rate: number;
  readonly changes: number;
  readonly percent: number;
  /** Seconds between two steps. */
  readonly step: number;
  readonly gateways: number;
  /** 1: afterwards everything is moved for good. */
  readonly all: number;
}

export const usage = `npm run test:moves -- [--macs N] [--rate R] [--changes C] [--percent P] [--step S] [--gateways G]
                      [--all 1]

  --macs N      Macs that both instances know (10000)
  --rate R      device calls in a second (1000)
  --changes C   Macs that change in a second, told by pushes of both instances (20)
  --percent P   of a step on the way to the half (10)
  --step S      seconds between two steps (2)
  --gateways G  espalier serve on one database (2)
  --all 1       afterwards everything is moved for good (0)`;

const defaults = { macs: 10_000, rate: 1_000, changes: 20, percent: 10, step: 2, gateways: 2, all: 0 };
const least = { ...defaults, macs: 1, rate: 1, changes: 1, percent: 1, step: 1, gateways: 1 };
const largest = { macs: 100_000, rate: 20_000, changes: 1_000, percent: 50, step: 600, gateways: 8, all: 1 };

/** Throws `RangeError` or `TypeError` with a message for people. */
export function readOptions(args: readonly string[]): MoveOptions {
  const names = Object.keys(defaults) as (keyof MoveOptions)[];
  const { values } = parseArgs({
    args: [...args],
    options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
  });
  const given = values as Partial<Record<keyof MoveOptions, string>>;
  const read = (name: keyof MoveOptions): number => {
    const text = given[name];
    if (text === undefined) return defaults[name];
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least[name] || value > largest[name])
      throw new RangeError(
        `--${name} has to be a whole number from ${least[name]} to ${largest[name]}, not ${text}`,
      );
    return value;
  };
  return {
    macs: read('macs'),
    rate: read('rate'),
    changes: read('changes'),
    percent: read('percent'),
    step: read('step'),
    gateways: read('gateways'),
    all: read('all'),
  };
}
