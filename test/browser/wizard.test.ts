import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserPath, openBrowser, signInByKey, violationsOf, withinContext } from '../harness/chromium.ts';
import { adminOrigin, newKey } from '../harness/console.ts';
import { addInstance, type Scene, startScene } from '../harness/gateway.ts';

/** The connect wizard from nothing to connected, by mouse over what goes wrong, and by keyboard alone. */
describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('the wizard in a browser', () => {
  let scene: Scene;
  let browser: Browser;
  let origin: string;
  let key: string;
  const permissions = ['clipboard-read', 'clipboard-write'];

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [{ name: 'berlin', macs: 1 }] },
          { displayName: 'Fabrikam', instances: [{ name: 'paris', macs: 1 }] },
        ],
      },
    });
    origin = adminOrigin(scene);
    key = (await newKey(scene, 'admin')).key;
    browser = await openBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await scene?.close();
  });

  const idOf = (name: string): string =>
    scene.world.tenants.find(({ displayName }) => displayName === name)!.tenantId;
  const asAdmin = (): Pick<Scene, 'api' | 'trust' | 'world'> => ({
    ...{ trust: scene.trust, world: scene.world },
    api: (method, path, body) => scene.api(method, path, body, key),
  });
  const simulated = (tenantId: string) => scene.world.cloud('public').settings.tenant(tenantId);
  const accessible = async (page: Page, where: string): Promise<void> =>
    expect(await violationsOf(page), where).toEqual([]);
  const heading = (page: Page): Promise<string> => page.locator('h1').innerText();
  const clipboard = (page: Page): Promise<string> => page.evaluate<string>('navigator.clipboard.readText()');

  /** The customer's administrator opens a link in a browser of his own; what its last page says. */
  async function administrator(link: string): Promise<string> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    try {
      const page = await context.newPage();
      await page.goto(link);
      return await page.locator('main, body').first().innerText();
    } finally {
      await context.close();
    }
  }
  const links = (page: Page): Locator => page.locator('.facts code[data-copy]');

  it('goes to connected over a declined consent and a failed step, and is left and taken up again', async () => {
    const tenantId = idOf('Contoso');
    const own = `${origin}/tenants/${tenantId}/connect`;
    await withinContext(browser, origin, { permissions }, async ({ faults, page }) => {
      await signInByKey(page, origin, key);
      await page.goto(`${origin}/tenants`);
      await page.getByRole('link', { name: 'Connect a tenant' }).first().click();
      await accessible(page, 'the tenant');
      await page.fill('[name=tenantId]', 'mistyped');
      await page.fill('[name=displayName]', 'Contoso');
      await page.click('main button.main');
      await page.locator('[id="fault-tenantId"]').waitFor();
      await accessible(page, 'a field that is wrong');
      await page.fill('[name=tenantId]', tenantId);
      await page.click('main button.main');
      await page.waitForURL(/\/connect/);
      expect(await heading(page)).toBe('Consents: Contoso');
      await accessible(page, 'the consents');

      await page.click('text="Make the links"');
      expect(await links(page).count()).toBe(2);
      await accessible(page, 'the links');
      const [declined = '', second = ''] = await links(page).allInnerTexts();
      const copy = links(page).first().locator('xpath=following-sibling::button[1]');
      await copy.click();
      await expect.poll(() => copy.innerText()).toBe('Copied');
      expect(await clipboard(page)).toBe(declined);
      for (const [title, lang, words] of [
        ['Mail in English', 'en', 'Please open the first link'],
        ['Mail in French', 'fr', 'Veuillez ouvrir le premier lien'],
      ] as const) {
        await page.getByText(title).click();
        const mail = page.locator(`pre[lang=${lang}]`);
        await mail.locator('xpath=following-sibling::button[1]').click();
        for (const part of [words, declined, second])
          await expect.poll(() => clipboard(page)).toContain(part);
      }

      const { consent } = simulated(tenantId);
      consent.behaviour = 'decline';
      expect(await administrator(declined)).toContain('The consent was not given');
      // By itself, without a reload.
      await page.getByText('declined', { exact: true }).waitFor();
      await page.getByText('opens a new link and accepts').waitFor();
      await accessible(page, 'a declined consent');

      // Left, and taken up again from the tenant's page.
      await page.goto(`${origin}/tenants/${tenantId}`);
      await page.getByRole('link', { name: 'Connect again' }).first().click();
      await page.getByText('declined', { exact: true }).waitFor();
      expect(await links(page).count()).toBe(0);
      await page.click('text="Make new links"');
      consent.behaviour = 'approve';
      expect(await administrator(await links(page).first().innerText())).toContain('Consent given');
      await page.getByText('All consents are given.').waitFor();
      await page.goto(own);

      expect(await heading(page)).toBe('Application id for Intune: Contoso');
      await accessible(page, 'the application id');
      await page.locator('.facts .copy').click();
      await expect
        .poll(() => clipboard(page))
        .toBe(scene.world.applications.get('public')!.connector.clientId);
      expect(await page.getByRole('link', { name: 'Open Intune' }).getAttribute('href')).toContain(
        '#view/Microsoft_Intune_DeviceSettings/',
      );
      await page.click('text="Go on to confirm"');
      await accessible(page, 'before confirming');

      await addInstance(asAdmin(), tenantId, 'berlin');
      simulated(tenantId).entra.entraError = { code: 700016, at: 'token' };
      await page.click('main button.main');
      await page.getByText('The tenant is not connected yet.').waitFor();
      const failed = page.locator('.outcome li', { hasText: 'Tokens from Microsoft Entra' });
      expect(await failed.innerText()).toMatch(/failed[\s\S]*It is for[\s\S]*Cause/);
      await accessible(page, 'a failed step');

      simulated(tenantId).entra.entraError = null;
      scene.world.faults.add({ service: 'jamf:berlin', delayMs: 2_500, times: 1 });
      await page.fill('[name=reason]', 'mended');
      await page.click('text="Confirm again"');
      await page.getByText('First heartbeat').waitFor();
      expect(await page.getByText('at work').count()).toBe(1);
      expect(await page.locator('main form').count()).toBe(0);
      await page.goto(`${origin}/tenants`);
      await page.goto(own);
      await page.getByText('Every step is done. The tenant is connected.').waitFor();
      expect(await page.locator('.outcome li').count()).toBeGreaterThan(7);
      await accessible(page, 'every step done');
      await page.click('text="To the tenant"');
      await page.getByText('Intune takes reports of this tenant.').waitFor();
      const intune = scene.world.cloud('public').intune.tenant(tenantId);
      expect([intune.provisioning, intune.policies.length]).toEqual(['provisioned', 1]);
      expect(faults).toEqual([]);
    });
  }, 90_000);

  /** Presses Tab until the element has the keyboard; each stop on the way has to be seen. */
  async function tabTo(page: Page, wanted: Locator): Promise<void> {
    for (let stop = 0; stop < 80; stop += 1) {
      await page.keyboard.press('Tab');
      const { isSeen, isThere, name } = await wanted.evaluate((element) => {
        const document = element.ownerDocument;
        const focused = document.activeElement ?? document.body;
        const style = document.defaultView?.getComputedStyle(focused);
        const isOutlined = style?.outlineStyle !== 'none' && style?.outlineWidth !== '0px';
        return {
          name: focused.outerHTML.slice(0, 120),
          isSeen: focused === document.body || (focused.matches(':focus-visible') && isOutlined),
          isThere: focused === element,
        };
      });
      expect([name, isSeen]).toEqual([name, true]);
      if (isThere) return;
    }
    throw new Error(`Tab does not reach ${wanted}`);
  }
  async function press(page: Page, wanted: Locator): Promise<void> {
    await tabTo(page, wanted);
    await page.keyboard.press('Enter');
  }

  it('is walked by keyboard alone, in the dark', async () => {
    const tenantId = idOf('Fabrikam');
    await withinContext(browser, origin, { permissions, colorScheme: 'dark' }, async ({ faults, page }) => {
      await page.goto(`${origin}/sign-in`);
      await tabTo(page, page.locator('#key'));
      await page.keyboard.type(key);
      await page.keyboard.press('Enter');
      await page.waitForURL(`${origin}/`);
      await press(page, page.getByRole('link', { name: 'Tenants', exact: true }));
      await page.waitForURL(`${origin}/tenants`);
      await press(page, page.getByRole('link', { name: 'Connect a tenant' }).first());
      await page.waitForURL(`${origin}/connect`);
      await accessible(page, 'the tenant');
      await tabTo(page, page.locator('[name=tenantId]'));
      await page.keyboard.type(tenantId);
      await tabTo(page, page.locator('[name=displayName]'));
      await page.keyboard.type('Fabrikam');
      await press(page, page.locator('main button.main'));
      await page.waitForURL(/\/connect\?/);
      await accessible(page, 'the consents');

      await press(page, page.getByRole('button', { name: 'Make the links' }));
      await press(page, links(page).first().locator('xpath=following-sibling::button[1]'));
      const link = await links(page).first().innerText();
      await expect.poll(() => clipboard(page)).toBe(link);
      await press(page, page.getByText('Mail in French'));
      await page.getByText('Veuillez ouvrir le premier lien').waitFor();
      await accessible(page, 'the links');
      expect(await administrator(link)).toContain('Consent given');
      const onward = page.getByRole('link', { name: 'Go on to Intune' });
      await onward.waitFor();
      await press(page, onward);

      await page.waitForURL(/step=intune/);
      await accessible(page, 'the application id');
      await press(page, page.locator('.facts .copy'));
      await expect
        .poll(() => clipboard(page))
        .toBe(scene.world.applications.get('public')!.connector.clientId);
      await press(page, page.getByRole('link', { name: 'Go on to confirm' }));
      await page.waitForURL(/step=confirm/);
      await accessible(page, 'before confirming');
      await tabTo(page, page.locator('[name=reason]'));
      await page.keyboard.type('by keyboard');
      await press(page, page.getByRole('button', { name: 'Confirm', exact: true }));
      await page.getByText('Every step is done. The tenant is connected.').waitFor();
      await accessible(page, 'every step done');
      await press(page, page.getByRole('link', { name: 'To the tenant' }));
      await page.waitForURL(`${origin}/tenants/${tenantId}`);
      expect(faults).toEqual([]);
    });
  }, 90_000);
});
