import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { Browser, Page, Response } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signInTexts } from '../../src/admin/sign-in/texts.ts';
import type { EntraWords, SignInTexts } from '../../src/admin/sign-in/wording.ts';
import { randomToken } from '../../src/entra/authorization-code.ts';
import { createLandingDirectory } from '../../src/forwarding/landing-directory.ts';
import { defaultLandingPaths } from '../../src/forwarding/landing-paths.ts';
import { type ConsentTexts, consentTexts } from '../../src/gateway/consent-texts.ts';
import { errorTexts } from '../../src/gateway/error-texts.ts';
import { addLandingRoutes } from '../../src/gateway/landing.ts';
import { type LandingTexts, landingTexts } from '../../src/gateway/landing-texts.ts';
import type { Language } from '../../src/gateway/language.ts';
import { beginListener, type ListenerEnv } from '../../src/gateway/listener.ts';
import { createRateLimit } from '../../src/gateway/rate.ts';
import { createRouteLookup } from '../../src/routing/lookup.ts';
import { hashKey } from '../../src/secrets/keys.ts';
import { createControl } from '../../src/simulator/control.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createInstanceDirectory } from '../../src/store/instances/instance.ts';
import { createTenantDirectory } from '../../src/store/tenants/tenant.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { browserPath, openBrowser, violationsOf, withinContext } from '../harness/chromium.ts';
import { adminOrigin } from '../harness/console.ts';
import { openDoor } from '../harness/database-door.ts';
import { demoGateway, startWithChannel } from '../harness/demo-gateway.ts';
import { eventually } from '../harness/eventually.ts';
import { bootstrapKey, connectTenant, type Scene, sendWebhook, startScene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** The pages for people who are not at the console, in a real browser: landing, consent, sign-in and their refusals. */

type Titles = Readonly<Record<Language, string>>;
type Open = (page: Page) => Promise<unknown>;

const other: Readonly<Record<Language, Language>> = { en: 'fr', fr: 'en' };
/** Words that no sentence of the language does without and no sentence of the other one has. */
const wordsOf: Readonly<Record<Language, RegExp>> = {
  en: /\b(the|this|your|you|and|not|with|again|of)\b/i,
  fr: /(^|[\s’])(le|la|les|des|votre|vous|une|pas|cette|pour|avec)\b/i,
};

/** All that the page itself says: not the names of languages, nor what Microsoft said or an operator wrote. */
const ownWords = (page: Page): Promise<string> =>
  page
    .locator('title, h1, h2, main > p, li, dt, label, main button, .actions a, form p')
    .evaluateAll((elements) =>
      elements
        .filter((element) => element.closest('.languages, .choices') === null)
        .map((element) => element.textContent)
        .join('\n'),
    );

async function isIn(page: Page, language: Language, titles: Titles): Promise<void> {
  expect(await page.locator('h1').allInnerTexts()).toEqual([titles[language]]);
  expect(await page.locator('html').getAttribute('lang')).toBe(language);
  expect(await page.locator('[lang]').count(), 'only the link names another language').toBe(2);
  const said = await ownWords(page);
  expect(said).toMatch(wordsOf[language]);
  expect(said, `no text in ${other[language]}`).not.toMatch(wordsOf[other[language]]);
  expect(await page.locator('script, [style], link, img').count()).toBe(0);
}

const looks = [
  { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 390 },
] as const;

async function looksWell(page: Page, { colorScheme, width }: (typeof looks)[number]): Promise<void> {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 800 });
  expect(await violationsOf(page), `${colorScheme} at ${width}`).toEqual([]);
  for (const { width: any } of looks) {
    await page.setViewportSize({ width: any, height: 800 });
    const overflow = await page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect(overflow, `too wide at ${any}`).toBe(0);
  }
}

/** On paper: black on white whatever the screen is, and nothing that could be pressed. */
async function printsWell(page: Page): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark', media: 'print' });
  expect(await page.locator('.languages, .actions, form').locator('visible=true').count()).toBe(0);
  expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
  await page.emulateMedia({ colorScheme: 'light', media: 'screen' });
}

describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('pages in a browser', () => {
  let scene: Scene;
  let browser: Browser;
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
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await scene?.close();
  });

  const ca = (): string[] => [scene.trust, scene.world.authority.certificatePem];
  const inBoth = (titleIn: (language: Language) => string): Titles => ({
    en: titleIn('en'),
    fr: titleIn('fr'),
  });
  const landing = (textOf: (texts: LandingTexts) => { readonly title: string }): Titles =>
    inBoth((language) => textOf(landingTexts[language]).title);
  const consent = (textOf: (texts: ConsentTexts) => { readonly title: string }): Titles =>
    inBoth((language) => textOf(consentTexts[language]).title);
  const signIn = (textOf: (texts: SignInTexts) => { readonly title: string }): Titles =>
    inBoth((language) => textOf(signInTexts(language)).title);

  let walks = 0;
  /**
   * Opens a page as a browser with English does and by its switch in French, and the other way round with scripts off. The
   * colours and widths take turns from page to page: all have one style. On the way through Microsoft its origin is asked,
   * and no other.
   */
  async function everyWay(origin: string, titles: Titles, open: Open): Promise<void> {
    const { entra } = scene.world.cloud('public').origins;
    const [first, second] = walks % 2 === 0 ? looks : looks.toReversed();
    walks += 1;
    const toOther = (page: Page) => page.locator('.languages a, .languages button').click();
    await withinContext(browser, origin, { locale: 'en-GB' }, async ({ faults, page }) => {
      await open(page);
      await isIn(page, 'en', titles);
      await looksWell(page, first!);
      await toOther(page);
      await isIn(page, 'fr', titles);
      await looksWell(page, second!);
      await printsWell(page);
      expect(faults.filter((fault) => !fault.startsWith(`asks ${entra}/`))).toEqual([]);
    });
    const withoutScripts = { locale: 'fr-CA', javaScriptEnabled: false };
    await withinContext(browser, origin, withoutScripts, async ({ page }) => {
      await open(page);
      await isIn(page, 'fr', titles);
      await toOther(page);
      await isIn(page, 'en', titles);
    });
  }
  /** The same for a page that an address leads to. */
  const everyWayTo = (url: string, status: number, titles: Titles): Promise<void> =>
    everyWay(new URL(url).origin, titles, async (page) => {
      const answer: Response | null = await page.goto(url);
      expect(answer?.status(), url).toBe(status);
    });

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
      await everyWayTo(
        `${enroll()}?deviceId=${crypto.randomUUID()}`,
        200,
        landing(({ chooser }) => chooser),
      );
    });

    it('access denied', async () => {
      await choose({ choice: 'denied' });
      await until(403);
      await everyWayTo(
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
      await everyWayTo(
        `${data}/t/${other}/remediate`,
        503,
        landing(({ closed }) => closed),
      );
      await everyWayTo(
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
      await everyWayTo(`${data}/t/${tenantId}/remediate?trace=1&DEVICEID=${deviceId}`, 200, titles);
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
      await everyWay(data, titles, async (page) => {
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
      await everyWayTo(
        await address(),
        status,
        consent(({ results }) => results[result]),
      );
    });
  });

  describe('sign-in', () => {
    it('the page itself, after signing out, and when a key is wrong', async () => {
      const titles = signIn((texts) => texts.signIn);
      await everyWayTo(`${admin}/sign-in?returnTo=/tenants&signed-out`, 200, titles);
      await everyWay(admin, titles, async (page) => {
        await page.goto(`${admin}/sign-in`);
        await page.fill('#key', 'esp_wrong');
        await page.click('form.key button');
        await page.locator('[role=alert]').waitFor();
      });
    });

    it('who is signed in', async () => {
      const titles = inBoth((language) => signInTexts(language).signedIn('bootstrap'));
      await everyWay(admin, titles, async (page) => {
        await page.goto(`${admin}/sign-in`);
        await page.fill('#key', bootstrapKey);
        await page.click('form.key button');
        await page.waitForURL(`${admin}/`);
        await page.goto(`${admin}/sign-in`);
      });
    });

    const atMicrosoft = async (page: Page, button: string): Promise<void> => {
      await page.goto(`${admin}/sign-in/start`);
      await page.locator(button).click();
      await page.waitForURL((url) => url.pathname === '/sign-in/callback');
    };

    it.each<[EntraWords, code: number]>([
      ['consent', 65001],
      ['disabled', 7000112],
      ['account', 50057],
      ['policy', 53003],
      ['credential', 7000222],
      ['code', 54005],
      ['redirect', 50011],
      ['later', 90033],
      ['other', 99999],
    ])('what Microsoft refused: %s', async (words, code) => {
      const { settings } = scene.world.cloud(scene.world.operators.cloud);
      settings.entraError = { code, at: 'sign-in', error: 'something_new' };
      try {
        await everyWay(
          admin,
          signIn(({ entra }) => entra[words]),
          async (page) => {
            await atMicrosoft(page, '[name=username][value^="ada@"]');
            expect(await page.locator('dl').innerText()).toContain(`AADSTS${code}`);
          },
        );
      } finally {
        settings.entraError = null;
      }
    });

    it('a person who declined, was not assigned, or has no role', async () => {
      await everyWay(
        admin,
        signIn(({ entra }) => entra.declined),
        (page) => atMicrosoft(page, '[name=cancel]'),
      );
      const nora = '[name=username][value^="nora@"]';
      await everyWay(
        admin,
        signIn(({ entra }) => entra.assignment),
        (page) => atMicrosoft(page, nora),
      );
      const { clientId, people, tenantId: operators } = scene.world.operators;
      const user = people.find(({ userPrincipalName }) => userPrincipalName.startsWith('nora@'))!;
      const path = `/control/microsoft/tenants/${operators}/service-principals/${clientId}/assignments/${user.userId}`;
      await createControl(scene.world).request(path, { method: 'PUT', body: '{"roles":[]}' });
      await everyWay(
        admin,
        signIn(({ noRole }) => noRole('')),
        (page) => atMicrosoft(page, nora),
      );
    });

    it.each([
      ['bad-return', 400, (texts: SignInTexts) => texts.badReturn],
      ['busy', 429, (texts: SignInTexts) => texts.busy],
      ['clock', 502, (texts: SignInTexts) => texts.clock],
      ['forged', 403, (texts: SignInTexts) => texts.forged('')],
      ['incomplete', 400, (texts: SignInTexts) => texts.incomplete],
      ['keys', 503, (texts: SignInTexts) => texts.keys],
      ['link-gone', 404, (texts: SignInTexts) => texts.oneTimeGone],
      ['not-matched', 400, (texts: SignInTexts) => texts.notMatched],
      ['not-set-up', 404, (texts: SignInTexts) => texts.notSetUp],
      ['other-tenant', 403, (texts: SignInTexts) => texts.otherTenant],
      ['token', 502, (texts: SignInTexts) => texts.token],
    ] as const)('the refusal %s', async (reason, status, textOf) => {
      await everyWayTo(`${admin}/sign-in/refused?reason=${reason}`, status, signIn(textOf));
    });

    it("the demo's link, whose token is in no link of the page", async () => {
      const { ESPALIER_ADMIN_URL: _, ...environment } = scene.environment;
      const demo = await startWithChannel([demoGateway], {
        ...environment,
        ESPALIER_DATA_LISTEN: '127.0.0.1:0',
        ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
        ESPALIER_OPERATOR_TENANTS: '',
      });
      try {
        const token = randomToken();
        expect(await demo.offer(await hashKey(token))).toBe(true);
        await everyWay(
          demo.origin,
          signIn(({ oneTime }) => oneTime),
          async (page) => {
            await page.goto(`${demo.origin}/sign-in/once?token=${token}`);
            expect(await page.locator(`[href*="${token}"], [action*="${token}"]`).count()).toBe(0);
          },
        );
      } finally {
        await demo.end();
      }
    });
  });

  it('an address that leads nowhere', async () => {
    const titles = inBoth((language) => errorTexts[language].kinds['not-found'].title);
    for (const origin of [admin, data]) await everyWayTo(`${origin}/nothing`, 404, titles);
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
      await everyWayTo(
        start,
        503,
        signIn(({ unavailable }) => unavailable),
      );
      // Without a session the console leads to sign-in; with one it cannot look whose that is.
      await everyWay(
        atAdmin,
        inBoth((language) => errorTexts[language].kinds.unavailable.title),
        async (page) => {
          const value = 'A'.repeat(43);
          await page.context().addCookies([{ url: atAdmin, name: '__Host-espalier', value, secure: true }]);
          expect((await page.goto(`${atAdmin}/tenants`))?.status()).toBe(503);
        },
      );
      await everyWayTo(
        known,
        200,
        landing(({ stateUnavailable }) => stateUnavailable),
      );
      await everyWayTo(
        `${atData}/t/${crypto.randomUUID()}/enroll`,
        503,
        landing(({ unavailable }) => unavailable),
      );
      const state = `${tenantId}.${'0'.repeat(32)}`;
      await everyWayTo(
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
      log,
    });
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
    try {
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await everyWayTo(
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
