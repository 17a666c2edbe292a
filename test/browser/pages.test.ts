import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signInTexts } from '../../src/admin/sign-in/texts.ts';
import { createLandingDirectory } from '../../src/forwarding/landing-directory.ts';
import { defaultLandingPaths } from '../../src/forwarding/landing-paths.ts';
import { type ConsentTexts, consentTexts } from '../../src/gateway/consent-texts.ts';
import { errorTexts } from '../../src/gateway/error-texts.ts';
import { addLandingRoutes } from '../../src/gateway/landing.ts';
import { type LandingTexts, landingTexts } from '../../src/gateway/landing-texts.ts';
import { beginListener, type ListenerEnv } from '../../src/gateway/listener.ts';
import { createRateLimit } from '../../src/gateway/rate.ts';
import { createRouteLookup } from '../../src/routing/lookup.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createInstanceDirectory } from '../../src/store/instances/instance.ts';
import { createTenantDirectory } from '../../src/store/tenants/tenant.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { browserPath, openBrowser } from '../harness/chromium.ts';
import { adminOrigin } from '../harness/console.ts';
import { openDoor } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { connectTenant, type Scene, sendWebhook, startScene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { createPageWalk, type PageWalk, type Titles, titlesIn } from '../harness/page-walk.ts';

/** The pages for people at a Mac and for customers' administrators, in a real browser; sign-in-pages.test.ts has operators'. */

const landing = (textOf: (texts: LandingTexts) => { readonly title: string }): Titles =>
  titlesIn((language) => textOf(landingTexts[language]).title);
const consent = (textOf: (texts: ConsentTexts) => { readonly title: string }): Titles =>
  titlesIn((language) => textOf(consentTexts[language]).title);

describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('pages in a browser', () => {
  let scene: Scene;
  let browser: Browser;
  let walk: PageWalk;
  let data: string;
  let admin: string;
  let tenantId: string;
  let deviceId: string;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'berlin', macs: 1 },
              { name: 'paris', macs: 0 },
            ],
          },
          { displayName: 'Fabrikam', instances: [] },
        ],
      },
      environment: { ESPALIER_LANDING_PATHS: '{"selfService":"jamfselfservice://"}' },
    });
    data = scene.world.publicUrl;
    admin = adminOrigin(scene);
    tenantId = scene.world.tenants[0]!.tenantId;
    const instances = await connectTenant(scene, tenantId);
    const [mac] = scene.world.fleet.truth();
    deviceId = mac!.deviceId;
    await sendWebhook(scene, instances.get('berlin')!, mac!.jamfComputerId);
    await eventually(async () => {
      const { json } = await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`);
      expect(json.report?.state).toBe('verified');
    }, 30_000);
    browser = await openBrowser();
    walk = createPageWalk(browser, scene.world.cloud('public').origins.entra);
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await scene?.close();
  });

  const ca = (): string[] => [scene.trust, scene.world.authority.certificatePem];

  describe('landing', () => {
    const choose = async (choice: object): Promise<void> => {
      const changed = await scene.api('PATCH', `/tenants/${tenantId}`, { landing: choice });
      expect(changed.status, changed.text).toBe(200);
    };
    const enroll = (): string => `${data}/t/${tenantId}/enroll`;
    /** A gateway looks at a tenant once a second. */
    const until = (status: number) =>
      eventually(async () => expect((await call(enroll(), { ca: ca() })).status).toBe(status), 10_000);

    it('a choice of instances, for a Mac that is not known', async () => {
      await until(200);
      await walk.everyWayTo(
        `${enroll()}?deviceId=${crypto.randomUUID()}`,
        200,
        landing(({ chooser }) => chooser),
      );
    });

    it('access denied', async () => {
      await choose({ choice: 'denied' });
      await until(403);
      await walk.everyWayTo(
        enroll(),
        403,
        landing(({ denied }) => denied),
      );
      await choose({ choice: 'default' });
      await until(200);
    });

    it('a tenant without an instance that could serve, and one that is not here', async () => {
      const other = scene.world.tenants[1]!.tenantId;
      await scene.api('POST', '/tenants', { tenantId: other, cloud: 'public', displayName: 'Fabrikam' });
      await walk.everyWayTo(
        `${data}/t/${other}/remediate`,
        503,
        landing(({ closed }) => closed),
      );
      await walk.everyWayTo(
        `${data}/t/${crypto.randomUUID()}/enroll`,
        404,
        landing(({ unknown }) => unknown),
      );
    });

    it.each([
      ['not-compliant', 'not-compliant', 1],
      ['compliant', 'compliant', 0],
      ['undecided', null, 2],
      ['not-assessed', 'not-applicable', 0],
      ['by-microsoft', 'by-intune', 0],
    ] as const)('a known Mac that is %s', async (assessment, verdict, inventoryState) => {
      const state = { managed: true, verdict, inventoryState };
      await scene.database.sql`
        update reports set content = ${JSON.stringify(state)}, state = 'failed' where device_id = ${deviceId}`;
      const titles = landing(({ assessments }) => assessments[assessment]);
      await walk.everyWayTo(`${data}/t/${tenantId}/remediate?trace=1&DEVICEID=${deviceId}`, 200, titles);
    });
  });

  describe('consent', () => {
    const settings = () => scene.world.cloud('public').settings.tenant(customer());
    const customer = (): string => scene.world.tenants[1]!.tenantId;
    const links = async (): Promise<string[]> => {
      await scene.api('POST', '/tenants', {
        tenantId: customer(),
        cloud: 'public',
        displayName: 'Fabrikam',
      });
      const made = await scene.api('POST', `/tenants/${customer()}/connect`);
      return made.json.consentUrls.map(({ url }: { url: string }) => url);
    };
    const locationOf = async (url: string): Promise<string> =>
      String((await call(url, { ca: ca() })).headers.location);
    /** Where Microsoft sends the browser after the first link, which was asked for. */
    const sentBack = async (behaviour: 'approve' | 'decline' | 'tamper-tenant'): Promise<string> => {
      settings().consent.behaviour = behaviour;
      return locationOf((await links())[0]!);
    };
    const used = async (url: string): Promise<string> => {
      await call(url, { ca: ca() });
      return url;
    };

    it('declined, by the link from the mail to the page', async () => {
      const titles = consent(({ results }) => results.declined);
      settings().consent.behaviour = 'decline';
      await walk.everyWay(data, titles, async (page) => {
        await page.goto((await links())[0]!);
        await expect.poll(() => new URL(page.url()).pathname).toBe('/microsoft/consent');
      });
    });

    it.each([
      ['one-more', 200, async () => used(await sentBack('approve'))],
      ['granted', 200, async () => used(await locationOf(await locationOf(await sentBack('approve'))))],
      ['other-tenant', 400, async () => used(await sentBack('tamper-tenant'))],
      ['incomplete', 400, async () => `${data}/microsoft/consent`],
      [
        'unknown',
        400,
        async () => {
          const url = await sentBack('approve');
          await scene.database.sql`update consents set expires_at = now() where tenant_id = ${customer()}`;
          return url;
        },
      ],
      [
        'unproven',
        400,
        async () => {
          const url = await sentBack('approve');
          settings().entra.entraError = { code: 700016, at: 'token' };
          await used(url);
          settings().entra.entraError = null;
          return url;
        },
      ],
    ] as const)('%s', async (result, status, address) => {
      await walk.everyWayTo(
        await address(),
        status,
        consent(({ results }) => results[result]),
      );
    });
  });

  it('an address that leads nowhere', async () => {
    const titles = titlesIn((language) => errorTexts[language].kinds['not-found'].title);
    for (const origin of [admin, data]) await walk.everyWayTo(`${origin}/nothing`, 404, titles);
  });

  it('while the database is away', async () => {
    const door = await openDoor();
    await door.leadTo(scene.database.url);
    const url = new URL(scene.database.url);
    url.port = String(door.port);
    const away = await scene.another({ DATABASE_URL: url.href });
    try {
      const atAdmin = adminOrigin({ gateway: away });
      const atData = `https://localhost:${new URL(away.data).port}`;
      const known = `${atData}/t/${tenantId}/remediate?deviceId=${deviceId}`;
      expect((await call(known, { ca: ca() })).status).toBe(200);
      await door.close();
      const start = `${atAdmin}/sign-in/start`;
      await eventually(async () => expect((await call(start, { ca: ca() })).status).toBe(503));
      await walk.everyWayTo(
        start,
        503,
        titlesIn((language) => signInTexts(language).unavailable.title),
      );
      // Without a session the console leads to sign-in; with one it cannot look whose that is.
      await walk.everyWay(
        atAdmin,
        titlesIn((language) => errorTexts[language].kinds['store-away'].title),
        async (page) => {
          const value = 'A'.repeat(43);
          await page.context().addCookies([{ url: atAdmin, name: '__Host-espalier', value, secure: true }]);
          expect((await page.goto(`${atAdmin}/tenants`))?.status()).toBe(503);
        },
      );
      await walk.everyWayTo(
        known,
        200,
        landing(({ stateUnavailable }) => stateUnavailable),
      );
      await walk.everyWayTo(
        `${atData}/t/${crypto.randomUUID()}/enroll`,
        503,
        landing(({ unavailable }) => unavailable),
      );
      const state = `${tenantId}.${'0'.repeat(32)}`;
      await walk.everyWayTo(
        `${atData}/microsoft/consent?admin_consent=True&tenant=${tenantId}&state=${state}`,
        503,
        consent(({ unavailable }) => unavailable),
      );
    } finally {
      await away.stop();
      await door.close();
    }
  });

  it('too many visitors at the same time', async () => {
    const sql = openDatabase(scene.database.url, { connections: 1, applicationName: 'pages-test' });
    const log = createLog({ level: 'error', format: 'json', write: () => undefined });
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
      // No second ever passes, and nobody may come in the first one.
      rate: createRateLimit(1, () => 0, 0),
      facts: { remoteAddress: () => undefined },
      tenants: { tenant: async () => undefined },
      passOn: async () => expect.unreachable(),
      log,
    });
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
    try {
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await walk.everyWayTo(
        `http://localhost:${port}/t/${tenantId}/enroll`,
        429,
        landing(({ busy }) => busy),
      );
    } finally {
      server.close();
      await sql.end();
    }
  });
});
