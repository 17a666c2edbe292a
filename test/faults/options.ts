import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface StormOptions {
  readonly seed: number;
  /** Storms after each other, of this seed and the ones that follow it. */
  readonly seeds: number;
  /** Of storm; what comes before and after it is not counted. */
  readonly seconds: number;
  readonly macs: number;
  /** What the gateways are: processes of `espalier serve`, or both Workers on workerd. */
  readonly runtime: 'node' | 'workers';
  /** Changes of Macs in a second. */
  readonly rate: number;
  /**
   * Share of webhooks that never leave, 0 to 1. At 0 those that meet no gateway are sent again too, nothing is polled,
   * and each has to be told in time.
   */
  readonly lost: number;
  /** Devices in a message; undefined: by the seed. */
  readonly batch: number | undefined;
  /** How long everything may take to come true at the end. */
  readonly settleSeconds: number;
}

export const usage = `npm run test:faults -- [--workers] [--seed N] [--seeds K] [--seconds S] [--macs N] [--rate R]
                       [--lost SHARE] [--batch N] [--settle S]

  --workers     the gateway is both Workers on workerd (npm run test:workers-storm); defaults of this storm behind the slash
  --seed N      the storm's seed; default: by chance
  --seeds K     K storms after each other, of the seeds N, N+1, … (1)
  --seconds S   how long it storms (180 / 150)
  --macs N      Macs over all instances (5000 / 1000)
  --rate R      changes of Macs in a second (50 / 8)
  --lost SHARE  share of webhooks that are lost on their way (0.05 / 0); 0: none at all, not even while no gateway runs;
                then polls and reconciliations are off, and what was answered 202 has to be told in time
  --batch N     devices in a message (by the seed: 1 or 20)
  --settle S    how long Intune may take to hold the newest state of every device at the end (240)`;

const defaults = {
  node: { seconds: 180, macs: 5000, rate: 50, lost: 0.05 },
  workers: { seconds: 150, macs: 1000, rate: 8, lost: 0 },
} as const;

const flags = ['seed', 'seeds', 'seconds', 'macs', 'rate', 'lost', 'batch', 'settle'] as const;

function numberOf(name: string, text: string | undefined, low: number, high: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !(value >= low && value <= high)) {
    throw new RangeError(`--${name} has to be a number from ${low} to ${high}, not ${text}`);
  }
  return value;
}

/** Throws `RangeError` or `TypeError` with a message for people. */
export function readOptions(args: readonly string[]): StormOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      workers: { type: 'boolean' },
      ...Object.fromEntries(flags.map((name) => [name, { type: 'string' as const }])),
    },
  });
  const { workers = false, ...others } = values;
  const runtime = workers ? 'workers' : 'node';
  const usual = defaults[runtime];
  const given = others as Partial<Record<(typeof flags)[number], string>>;
  const whole = (name: (typeof flags)[number], low: number, high: number): number | undefined => {
    const value = numberOf(name, given[name], low, high);
    return value === undefined ? undefined : Math.trunc(value);
  };
  return {
    runtime,
    seed: whole('seed', 0, 0xffff_ffff) ?? Math.trunc(Math.random() * 1_000_000),
    seeds: whole('seeds', 1, 1000) ?? 1,
    seconds: whole('seconds', 5, 86_400) ?? usual.seconds,
    macs: whole('macs', 5, 100_000) ?? usual.macs,
    rate: numberOf('rate', given.rate, 0.1, 1000) ?? usual.rate,
    lost: numberOf('lost', given.lost, 0, 1) ?? usual.lost,
    batch: whole('batch', 1, 1000),
    settleSeconds: whole('settle', 1, 86_400) ?? 240,
  };
}
