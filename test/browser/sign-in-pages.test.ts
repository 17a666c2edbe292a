import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signInTexts } from '../../src/admin/sign-in/texts.ts';
import type { EntraWords, SignInTexts } from '../../src/admin/sign-in/wording.ts';
import { randomToken } from '../../src/entra/authorization-code.ts';
import { hashKey } from '../../src/secrets/keys.ts';
import { createControl } from '../../src/simulator/control.ts';
import { browserPath, openBrowser } from '../harness/chromium.ts';
import { adminOrigin } from '../harness/console.ts';
import { demoGateway, startWithChannel } from '../harness/demo-gateway.ts';
import { bootstrapKey, type Scene, startScene } from '../harness/gateway.ts';
import { createPageWalk, type PageWalk, type Titles, titlesIn } from '../harness/page-walk.ts';

/** The pages of signing in and what it is refused with, in a real browser (docs/sign-in.md). */

const signIn = (textOf: (texts: SignInTexts) => { readonly title: string }): Titles =>
  titlesIn((language) => textOf(signInTexts(language)).title);

describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('sign-in in a browser', () => {
  let scene: Scene;
  let browser: Browser;
  let walk: PageWalk;
  let admin: string;

  beforeAll(async () => {
    scene = await startScene({ world: { clouds: ['public'], tenants: [{ instances: [] }] } });
    admin = adminOrigin(scene);
    browser = await openBrowser();
    walk = createPageWalk(browser, scene.world.cloud('public').origins.entra);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await scene?.close();
  });

  it('the page itself, after signing out, and when a key is wrong', async () => {
    const titles = signIn((texts) => texts.signIn);
    await walk.everyWayTo(`${admin}/sign-in?returnTo=/tenants&signed-out`, 200, titles);
    await walk.everyWay(admin, titles, async (page) => {
      await page.goto(`${admin}/sign-in`);
      await page.fill('#key', 'esp_wrong');
      await page.click('form.key button');
      await page.locator('[role=alert]').waitFor();
    });
  });

  it('who is signed in', async () => {
    const titles = titlesIn((language) => signInTexts(language).signedIn('bootstrap'));
    await walk.everyWay(admin, titles, async (page) => {
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
      await walk.everyWay(
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
    await walk.everyWay(
      admin,
      signIn(({ entra }) => entra.declined),
      (page) => atMicrosoft(page, '[name=cancel]'),
    );
    const nora = '[name=username][value^="nora@"]';
    await walk.everyWay(
      admin,
      signIn(({ entra }) => entra.assignment),
      (page) => atMicrosoft(page, nora),
    );
    const { clientId, people, tenantId: operators } = scene.world.operators;
    const user = people.find(({ userPrincipalName }) => userPrincipalName.startsWith('nora@'))!;
    const path = `/control/microsoft/tenants/${operators}/service-principals/${clientId}/assignments/${user.userId}`;
    await createControl(scene.world).request(path, { method: 'PUT', body: '{"roles":[]}' });
    await walk.everyWay(
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
    await walk.everyWayTo(`${admin}/sign-in/refused?reason=${reason}`, status, signIn(textOf));
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
      await walk.everyWay(
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
