import { defineConfig } from 'vitest/config';
import { conformance } from './test/conformance/conformance.ts';

/** `npm run test:workers`: tests of the system against both Workers on workerd (test/conformance/conformance.ts). */
export default defineConfig({
  test: {
    name: 'workers',
    include: conformance.flatMap(({ files }) =>
      files.map((file) => `test/${file.includes('/') ? '' : 'system/'}${file}.test.ts`),
    ),
    // A tenth of what `npm test` asks Node: the code behind is the same.
    env: { ESPALIER_TEST_REQUESTS: '3' },
    setupFiles: [
      'test/harness/kept-keys.setup.ts',
      'test/conformance/only-on-node.ts',
      'test/conformance/memory.setup.ts',
    ],
    environment: 'node',
    isolate: false,
    globalSetup: ['test/harness/postgres.setup.ts', 'test/conformance/workers.setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 90_000,
    maxWorkers: 4,
  },
});
