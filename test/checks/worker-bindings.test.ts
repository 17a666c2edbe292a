import { expect, test } from 'vitest';
import { faultsOf, readEnvironments, type WorkerConfig } from '../../.ci/worker-bindings.ts';

/** wrangler's own reading of both files, and what would be wrong with others. */

const [production, staging] = await readEnvironments();
if (production === undefined || staging === undefined) throw new Error('there is no staging');

test('both Workers have an environment beside production, with bindings, names and counters of its own', () => {
  expect(faultsOf([production, staging])).toEqual([]);
  expect(staging.name).toBe('staging');
  expect([production.data.name, staging.data.name]).toEqual(['espalier', 'espalier-staging']);
  expect([production.admin.name, staging.admin.name]).toEqual(['espalier-admin', 'espalier-admin-staging']);
});

test('what an environment lacks is named: wrangler deploys it without', () => {
  const bindings = staging.data.durable_objects.bindings.filter(({ name }) => name !== 'DELIVERER');
  const data = { ...staging.data, vars: {}, durable_objects: { bindings }, ratelimits: [] };
  expect(faultsOf([production, { ...staging, data }])).toEqual(
    ['ESPALIER_PUBLIC_URL', 'RATE_TENANT', 'RATE_INSTANCE', 'DELIVERER'].map(
      (name) =>
        `wrangler.toml [env.staging]: lacks ${name}: an environment inherits no binding and no variable`,
    ),
  );
});

test("an environment with production's routes, objects or counters is refused", () => {
  const routes = [{ pattern: 'gateway.example.com', custom_domain: true }];
  const first = { ...production, data: { ...production.data, routes } };
  const second = { ...staging, data: { ...production.data, routes }, admin: production.admin };
  expect(faultsOf([first, second])).toEqual([
    'wrangler.toml [env.staging]: has the routes of production: give it routes of its own, or routes = []',
    ...production.data.ratelimits.map(
      ({ namespace_id }) => `the rate limits' namespace_id ${namespace_id} is given twice`,
    ),
    'the bucket espalier-snapshot is given to two environments',
  ]);
  const beside = { ...staging, admin: production.admin };
  expect(faultsOf([production, beside])).toContain(
    'wrangler.admin.toml [env.staging]: DELIVERER has to be an object of the Worker that is deployed beside it: ' +
      'script_name = "espalier-staging"',
  );
});

test("a rate limit's numbers that are not those of its setting are refused, with those that are", () => {
  const faultsWith = (more: Partial<WorkerConfig>) =>
    faultsOf([{ ...production, data: { ...production.data, ...more } }]);
  const vars = { ...production.data.vars, ESPALIER_RATE_PER_TENANT: '50' };
  expect(faultsWith({ vars })).toEqual([
    'wrangler.toml: RATE_TENANT allows 12000 in 10 seconds; with ESPALIER_RATE_PER_TENANT = 50 it has to be ' +
      'simple = { limit = 600, period = 10 }',
  ]);
  const ofTenant = (limit: number, period: number) => ({
    vars,
    ratelimits: [{ name: 'RATE_TENANT', namespace_id: '1', simple: { limit, period } }],
  });
  expect(faultsWith(ofTenant(600, 10))).toEqual([]);
  // As many in a minute, but all of them may come in its first second.
  expect(faultsWith(ofTenant(3_100, 60))).toHaveLength(1);
  expect(faultsWith({ vars: { ...vars, ESPALIER_RATE_PER_TENANT: 50 } })).toEqual([
    'wrangler.toml: ESPALIER_RATE_PER_TENANT is no number that is allowed, as text in quotes',
  ]);
  const [, ofInstance] = production.data.ratelimits;
  expect(faultsWith({ ratelimits: [{ ...ofInstance!, name: 'RATE_DEVICE' }] })).toEqual([
    'wrangler.toml: binds the rate limit RATE_DEVICE, and there are only RATE_TENANT and RATE_INSTANCE',
  ]);
});
