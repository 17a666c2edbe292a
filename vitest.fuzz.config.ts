import { defineConfig } from 'vitest/config';

/** Started by `npm run test:fuzz` (test/fuzz/main.ts), one file after the other; docs/testing.md. */
export default defineConfig({
  test: {
    name: 'fuzz',
    include: ['test/fuzz/**/*.fuzz.ts'],
    environment: 'node',
    globalSetup: ['test/harness/postgres.setup.ts'],
    // Time is shared out by test/fuzz/fuzzing.ts.
    testTimeout: 660_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    disableConsoleIntercept: true,
  },
});
