import { Hono } from 'hono';
import { afterAll, expect, test } from 'vitest';
import { createLandingDirectory } from '../forwarding/landing-directory.ts';
import { defaultLandingPaths } from '../forwarding/landing-paths.ts';
import { newId } from '../ids.ts';
import { createRouteLookup } from '../routing/lookup.ts';
import { openBreaker, openDatabase } from '../store/database.ts';
import { createInstanceDirectory } from '../store/instances/instance.ts';
import { createTenantDirectory } from '../store/tenants/tenant.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { addLandingRoutes } from './landing.ts';
import { beginListener, finishListener, type ListenerEnv } from './listener.ts';
import { createRateLimit } from './rate.ts';

let now = 0;
/** Nothing listens at port 1. */
const url = 'postgres://espalier@127.0.0.1:1/espalier';
const breaker = openBreaker(url);
const sql = openDatabase(url, { connections: 1, applicationName: 'test', breaker });
const lines: string[] = [];
const log = createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });
const app = new Hono<ListenerEnv>();
beginListener(app, { name: 'data', log, metrics: createMetrics() });
addLandingRoutes(app, {
  directory: createLandingDirectory({
    sql,
    routes: createRouteLookup({ sql, entries: 0, onLookup: () => undefined }),
    known: { tenants: createTenantDirectory(sql), instances: createInstanceDirectory(sql) },
    maxAgeMs: 0,
  }),
  paths: defaultLandingPaths,
  deviceParams: ['deviceId'],
  rate: createRateLimit(1, () => now),
  facts: { remoteAddress: () => '192.0.2.1' },
  tenants: { tenant: async () => undefined },
  passOn: async () => expect.unreachable(),
  log,
});
finishListener(app);
afterAll(async () => {
  breaker.close();
  await sql.end({ timeout: 0 });
});

const visit = async (tenantId: string, language = 'en') =>
  app.request(`/t/${tenantId}/enroll`, { headers: { 'accept-language': language } });

test('a page that says to come back, while the database is away and nothing is known of the tenant', async () => {
  const answer = await visit(newId());
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(30);
  expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
  expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(await answer.text()).toContain('Please try again in a minute');
  expect(await (await visit(newId(), 'fr')).text()).toContain('Veuillez réessayer dans une minute');
  expect(lines.join()).toContain('store.unavailable');
});

test('a page that says to come back, for the third visitor in a second of tenants that nobody has met', async () => {
  now += 10_000;
  const statuses = [];
  for (let turn = 0; turn < 3; turn += 1) statuses.push((await visit(newId())).status);
  expect(statuses).toEqual([503, 503, 429]);
  const refused = await visit(newId());
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect(await refused.text()).toContain('Please try again in a moment');
  now += 1_000;
  expect((await visit(newId())).status).toBe(503);
});

test('405 with Allow for what is no visit', async () => {
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const answer = await app.request(`/t/${newId()}/remediate`, { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  }
});
