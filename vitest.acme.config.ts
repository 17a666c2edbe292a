import { defineConfig } from 'vitest/config';
import { hasPebble } from './test/harness/pebble.ts';

if (!hasPebble() && process.env.CI !== 'true')
  process.stderr.write('No pebble is installed: the tests with an ACME authority are skipped.\n');

/** `npm run test:acme`: certificates from a real authority, one test after the other. */
export default defineConfig({
  test: {
    name: 'acme',
    include: ['test/acme/**/*.test.ts'],
    environment: 'node',
    globalSetup: ['test/harness/postgres.setup.ts'],
    // The authority and its client wait for each other's intervals.
    testTimeout: 150_000,
    hookTimeout: 60_000,
    maxWorkers: 1,
  },
});
