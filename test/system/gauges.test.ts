import { afterAll, beforeAll, expect, it } from 'vitest';
import { observeGauges } from '../../src/runtime/gauges.ts';
import { createSealer } from '../../src/secrets/seal.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

type Fill = Parameters<Metrics['onScrape']>[0];

let database: TestDatabase;
let sql: Sql;
let fill: Fill;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = openDatabase(database.url, { connections: 2, applicationName: 'gauges' });
  const metrics: Metrics = {
    ...createMetrics(),
    onScrape: (given) => {
      fill = given;
    },
  };
  observeGauges({
    metrics,
    sql,
    log: createLog({ level: 'error', format: 'json', write: () => undefined }),
    sealer: await createSealer([new Uint8Array(32)]),
    credentialExpiry: () => [],
    freshForMs: 0,
  });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

/** How often each gauge was observed, and after how long all were. */
async function scrape(): Promise<{ ages: number; ms: number }> {
  let ages = 0;
  const began = performance.now();
  await fill({
    reports: () => undefined,
    reportAgeSeconds: () => {
      ages += 1;
    },
    instanceUp: () => undefined,
    instanceInfo: () => undefined,
    tenants: () => undefined,
    tenantsPermissionDrift: () => undefined,
    massChanges: () => undefined,
    heartbeatAgeSeconds: () => undefined,
    credentialExpirySeconds: () => undefined,
    sealedSecrets: () => undefined,
    acmeExpirySeconds: () => undefined,
    acmeNextTrySeconds: () => undefined,
    acmeFailedTries: () => undefined,
    snapshotAgeSeconds: () => undefined,
    degraded: () => undefined,
  });
  return { ages, ms: performance.now() - began };
}

it('a scrape does not wait for a count that takes long, and gives the last one', async () => {
  expect((await scrape()).ages).toBe(2);
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const locking = database.sql.begin(async (tx) => {
    await tx`lock table report_counts in access exclusive mode`;
    locked.resolve();
    await held;
  });
  await locked.promise;
  const slow = await scrape();
  expect(slow.ages).toBe(2);
  expect(slow.ms).toBeLessThan(2_000);
  letGo();
  await locking;
  expect((await scrape()).ages).toBe(2);
});
