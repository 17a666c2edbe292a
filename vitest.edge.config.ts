import { defineConfig } from 'vitest/config';

/** `npm run test:edge`: what strangers can do at the edge, minutes long, one file after the other; docs/testing.md. */
export default defineConfig({
  test: {
    name: 'edge',
    include: ['test/edge/**/*.edge.ts'],
    environment: 'node',
    globalSetup: ['test/harness/postgres.setup.ts'],
    // Of each file; the issue of a tool that hangs is told, too.
    testTimeout: 600_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    disableConsoleIntercept: true,
  },
});
