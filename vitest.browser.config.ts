import { defineConfig } from 'vitest/config';
import { browserPath } from './test/harness/chromium.ts';

if (browserPath === undefined && process.env.CI !== 'true')
  process.stderr.write('No chromium is installed: the tests in a real browser are skipped.\n');

/** `npm run test:browser`: the pages in a real browser. Each file has its own, and waits for pages half of its time. */
export default defineConfig({
  test: {
    name: 'browser',
    include: ['test/browser/**/*.test.ts'],
    environment: 'node',
    globalSetup: ['test/harness/postgres.setup.ts'],
    setupFiles: ['test/harness/kept-keys.setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 3,
    expect: { poll: { timeout: 20_000 } },
  },
});
