import { expect, it } from 'vitest';
import { runSeed } from './routes/world.ts';

/** Routes in memory under every trouble that a seed can think of (docs/architecture.md). */

const one = process.env.ESPALIER_SIMULATION_SEED;
const count = Number(process.env.ESPALIER_SIMULATION_SEEDS ?? (one === undefined ? 12 : 1));
const tailLines = 80;

/** Fresh seeds every time: the run prints them, and a failing one can be run again. */
const firstSeed = one === undefined ? Date.now() % 1_000_000_000 : Number(one);
const seeds: readonly number[] = Array.from({ length: count }, (_, index) => firstSeed + index);

async function check(seed: number): Promise<void> {
  const { answers, breach, last } = await runSeed(seed);
  if (breach !== undefined) {
    const again = `ESPALIER_SIMULATION_SEED=${seed} npx vitest run test/simulation/routes.test.ts`;
    throw new Error(`seed ${seed}: ${breach}\n${last(tailLines).join('\n')}\n\nAgain: ${again}`);
  }
  expect(answers).toBeGreaterThan(1_000);
}

it.skipIf(one !== undefined)('is the same for the same seed', async () => {
  const seed = seeds[0]!;
  const first = await runSeed(seed);
  expect((await runSeed(seed)).hash).toBe(first.hash);
});

it(`no answer is older than what was heard, with seed ${seeds[0]}${seeds.length > 1 ? ` to ${seeds.at(-1)}` : ''}`, {
  timeout: 3_600_000,
}, async () => {
  for (const seed of seeds) await check(seed);
});
