import { type CallerScene, type Kind, startCallerScene } from './caller-scene.ts';
import type { Caller, CallerResult } from './callers.ts';
import { median } from './rounds.ts';
import { type Finding, type Run, wait } from './run.ts';
import { columns, tenths } from './table.ts';

/**
 * Whether one noisy caller is noticed by a quiet tenant: its device calls and webhooks at a steady rate, alone and then beside
 * callers of each kind that send as fast as they are answered, in pairs of rounds in changing order. Limits are the defaults.
 */

const defaultRounds = 3;
const defaultSeconds = 5;
const quietCallsPerSecond = 50;
const quietWebhooksPerSecond = 20;
/** What a noisy one left behind is worked off before the next round. */
const restMs = 1_500;

/** The caller that disturbs the quiet tenant, and how many connections it opens. */
const noises: readonly { readonly name: string; readonly of: readonly (readonly [Kind, number])[] }[] = [
  { name: 'device calls of one tenant', of: [['calls', 64]] },
  { name: 'webhooks of one instance', of: [['webhooks', 64]] },
  { name: 'large packed pushes', of: [['large pushes', 8]] },
  { name: 'calls to an instance that hangs', of: [['calls to an instance that hangs', 800]] },
  {
    name: "an operator's lists and exports",
    of: [
      ['lists', 16],
      ['exports', 8],
    ],
  },
  { name: 'strangers without a token', of: [['no token', 64]] },
  { name: 'strangers with bad tokens', of: [['bad tokens', 64]] },
];

interface Round {
  readonly noise: string;
  readonly beside: boolean;
  readonly quiet: readonly CallerResult[];
  readonly noisy: readonly CallerResult[];
}

const callersOf = (
  { originOf, requests }: CallerScene,
  of: readonly (readonly [Kind, number])[],
): readonly Caller[] =>
  of.map(([kind, connections]) => ({
    ...{ name: kind, connections },
    origin: originOf(kind),
    requests: requests(kind, 'noisy'),
  }));

function quietCallers({ originOf, requests }: CallerScene): readonly Caller[] {
  const steady = (kind: Kind, perSecond: number): Caller => ({
    ...{ name: kind, perSecond, connections: 32 },
    origin: originOf(kind),
    requests: requests(kind, 'quiet'),
  });
  return [steady('calls', quietCallsPerSecond), steady('webhooks', quietWebhooksPerSecond)];
}

const statusesOf = (rounds: readonly Round[]): string => {
  const sum = new Map<string, number>();
  let seconds = 0;
  for (const { noisy } of rounds) {
    seconds += noisy[0]?.seconds ?? 0;
    for (const { statuses } of noisy)
      for (const [status, count] of Object.entries(statuses)) sum.set(status, (sum.get(status) ?? 0) + count);
  }
  return [...sum]
    .sort()
    .map(([status, count]) => `${status}: ${Math.round(count / seconds)}/s`)
    .join(', ');
};

function rowsOf(noise: string, rounds: readonly Round[], kind: Kind): string[] {
  const p99 = (beside: boolean): number[] =>
    rounds
      .filter((round) => round.beside === beside)
      .map(({ quiet }) => quiet.find(({ name }) => name === kind)?.p99Ms ?? 0);
  const p50 = (beside: boolean): number =>
    median(
      rounds
        .filter((round) => round.beside === beside)
        .map(({ quiet }) => quiet.find(({ name }) => name === kind)?.p50Ms ?? 0),
    );
  const [alone, beside] = [p99(false), p99(true)];
  const ratios = beside.map((ms, pair) => ms / (alone[pair] ?? ms));
  const refused = rounds
    .flatMap(({ quiet }) => quiet.filter(({ name }) => name === kind))
    .reduce(
      (count, { statuses }) =>
        count +
        Object.entries(statuses).reduce(
          (sum, [status, n]) => sum + (Number(status) < 300 && status !== '0' ? 0 : n),
          0,
        ),
      0,
    );
  const spread = `${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)}`;
  return [
    noise,
    kind,
    ...[p50(false), median(alone), p50(true), median(beside)].map(tenths),
    median(ratios).toFixed(2),
    spread,
    `${refused}`,
  ];
}

export async function noisyNeighbour(run: Run): Promise<Finding[]> {
  const { rounds: pairs = defaultRounds, seconds = defaultSeconds } = run.options;
  const scene = await startCallerScene(run, {
    ESPALIER_RATE_PER_INSTANCE: '200',
    ESPALIER_RATE_PER_TENANT: '1000',
  });
  const quiet = quietCallers(scene);
  const rounds: Round[] = [];
  const playRound = async (noise: (typeof noises)[number], beside: boolean): Promise<Round> => {
    // Handshakes are over before anybody is measured.
    if (beside) await scene.play('noisy', callersOf(scene, noise.of), 0);
    const noisy = beside ? scene.play('noisy', callersOf(scene, noise.of), seconds + 2) : Promise.resolve([]);
    // The noise has begun.
    await wait(1_000, run.signal);
    const heard = await scene.play('quiet', quiet, seconds);
    const round = { noise: noise.name, beside, quiet: heard, noisy: await noisy };
    await wait(restMs, run.signal);
    return round;
  };
  await scene.play('quiet', quiet, seconds);
  for (const noise of noises) {
    for (let pair = 0; pair < pairs; pair += 1) {
      for (const beside of pair % 2 === 0 ? [false, true] : [true, false])
        rounds.push(await playRound(noise, beside));
    }
  }
  const of = (noise: string): Round[] => rounds.filter((round) => round.noise === noise);
  const heads = [
    'beside',
    'quiet',
    'p50 alone',
    'p99 alone',
    'p50 beside',
    'p99 beside',
    'p99 ratio',
    'of pairs',
    'refused',
  ];
  return [
    {
      title: `a quiet tenant, ${quietCallsPerSecond} device calls and ${quietWebhooksPerSecond} webhooks a second, beside one noisy caller`,
      lines: [
        ...columns([
          heads,
          ...noises.flatMap(({ name }) =>
            (['calls', 'webhooks'] as const).map((kind) => rowsOf(name, of(name), kind)),
          ),
        ]),
        ...noises.map(({ name }) => `${name} got ${statusesOf(of(name).filter(({ beside }) => beside))}`),
      ],
      data: { rounds },
    },
  ];
}
