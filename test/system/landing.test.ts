import fc from 'fast-check';
import { Hono } from 'hono';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLandingDirectory } from '../../src/forwarding/landing-directory.ts';
import { defaultLandingPaths } from '../../src/forwarding/landing-paths.ts';
import { addLandingRoutes } from '../../src/gateway/landing.ts';
import { beginListener, type ListenerEnv } from '../../src/gateway/listener.ts';
import { createRateLimit } from '../../src/gateway/rate.ts';
import { createRouteLookup } from '../../src/routing/lookup.ts';
import type { VisitResult } from '../../src/simulator/microsoft/browser.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createInstanceDirectory } from '../../src/store/instances/instance.ts';
import { createTenantDirectory } from '../../src/store/tenants/tenant.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** Browsers whom Microsoft sends to the pages with which the gateway provisioned the tenant. */
describe('landing pages', () => {
  let scene: Scene;
  /** Two instances. */
  let tenantId: string;
  /** One instance. */
  let otherTenantId: string;
  let added: Map<string, AddedInstance>;
  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 2 },
              { name: 'paris', macs: 4, contextPath: '/jss' },
            ],
          },
          { instances: [{ name: 'oslo', macs: 1 }] },
        ],
      },
      environment: { ESPALIER_LANDING_PATHS: '{"selfService":"jamfselfservice://"}' },
    });
    [tenantId, otherTenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    added = new Map([
      ...(await connectTenant(scene, tenantId)),
      ...(await connectTenant(scene, otherTenantId)),
    ]);
    for (const { instance, jamfComputerId } of scene.world.fleet.truth())
      await sendWebhook(scene, added.get(instance)!, jamfComputerId);
    for (const { deviceId, tenantId: owner } of scene.world.fleet.truth())
      await eventually(async () =>
        expect((await scene.api('GET', `/tenants/${owner}/devices/${deviceId}`)).json.report?.state).toBe(
          'verified',
        ),
      );
  });
  afterAll(() => scene?.close());

  type Answered = Extract<VisitResult, { kind: 'answered' }>;
  const visit = async (
    kind: 'enroll' | 'remediate',
    more: {
      query?: string | Record<string, string>;
      language?: string;
      of?: string;
      as?: string;
      follow?: boolean;
    } = {},
  ): Promise<Answered> => {
    const { as, follow, language = 'en-GB,en;q=0.9', of = tenantId, query } = more;
    const result = await scene.world.cloud('public').browse(of, {
      kind,
      query,
      follow,
      asTenantId: as,
      headers: { 'accept-language': language },
      caPem: scene.trust,
    });
    if (result.kind !== 'answered') throw new Error(JSON.stringify(result));
    return result;
  };
  const url = (name: string): string => scene.world.instance(name).url;
  const registration = (name: string): string => `${url(name)}/DeviceRegistration.html`;
  const location = (answer: Answered) => [answer.status, answer.headers.location];
  const macsOf = (name: string) => scene.world.fleet.truth().filter((mac) => mac.instance === name);
  const instance = (name: string): AddedInstance => added.get(name)!;
  const choose = async (landing: object, of = tenantId): Promise<void> => {
    const changed = await scene.api('PATCH', `/tenants/${of}`, { landing });
    expect(changed.status, changed.text).toBe(200);
  };
  const enable = async (name: string, enabled: boolean): Promise<void> => {
    const changed = await scene.api('PATCH', `/tenants/${tenantId}/instances/${instance(name).id}`, {
      enabled,
    });
    expect(changed.status, changed.text).toBe(200);
  };
  /** A gateway looks at a tenant once a second. */
  const soon = (assertion: () => Promise<void>) => eventually(assertion, 5_000);

  beforeEach(async () => {
    await choose({ choice: 'default' });
    await soon(async () => expect((await visit('enroll')).body).toContain('Which server manages your Mac?'));
  });

  it("send a known Mac to its own instance's page, whatever its id is called and however it is written", async () => {
    const [{ deviceId } = expect.fail('no Mac')] = macsOf('paris');
    const queries: (string | Record<string, string>)[] = [
      { deviceId },
      { DEVICEID: deviceId.toUpperCase() },
      { aadDeviceId: deviceId },
      { device_id: ` ${deviceId}` },
      { mdmDeviceId: deviceId },
      `deviceId=none&deviceId=${crypto.randomUUID()}&aaddeviceid=${deviceId}`,
    ];
    for (const query of queries) {
      const answer = await visit('enroll', { query });
      expect(location(answer), JSON.stringify(query)).toEqual([302, registration('paris')]);
    }
  });

  it('bring a browser that follows to a page of that instance, and to no other', async () => {
    const [{ deviceId } = expect.fail('no Mac')] = macsOf('paris');
    scene.world.journal.clear();
    const arrived = await visit('enroll', { query: { deviceId, utm: 'kept' }, follow: true });
    expect([arrived.status, arrived.url]).toEqual([200, registration('paris')]);
    expect(arrived.body).toContain('paris: open Self Service');
    expect(scene.world.journal.list({ service: 'jamf:berlin', path: 'DeviceRegistration' })).toEqual([]);
    expect(scene.world.journal.list({ service: 'jamf:paris', path: 'DeviceRegistration' })).toHaveLength(1);
  });

  it('go by the route also where the tenant denies strangers or sends them elsewhere', async () => {
    const [{ deviceId } = expect.fail('no Mac')] = macsOf('berlin');
    await choose({ choice: 'denied' });
    await soon(async () => expect((await visit('enroll')).status).toBe(403));
    expect(location(await visit('enroll', { query: { deviceId } }))).toEqual([302, registration('berlin')]);
    expect((await visit('enroll')).body).toContain('Access denied');
    await choose({ choice: 'custom', customUrl: 'https://203.0.114.7/mac?from=microsoft' });
    await soon(async () =>
      expect(location(await visit('remediate'))).toEqual([302, 'https://203.0.114.7/mac?from=microsoft']),
    );
    expect(location(await visit('enroll', { query: { deviceId } }))).toEqual([302, registration('berlin')]);
  });

  it('send everybody to the only instance', async () => {
    const query = { deviceId: crypto.randomUUID() };
    for (const more of [{}, { query }])
      expect(location(await visit('enroll', { ...more, of: otherTenantId }))).toEqual([
        302,
        registration('oslo'),
      ]);
  });

  it("send a stranger to the default instance, and not to one that is another tenant's", async () => {
    await choose({ choice: 'default', defaultInstanceId: instance('paris').id });
    await soon(async () => expect(location(await visit('enroll'))).toEqual([302, registration('paris')]));
    const refused = await scene.api('PATCH', `/tenants/${tenantId}`, {
      landing: { choice: 'default', defaultInstanceId: instance('oslo').id },
    });
    expect([refused.status, refused.json.errors[0].field]).toEqual([400, 'landing.defaultInstanceId']);
  });

  it('let a stranger choose where several instances could serve', async () => {
    const { body, headers, status } = await visit('enroll');
    expect(status).toBe(200);
    const links = [...body.matchAll(/<a href="([^"]+)">(\w+) /g)].map(([, href, name]) => [name, href]);
    expect(links).toEqual([
      ['berlin', registration('berlin')],
      ['paris', registration('paris')],
    ]);
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=UTF-8',
      'cache-control': 'no-store',
      'content-language': 'en',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      vary: 'accept-language',
    });
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+';.* frame-ancestors 'none'$/,
    );
  });

  it('do not offer a disabled instance, and offer a paused one', async () => {
    const [{ deviceId } = expect.fail('no Mac')] = macsOf('berlin');
    await enable('berlin', false);
    try {
      await soon(async () => expect(location(await visit('enroll'))).toEqual([302, registration('paris')]));
      // Its Mac is nobody's now.
      expect(location(await visit('enroll', { query: { deviceId } }))).toEqual([302, registration('paris')]);
    } finally {
      await enable('berlin', true);
    }
    await soon(async () => expect((await visit('enroll')).status).toBe(200));
    await scene.api('POST', `/tenants/${tenantId}/instances/${instance('berlin').id}/pause`);
    try {
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      expect((await visit('enroll')).body).toContain(registration('berlin'));
    } finally {
      await scene.api('POST', `/tenants/${tenantId}/instances/${instance('berlin').id}/resume`);
    }
  });

  it('speak French to who prefers it', async () => {
    const page = await visit('enroll', { language: 'fr-CA,fr;q=0.9,en;q=0.5' });
    expect(page.body).toContain('<html lang="fr">');
    expect(page.body).toContain('Quel serveur gère votre Mac');
    expect(page.headers['content-language']).toBe('fr');
    expect((await visit('enroll', { language: 'de,fr;q=0.1,en;q=0.2' })).body).toContain('<html lang="en">');
  });

  it('say the same of a tenant that is not here and of what is no tenant', async () => {
    const unknown = await visit('enroll', { as: crypto.randomUUID() });
    const malformed = await visit('enroll', { as: 'contoso' });
    expect([unknown.status, malformed.status]).toEqual([404, 404]);
    expect(malformed.body).toBe(unknown.body);
    expect(unknown.body).toContain('There is nothing here');
    const [one, two] = [unknown, malformed].map(({ headers }) => {
      const { date: _, 'x-request-id': __, ...rest } = headers;
      return rest;
    });
    expect(one).toEqual(two);
  });

  it("treat another tenant's Mac like one that nobody knows", async () => {
    const [{ deviceId } = expect.fail('no Mac')] = macsOf('oslo');
    for (const kind of ['enroll', 'remediate'] as const) {
      const nobody = crypto.randomUUID();
      const theirs = await visit(kind, { query: { deviceId } });
      const nobodys = await visit(kind, { query: { deviceId: nobody } });
      expect([theirs.status, theirs.body.replaceAll(deviceId, nobody)]).toEqual([
        nobodys.status,
        nobodys.body,
      ]);
    }
  });

  it('tell the person at a Mac that fails what to do, and nothing of the Mac', async () => {
    const mac = macsOf('paris')[1] ?? expect.fail('no Mac');
    const person = scene.world.fleet.findByDevice(mac.deviceId)!;
    scene.world.fleet.setCompliant(person, false);
    await sendWebhook(scene, instance('paris'), mac.jamfComputerId);
    const page = await eventually(async () => {
      const found = await visit('remediate', { query: { deviceId: mac.deviceId } });
      expect(found.body).toContain('This Mac does not meet the requirements');
      return found;
    });
    expect(page.status).toBe(200);
    expect(page.body).toContain('<dd>paris</dd>');
    expect(page.body).toContain(`<a href="${registration('paris')}">Registration page of paris</a>`);
    expect(page.body).toContain('<a class="main" href="jamfselfservice://">Open Self Service</a>');
    await eventually(async () => {
      const { body } = await visit('remediate', { query: { deviceId: mac.deviceId } });
      expect(body).not.toContain('on its way');
      const [row] = await scene.database.sql<{ at: Date }[]>`
        select accepted_at as at from reports where tenant_id = ${tenantId} and device_id = ${mac.deviceId}`;
      expect(body).toContain(`<time datetime="${row?.at.toISOString()}">`);
    });
    for (const secret of [mac.userId, mac.serialNumber, mac.udid, mac.deviceName, mac.osVersion])
      expect(page.body.toLowerCase()).not.toContain(secret.toLowerCase());
  });

  it('lead to the same Mac in the other language, with its id and nothing else of the address', async () => {
    const mac = macsOf('paris')[1] ?? expect.fail('no Mac');
    const query = `trace=7&DEVICE_ID=${mac.deviceId.toUpperCase()}&deviceId="><b>&language=en&token=secret`;
    const page = await visit('remediate', { query, language: 'fr' });
    expect(page.headers['content-language']).toBe('en');
    const link = /<a href="([^"]+)" lang="fr"/.exec(page.body)?.[1]?.replaceAll('&amp;', '&');
    expect(link).toBe(`?deviceId=${mac.deviceId}&language=fr`);
    expect(page.body).not.toMatch(/secret|trace|<b>/);
    const other = await visit('remediate', { query: link?.slice(1) ?? '' });
    expect([other.status, other.headers['content-language']]).toEqual([page.status, 'fr']);
    expect(other.body).toContain('<dd>paris</dd>');
    expect(other.body).toContain(`href="?deviceId=${mac.deviceId}&amp;language=en" lang="en"`);
  });

  it('tell the person at a Mac that passes why Microsoft may refuse all the same', async () => {
    const mac = macsOf('paris').find(({ compliant }) => compliant === true) ?? expect.fail('no Mac');
    const page = await visit('remediate', { query: { deviceId: mac.deviceId }, language: 'fr' });
    expect(page.body).toContain('Ce Mac remplit les exigences');
  });

  it('say of a registration that has ended to register again', async () => {
    const mac = macsOf('berlin')[1] ?? expect.fail('no Mac');
    scene.world.fleet.setRegistrationState(scene.world.fleet.findByDevice(mac.deviceId)!, 'DEACTIVATED');
    await sendWebhook(scene, instance('berlin'), mac.jamfComputerId);
    await eventually(async () =>
      expect((await visit('remediate', { query: { deviceId: mac.deviceId } })).body).toContain(
        'The registration of this Mac with Microsoft has ended',
      ),
    );
  });

  it('send a Mac that is not managed any more to enrolment', async () => {
    const mac = macsOf('paris').at(-1) ?? expect.fail('no Mac');
    scene.world.fleet.unmanage(scene.world.fleet.findByDevice(mac.deviceId)!);
    await sendWebhook(scene, instance('paris'), mac.jamfComputerId);
    const query = { deviceId: mac.deviceId };
    await eventually(async () =>
      expect(location(await visit('enroll', { query }))).toEqual([302, `${url('paris')}/enroll`]),
    );
    const arrived = await visit('remediate', { query, follow: true });
    expect([arrived.status, arrived.url]).toEqual([200, `${url('paris')}/enroll`]);
    expect(arrived.body).toContain('Enroll Your Device');
  });

  it('show and redirect the same whatever else the query says', async () => {
    const { body } = await visit('enroll');
    const [{ deviceId } = expect.fail('no Mac')] = macsOf('paris');
    const name = fc.string({ minLength: 1 }).filter((text) => !/device_?id$/i.test(text));
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, fc.string({ unit: 'grapheme' })),
        fc.string(),
        async (query, noise) => {
          expect((await visit('enroll', { query })).body).toBe(body);
          const known = await visit('enroll', { query: { ...query, deviceId } });
          expect(location(known)).toEqual([302, registration('paris')]);
          const raw = noise.replace(/[^!-~]|[#\s]/g, '%').replace(/device/gi, '');
          expect((await visit('enroll', { query: raw })).body).toBe(body);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('answer HEAD without a body and refuse other methods', async () => {
    const head = await scene.data(`/t/${tenantId}/enroll`, { method: 'HEAD' });
    expect([head.status, head.text, head.headers['content-language']]).toEqual([200, '', 'en']);
    const posted = await scene.data(`/t/${tenantId}/enroll`, { method: 'POST' });
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD']);
  });

  it('log the names of parameters that Microsoft adds, once and without their values', async () => {
    for (const value of ['first-value', 'second-value'])
      await visit('enroll', { query: { trustedParameter: value, '<b>': value } });
    const lines = scene.gateway
      .output()
      .split('\n')
      .filter((line) => line.includes('landing.parameter'));
    expect(lines.filter((line) => line.includes('trustedParameter'))).toHaveLength(1);
    expect(scene.gateway.output()).not.toMatch(/first-value|second-value/);
    expect(lines.join()).not.toContain('<b>');
  });

  it.each([
    ['without https', 'http://www.example.com/', 'landing.customUrl'],
    ['that is a script', 'javascript:alert(1)', 'landing.customUrl'],
    ['with a user', 'https://user:secret@www.example.com/', 'landing.customUrl'],
    ['in a private network', 'https://10.0.0.1/', 'landing.customUrl'],
    ['of the metadata service', 'https://169.254.169.254/', 'landing.customUrl'],
  ])('do not take a custom address %s', async (_what, customUrl, field) => {
    const refused = await scene.api('PATCH', `/tenants/${tenantId}`, {
      landing: { choice: 'custom', customUrl },
    });
    expect([refused.status, refused.json.errors[0].field]).toEqual([400, field]);
    const created = await scene.api('POST', '/tenants', {
      tenantId: crypto.randomUUID(),
      displayName: 'New',
      landing: { choice: 'custom', customUrl },
    });
    expect([created.status, created.json.errors[0].field]).toEqual([400, field]);
  });

  /** The pages in this process, on the scene's database, with a clock of their own. */
  const inProcess = () => {
    const sql = openDatabase(scene.database.url, { connections: 1, applicationName: 'landing-test' });
    const clock = { now: Date.now() };
    const routes = createRouteLookup({ sql, entries: 0, onLookup: () => undefined });
    const known = { tenants: createTenantDirectory(sql), instances: createInstanceDirectory(sql) };
    const directory = createLandingDirectory({
      ...{ sql, routes, known },
      maxAgeMs: 24 * 3_600_000,
      now: () => clock.now,
    });
    const log = createLog({ level: 'error', format: 'json', write: () => undefined });
    const app = new Hono<ListenerEnv>();
    beginListener(app, { name: 'data', log, metrics: createMetrics() });
    const rate = createRateLimit(1, () => clock.now);
    const facts = { remoteAddress: () => undefined };
    addLandingRoutes(app, {
      ...{ directory, facts, rate, log },
      tenants: { tenant: async () => undefined },
      passOn: async () => expect.unreachable(),
      paths: defaultLandingPaths,
      deviceParams: ['deviceId'],
    });
    const statusOf = async (of: string) => (await app.request(`/t/${of}/enroll`)).status;
    return { clock, directory, sql, statusOf };
  };

  it("are bounded per tenant: a flood for one, or for invented ones, does not take another's", async () => {
    const { clock, sql, statusOf } = inProcess();
    try {
      expect([await statusOf(tenantId), await statusOf(otherTenantId)]).toEqual([200, 302]);
      clock.now += 10_000;
      const statuses: number[] = [];
      for (let turn = 0; turn < 3; turn += 1) statuses.push(await statusOf(tenantId));
      expect(statuses).toEqual([200, 200, 429]);
      for (const expected of [404, 404, 429]) expect(await statusOf(crypto.randomUUID())).toBe(expected);
      expect(await statusOf(otherTenantId)).toBe(302);
    } finally {
      await sql.end();
    }
  });

  it('are served from the last look while the database is away, for a day', async () => {
    const { clock, directory, sql, statusOf } = inProcess();
    const known = await directory.facts(tenantId, []);
    expect(known?.instances.map(({ name }) => name)).toEqual(['berlin', 'paris']);
    await sql.end();
    clock.now += 3_600_000;
    expect(await directory.facts(tenantId, [])).toEqual(known);
    expect(await statusOf(tenantId)).toBe(200);
    expect(await statusOf(otherTenantId)).toBe(503);
    await expect(directory.facts(tenantId, [crypto.randomUUID()])).rejects.toThrow();
    clock.now += 24 * 3_600_000;
    expect(await statusOf(tenantId)).toBe(503);
  });
});
