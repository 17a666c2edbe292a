import { defineConfig } from 'vitest/config';

/** `npm run test:packaging`: docs/install.md rehearsed. Programs of Debian's that are missing skip what needs them, but not in CI. */
export default defineConfig({
  test: {
    name: 'packaging',
    include: ['test/packaging/**/*.test.ts'],
    environment: 'node',
    globalSetup: ['test/packaging/tools.setup.ts'],
    // An image is built, packages are installed.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 1,
    isolate: false,
  },
});
