import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files of half a minute, longest first. One of them that began last would run alone in the end. */
const longest = [
  'conformance/worker-delivery',
  'conformance/worker-snapshot',
  ...[
    'polling',
    'connections',
    'pipelining',
    'outage',
    'start',
    'notifications',
    'refused-tokens',
    'doctor',
    'connection',
    'import-export',
    'doctor-service-down',
    'adversity',
    'heartbeat',
    'fast-lane',
    'package',
    'import-backlog',
    'breaker',
  ].map((name) => `system/${name}`),
].map((name) => `/test/${name}.test.ts`);

/** A clean clone has no times of an earlier run, and the size of a file says little of how long it takes. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((name) => moduleId.endsWith(name));
      return at < 0 ? longest.length : at;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts'],
          environment: 'node',
          isolate: false,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          // In a browser: vitest.browser.config.ts. With an ACME authority: vitest.acme.config.ts.
          exclude: ['test/browser/**', 'test/acme/**'],
          environment: 'node',
          isolate: false,
          globalSetup: ['test/harness/postgres.setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
    // Two cores are the smallest machine the suite runs on, and files wait for half of their time. With one more worker
    // answers would come later than the tests of outages allow.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    reporters: ['default'],
  },
});
