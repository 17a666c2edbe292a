import { parseArgs } from 'node:util';

export interface MoveOptions {
  readonly macs: number;
  readonly rate: number;
  readonly changes: number;
  readonly percent: number;
  /** Seconds between two steps. */
  readonly step: number;
  readonly gateways: number;
}

export const usage = `npm run test:moves -- [--macs N] [--rate R] [--changes C] [--percent P] [--step S] [--gateways G]

  --macs N      Macs that both instances know (10000)
  --rate R      device calls in a second (1000)
  --changes C   Macs that change in a second, told by pushes of both instances (20)
  --percent P   of a step on the way to the half (10)
  --step S      seconds between two steps (2)
  --gateways G  espalier serve on one database (2)`;

const defaults = { macs: 10_000, rate: 1_000, changes: 20, percent: 10, step: 2, gateways: 2 };
const largest = { macs: 100_000, rate: 20_000, changes: 1_000, percent: 50, step: 600, gateways: 8 };

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
    if (text.trim() === '' || !Number.isInteger(value) || value < 1 || value > largest[name])
      throw new RangeError(`--${name} has to be a whole number from 1 to ${largest[name]}, not ${text}`);
    return value;
  };
  return {
    macs: read('macs'),
    rate: read('rate'),
    changes: read('changes'),
    percent: read('percent'),
    step: read('step'),
    gateways: read('gateways'),
  };
}
