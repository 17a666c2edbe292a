import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const named = (folder: string, names: readonly string[]): string[] =>
  names.map((name) => `test/${folder}/${name}.test.ts`);

/** They hold answers, or what notices a process that ends, to a bound by the clock, and so run with fewer beside them, after all others. */
const timed = [
  ...named('conformance', [
    'worker-delivery',
    'worker-shared-rows',
    'worker-round-trips',
    'worker-warm',
    'worker-outage',
    'worker-hang',
  ]),
  ...named('system', [
    'start',
    'notifications',
    'pipelining',
    'database-settings',
    'outage',
    'static-stability',
    'breaker',
    'fair-intake',
    'overload',
    'rolling-restart',
    'fair-operators',
    'connections',
    'snapshot-age',
    'fair-calls',
    'gauges',
  ]),
];

/** Files of half a minute, longest first. One of them that began last would run alone in the end. */
const longest = [
  ...timed,
  ...named('system', [
    'polling',
    'check-ins',
    'import-export',
    'static-stability-safety',
    'doctor',
    'deliverer-slice',
    'processes',
    'connection',
  ]),
  ...named('conformance', ['worker-telemetry']),
  ...named('system', ['package']),
  ...named('conformance', ['worker-snapshot']),
  ...named('system', [
    'refused-tokens',
    'adversity',
    'cli',
    'doctor-service-down',
    'fast-lane',
    'operations',
    'heartbeat',
    'acme',
    'import-backlog',
    'apply',
    'operators-guide',
    'environment',
    'pooler',
    'recovery',
    'certificate-directory',
    'entra-errors',
    'api-isolation',
    'prometheus',
    'moves-traffic',
    'api-malformed',
    'large-pushes',
    'named-in-bulk',
    'missed-webhooks',
    'approvals',
  ]),
  'test/simulation/delivery.test.ts',
  'test/simulation/routes.test.ts',
  'test/simulation/computers.test.ts',
];

/** A clean clone has no times of an earlier run, and the size of a file says little of how long it takes. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((name) => moduleId.endsWith(`/${name}`));
      return at < 0 ? longest.length : at;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

const inSystem = {
  environment: 'node',
  isolate: false,
  globalSetup: 'test/harness/postgres.setup.ts',
  setupFiles: 'test/harness/kept-keys.setup.ts',
  testTimeout: 60_000,
  hookTimeout: 60_000,
} as const;

/**
 * Two cores are the smallest machine the suite runs on, and files wait for more than half of their time. With more than three at
 * once answers would come later than the timed tests allow.
 */
const together = { maxWorkers: 4, sequence: { groupOrder: 0 } } as const;
const fewTogether = { maxWorkers: 3, sequence: { groupOrder: 1 } } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts'],
          environment: 'node',
          isolate: false,
          // Of properties of many runs, on a machine that does other work too.
          testTimeout: 20_000,
          ...together,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          // In a browser: vitest.browser.config.ts. With an ACME authority: vitest.acme.config.ts. docs/install.md:
          // vitest.packaging.config.ts.
          exclude: ['test/browser/**', 'test/acme/**', 'test/packaging/**', ...timed],
          ...inSystem,
          ...together,
        },
      },
      { test: { name: 'timed', include: timed, ...inSystem, ...fewTogether } },
    ],
    sequence: { sequencer: LongestFirst },
    reporters: ['default'],
  },
});
