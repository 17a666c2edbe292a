import type { Browser, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pages } from '../../src/console/pages/all.ts';
import { browserPath, openBrowser, signInByKey, withinContext } from '../harness/chromium.ts';
import { adminOrigin } from '../harness/console.ts';
import { type ConsoleScene, startConsoleScene } from '../harness/console-scene.ts';
import { eventually } from '../harness/eventually.ts';

/** What a person sees and may press, and for how long: roles, tenants and sessions in a browser. */
describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('people in a browser', () => {
  let all: ConsoleScene;
  let browser: Browser;
  let origin: string;

  const keyOf = async (role: string, more: object = {}): Promise<{ id: string; key: string }> =>
    (await all.api('POST', '/keys', { name: crypto.randomUUID(), role, ...more })).json;

  beforeAll(async () => {
    all = await startConsoleScene();
    origin = adminOrigin(all.scene);
    browser = await openBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await all?.close();
  });

  describe('a viewer', () => {
    /** What a viewer may press: signing out, and ending the own session. */
    const own = ['/sign-out', '/sessions/end'];
    const pressable = (page: Page): Promise<string[]> =>
      page.evaluate<string[]>(
        `[...document.querySelectorAll('form[method=post]')].map((form) => new URL(form.action).pathname)`,
      );

    it('finds nothing to press on any page', async () => {
      const { key } = await keyOf('viewer');
      await withinContext(browser, origin, {}, async ({ faults, page }) => {
        await signInByKey(page, origin, key);
        const found: string[] = [];
        for (const path of all.paths()) {
          const answer = await page.goto(origin + path);
          if (![200, 403].includes(answer!.status())) found.push(`${path} is ${answer?.status()}`);
          for (const action of await pressable(page))
            if (!own.includes(action)) found.push(`${path} posts ${action}`);
          for (const form of await page.locator('main form:not([method=post])').all())
            expect(await form.getAttribute('action'), path).toBeNull();
        }
        expect(found).toEqual([]);
        expect(faults).toEqual([]);
      });
    }, 120_000);

    it('is refused what is forged, and nothing changes', async () => {
      const { id, key } = await keyOf('viewer');
      await withinContext(browser, origin, {}, async ({ page }) => {
        await signInByKey(page, origin, key);
        // A form that the page does not have, with the token that its own forms carry.
        const pin = `${all.pathOf('/tenants/:tenantId/devices/:deviceId')}/pin`;
        await page.goto(origin + all.pathOf('/tenants/:tenantId/devices/:deviceId'));
        const [answer] = await Promise.all([
          page.waitForResponse((one) => one.url().endsWith('/pin')),
          page.evaluate(`{
            const form = document.querySelector('form.sign-out').cloneNode(true);
            form.action = '${pin}';
            document.body.append(form);
            form.querySelector('button').click();
          }`),
        ]);
        expect(answer.status()).toBe(403);
        await page.getByRole('alert').waitFor();

        const csrf = await page.inputValue('form.sign-out [name=csrf]');
        const passed: string[] = [];
        for (const { acts = {}, path } of pages)
          for (const act of Object.keys(acts)) {
            const action = `${path === '/' ? '' : all.pathOf(path)}/${act}`;
            if (own.includes(action)) continue;
            const { status } = await page.request
              .post(origin + action, {
                form: { csrf, confirmed: 'yes' },
                headers: { origin },
                maxRedirects: 0,
              })
              .then((one) => ({ status: one.status() }));
            if (status < 400) passed.push(`${status} ${action}`);
          }
        expect(passed).toEqual([]);
        const { json } = await all.api('GET', '/history?page-size=200');
        expect(
          json.results.filter(({ keyId }: { keyId: string | null }) => keyId === id),
          'what the viewer did',
        ).toEqual([]);
      });
    }, 120_000);
  });

  describe('an operator of another tenant', () => {
    it('finds nothing by address, list or search', async () => {
      const { key } = await keyOf('operator', { tenants: [all.fabrikam] });
      const { deviceId, deviceName, serialNumber, userId } = all.device;
      const secrets = ['Contoso', 'berlin', 'paris', serialNumber, all.berlin.id];
      await withinContext(browser, origin, {}, async ({ faults, page }) => {
        await signInByKey(page, origin, key);
        const told: string[] = [];
        const look = async (path: string, status?: number): Promise<void> => {
          const answer = await page.goto(origin + path);
          if (status !== undefined && answer?.status() !== status)
            told.push(`${path} is ${answer?.status()}`);
          // The page repeats what was asked for; what it found is something else.
          const text = (await page.locator('main').innerText()).replaceAll(/Search for .*/g, '');
          for (const secret of secrets) if (text.includes(secret)) told.push(`${path} tells ${secret}`);
        };
        for (const { path } of pages) {
          const isTheirs = /:(tenantId|approvalId|targetId)/.test(path);
          await look(all.pathOf(path), isTheirs ? 404 : undefined);
        }
        for (const q of ['Contoso', 'berlin', serialNumber, deviceId, deviceName, userId, all.contoso]) {
          await look(`/search?${new URLSearchParams({ q })}`, 200);
          expect(await page.locator('main').innerText(), q).toContain('Nothing that you may see');
        }
        for (const list of ['/history', '/reports', '/approvals'])
          await look(`${list}?tenant=${all.contoso}`, 200);
        await look(`/reports?device=${deviceId}`, 200);
        expect(told).toEqual([]);
        // Of the own tenant there is all of it.
        await page.goto(`${origin}/tenants/${all.fabrikam}`);
        expect(await page.locator('main').innerText()).toContain('munich');
        expect(faults).toEqual([]);
      });
    }, 120_000);

    it('hears of nothing', async () => {
      const { key } = await keyOf('operator', { tenants: [all.fabrikam] });
      await withinContext(browser, origin, {}, async ({ page }) => {
        await signInByKey(page, origin, key);
        await page.evaluate(`{
          globalThis.heard = [];
          const source = new EventSource('/api/v1/events');
          source.addEventListener('changed', ({ data }) => heard.push(data));
        }`);
        // The one that may be heard comes last, so that the other would have come before it.
        await eventually(async () => {
          for (const tenantId of [all.contoso, all.fabrikam])
            for (const verb of ['pause', 'resume']) await all.api('POST', `/tenants/${tenantId}/${verb}`);
          expect(await page.evaluate<string>('heard.join()')).toContain(all.fabrikam);
        });
        expect(await page.evaluate<string>('heard.join()')).not.toContain(all.contoso);
      });
    }, 60_000);
  });

  describe('many tabs', () => {
    /** How many streams of events the browser has open. */
    const watch = (page: Page): (() => number) => {
      const streams = new Set<Request>();
      page.context().on('request', (request) => {
        if (new URL(request.url()).pathname === '/api/v1/events') streams.add(request);
      });
      const ended = (request: Request): boolean => streams.delete(request);
      page.context().on('requestfinished', ended).on('requestfailed', ended);
      // Nothing is told of a request whose tab has closed.
      return () => [...streams].filter((request) => !request.frame().page().isClosed()).length;
    };
    const hide = (page: Page, hidden: boolean): Promise<unknown> =>
      page.evaluate(`{
        Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }`);
    const paused = (page: Page): Promise<number> =>
      page.locator('.attention li', { hasText: 'Paused' }).count();
    const setPaused = async (isPaused: boolean): Promise<void> => {
      const answer = await all.api('POST', `/tenants/${all.contoso}/${isPaused ? 'pause' : 'resume'}`);
      expect(answer.status).toBe(200);
    };

    it('share one stream, all work, and a hidden one lets go of it', async () => {
      await withinContext(browser, origin, {}, async ({ context, faults, page }) => {
        const open = watch(page);
        await signInByKey(page, origin, all.key);
        const tabs = [page];
        for (let number = 2; number <= 10; number += 1) {
          const tab = await context.newPage();
          await tab.goto(`${origin}/`);
          tabs.push(tab);
        }
        await expect.poll(open).toBe(1);
        const allShow = (count: number) =>
          expect.poll(() => Promise.all(tabs.map(paused))).toEqual(tabs.map(() => count));
        await setPaused(true);
        await allShow(1);
        expect(open()).toBe(1);

        // The tab that held the stream closes; another one takes it over for all.
        await tabs.shift()!.close();
        await setPaused(false);
        await allShow(0);
        expect(open()).toBe(1);

        for (const tab of tabs) await hide(tab, true);
        await expect.poll(open).toBe(0);
        await setPaused(true);
        expect(await paused(tabs[0]!)).toBe(0);
        await hide(tabs[0]!, false);
        await expect.poll(() => paused(tabs[0]!)).toBe(1);
        await expect.poll(open).toBe(1);
        await setPaused(false);
        expect(faults).toEqual([]);
      });
    }, 120_000);
  });

  it('is thrown out of every open page when the session is ended elsewhere', async () => {
    const { key } = await keyOf('viewer', { name: 'who is thrown out' });
    await withinContext(browser, origin, {}, async ({ context, page }) => {
      await signInByKey(page, origin, key);
      const device = await context.newPage();
      const address = all.pathOf('/tenants/:tenantId/devices/:deviceId');
      await device.goto(origin + address);
      await withinContext(browser, origin, {}, async ({ page: admin }) => {
        await signInByKey(admin, origin, all.key);
        await admin.goto(`${origin}/sessions`);
        admin.on('dialog', (dialog) => void dialog.accept());
        await admin.locator('tr', { hasText: 'who is thrown out' }).getByText('End', { exact: true }).click();
        await admin.getByRole('status').getByText('The session ended.').waitFor();
      });
      await page.waitForURL((url) => url.pathname === '/sign-in');
      await device.waitForURL((url) => url.pathname === '/sign-in');
      // Signed in again, the person is where he was.
      await device.fill('#key', key);
      await device.click('form.key button');
      await device.waitForURL(origin + address);
    });
  }, 60_000);
});
