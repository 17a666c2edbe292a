import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  browserPath,
  ofColours,
  openBrowser,
  signInByKey,
  violationsOf,
  type WatchedContext,
  withinContext,
} from '../harness/chromium.ts';
import { adminOrigin, newKey } from '../harness/console.ts';
import { type ConsoleScene, startConsoleScene } from '../harness/console-scene.ts';

/** The console in a real browser: what only a browser can tell of it (docs/console.md). */
describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('the console in a browser', () => {
  let all: ConsoleScene;
  let browser: Browser;
  let origin: string;

  beforeAll(async () => {
    all = await startConsoleScene();
    origin = adminOrigin(all.scene);
    browser = await openBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await all?.close();
  });

  const signIn = (page: Page, shown = all.key): Promise<void> => signInByKey(page, origin, shown);
  const within = <T>(
    options: BrowserContextOptions,
    work: (opened: WatchedContext) => Promise<T>,
  ): Promise<T> => withinContext(browser, origin, options, work);

  it.each([1280, 390])(
    'every page is accessible, stays at home and fits, light and dark, at %i pixels',
    async (width) => {
      await within({ viewport: { width, height: 900 } }, async ({ faults, page }) => {
        const faulty: string[] = [];
        /** Of all that axe-core looks at, only colours differ in the dark. */
        const look = async (path: string): Promise<void> => {
          const answer = await page.goto(origin + path);
          expect([path, answer?.status()]).toEqual([path, 200]);
          await page.emulateMedia({ colorScheme: 'light' });
          for (const violation of await violationsOf(page)) faulty.push(`${path} ${violation}`);
          await page.emulateMedia({ colorScheme: 'dark' });
          for (const violation of await violationsOf(page, ofColours))
            faulty.push(`${path} dark ${violation}`);
          const overflow = await page.evaluate(
            'document.documentElement.scrollWidth - document.documentElement.clientWidth',
          );
          if (overflow !== 0) faulty.push(`${path} is ${overflow} pixels too wide`);
        };
        await look('/sign-in');
        await signIn(page);
        for (const path of all.paths()) await look(path);
        expect(faulty).toEqual([]);
        expect(faults).toEqual([]);
      });
    },
    180_000,
  );

  it('no link leads to nothing', async () => {
    await within({ javaScriptEnabled: false }, async ({ page }) => {
      await signIn(page);
      const seen = new Set<string>(['/']);
      const broken: string[] = [];
      for (const path of seen) {
        // A set goes on with what is added to it meanwhile; the bound is for a page that links to itself anew each time.
        if (seen.size > 300) break;
        const answer = await page.request.get(origin + path, { maxRedirects: 0 });
        if (answer.status() >= 400) broken.push(`${answer.status()} ${path}`);
        if (!(answer.headers()['content-type'] ?? '').startsWith('text/html')) continue;
        for (const [, href = ''] of (await answer.text()).matchAll(/<a\b[^>]*\shref="([^"]+)"/g)) {
          const url = new URL(href.replaceAll('&amp;', '&'), origin + path);
          if (url.origin === origin) seen.add(url.pathname + url.search);
        }
      }
      expect(broken).toEqual([]);
      expect(seen.size).toBeGreaterThan(10);
    });
  }, 120_000);

  it('is walked by keys', async () => {
    await within({}, async ({ page }) => {
      await signIn(page);
      await page.keyboard.press('/');
      expect(await page.evaluate('document.activeElement.name')).toBe('q');
      await page.keyboard.press('Escape');
      await page.evaluate('document.activeElement.blur()');
      await page.keyboard.press('?');
      expect(await page.evaluate("document.getElementById('keys').open")).toBe(true);
      await page.keyboard.press('Escape');
      await page.keyboard.press('g');
      await page.keyboard.press('t');
      await page.waitForURL(`${origin}/tenants`);
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.className')).toBe('skip');
      await page.keyboard.press('Enter');
      expect(await page.evaluate('document.activeElement.id')).toBe('content');
    });
  });

  it('shows times in the zone of the person, relative to now', async () => {
    await within({ timezoneId: 'America/New_York' }, async ({ page }) => {
      await signIn(page);
      await page.goto(`${origin}/tenants`);
      const time = page.locator('main time').first();
      expect(await time.innerText()).toMatch(/ago|now/);
      expect(await time.getAttribute('title')).toMatch(/E[SD]T|GMT-[45]/);
    });
  });

  it('throws out whose key is revoked, in the middle of a page', async () => {
    const made = await newKey(all.scene, 'viewer', all.key);
    await within({}, async ({ page }) => {
      await signIn(page, made.key);
      await page.goto(`${origin}/tenants`);
      expect(await page.locator('a.main').count()).toBe(0);
      expect((await all.api('DELETE', `/keys/${made.id}`)).status).toBe(204);
      await page.locator('header nav a').first().click();
      await page.waitForURL((url) => url.pathname === '/sign-in');
    });
  });

  it('signs people in by Microsoft, and out', async () => {
    const opened = await browser.newContext({ ignoreHTTPSErrors: true });
    try {
      const page = await opened.newPage();
      await page.goto(`${origin}/sign-in`);
      await page.click('a.main');
      await page.waitForURL((url) => url.origin !== origin);
      await page.locator('[name=username][value^="ada@"]').click();
      await page.waitForURL(`${origin}/`);
      await page.click('details.account summary');
      await page.click('form.sign-out button');
      await page.waitForURL(`${origin}/sign-in?signed-out`);
    } finally {
      await opened.close();
    }
  });
});
