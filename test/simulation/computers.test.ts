import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { runSeed } from './computers/world.ts';

/** Computers are due by webhooks, pushes and lists in every order that a seed can think of (docs/testing.md). */

const one = process.env.ESPALIER_SIMULATION_SEED;
const count = Number(process.env.ESPALIER_SIMULATION_SEEDS ?? (one === undefined ? 15 : 1));
const firstSeed = one === undefined ? Date.now() % 1_000_000_000 : Number(one);
/**
 * Once told an older state after a newer one. A state with its date ahead was told, a read was left, and an older record was
 * pushed; a record without a date was taken in while an older one waited behind it.
 */
const known = one === undefined ? [981_299_688, 1_048] : [];
const seeds: readonly number[] = [
  ...known,
  ...Array.from({ length: count }, (_, index) => firstSeed + index),
];

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await migrateDatabase(database.url);
});
afterAll(() => database?.drop());

it.skipIf(one !== undefined)('is the same for the same seed', async () => {
  const seed = seeds[0]!;
  const first = await runSeed(database, seed);
  const second = await runSeed(database, seed);
  expect(first.trace.length).toBeGreaterThan(50);
  expect(second.trace).toEqual(first.trace);
});

it(`Intune has the newest state in the end and nothing backwards, with seed ${firstSeed} to ${seeds.at(-1)}`, {
  timeout: 3_600_000,
}, async () => {
  for (const seed of seeds) {
    const { breach, trace } = await runSeed(database, seed);
    if (breach === undefined) continue;
    const again = `ESPALIER_SIMULATION_SEED=${seed} npx vitest run test/simulation/computers.test.ts`;
    throw new Error(`seed ${seed}: ${breach}\n${trace.join('\n')}\n\nAgain: ${again}`);
  }
});
