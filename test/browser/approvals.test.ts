import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserPath, openBrowser, signInByKey, violationsOf, withinContext } from '../harness/chromium.ts';
import { adminOrigin } from '../harness/console.ts';
import { addInstance, consent, type Scene, startScene } from '../harness/gateway.ts';

/** What one operator asks and a second one, in a browser of his own, does (docs/approvals.md). */
describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('an approval in a browser', () => {
  let scene: Scene;
  let browser: Browser;
  let origin: string;
  let tenantId: string;
  const keys: Record<string, string> = {};

  beforeAll(async () => {
    scene = await startScene({
      environment: { ESPALIER_APPROVALS: 'on' },
      world: {
        clouds: ['public'],
        tenants: [{ displayName: 'Contoso', instances: [{ name: 'berlin', macs: 1 }] }],
      },
    });
    origin = adminOrigin(scene);
    tenantId = scene.world.tenants[0]!.tenantId;
    await consent(scene, tenantId);
    const { id } = await addInstance(scene, tenantId, 'berlin');
    for (const name of ['ann', 'ben']) {
      const made = await scene.api('POST', '/keys', { name, role: 'admin', tenants: [tenantId] });
      keys[name] = made.json.key;
    }
    await scene.database.sql`
      insert into reports (tenant_id, device_id, content, content_hash, instance_id, confirmed_revision, state, due_since)
      select ${tenantId}, gen_random_uuid(), '{}', 'seeded', ${id}, 1, 'completed', null
      from generate_series(1, 101)`;
    browser = await openBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await scene?.close();
  });

  const as = <T>(name: string, work: (page: Page) => Promise<T>): Promise<T> =>
    withinContext(browser, origin, {}, async ({ faults, page }) => {
      await signInByKey(page, origin, keys[name] ?? '');
      const result = await work(page);
      expect(await violationsOf(page)).toEqual([]);
      expect(faults).toEqual([]);
      return result;
    });
  const button = (page: Page, label: string) => page.locator('main button', { hasText: label });
  const stateOfTenant = async (): Promise<string> =>
    (await scene.api('GET', `/tenants/${tenantId}`)).json.connectionState;
  /** Asks by the tenant's page; resolves to the address of what waits. */
  async function ask(page: Page, reason: string): Promise<string> {
    await page.goto(`${origin}/tenants/${tenantId}`);
    await page.locator('main a[href$="/actions/disconnect"]').first().click();
    await page.fill('main input[name=reason]', reason);
    await button(page, 'Disconnect').click();
    await page.locator('main .notice', { hasText: 'Nothing is done yet.' }).locator('a').click();
    await page.locator('main h2', { hasText: 'Decide' }).waitFor();
    return new URL(page.url()).pathname;
  }

  it('is taken back by whoever asked, and nothing is done', async () => {
    const before = await stateOfTenant();
    await as('ann', async (page) => {
      await ask(page, 'a mistake');
      await button(page, 'Take it back').click();
      await page.locator('p.notice', { hasText: 'It was rejected. Nothing was done.' }).waitFor();
    });
    expect(await stateOfTenant()).toBe(before);
  }, 120_000);

  it('is asked by one operator, who cannot give it, and given by the browser of a second one', async () => {
    const before = await stateOfTenant();
    const path = await as('ann', async (page) => {
      const asked = await ask(page, 'the contract ended');
      await page.locator('main', { hasText: 'This is your own request.' }).waitFor();
      expect(await button(page, 'Approve and do it now').count()).toBe(0);
      expect(await button(page, 'Take it back').count()).toBe(1);
      return asked;
    });
    expect(await stateOfTenant()).toBe(before);
    await as('ben', async (page) => {
      await page.locator('header nav a', { hasText: 'Approvals' }).click();
      await page.locator(`main a[href="${path}"]`).click();
      const told = await page.locator('main').innerText();
      for (const words of ['101', 'ann', 'the contract ended', '127.0.0.1']) expect(told).toContain(words);
      await page
        .locator('main form', { hasText: 'Approve and do it now' })
        .locator('[name=reason]')
        .fill('agreed');
      await button(page, 'Approve and do it now').click();
      await page.locator('p.notice', { hasText: 'You approved it, and it was carried out.' }).waitFor();
      expect(await button(page, 'Approve and do it now').count()).toBe(0);
    });
    expect(await stateOfTenant()).not.toBe(before);
    await as('ann', async (page) => {
      await page.goto(origin + path);
      const told = await page.locator('main').innerText();
      for (const words of ['done', 'ben', 'agreed', 'HTTP 200']) expect(told).toContain(words);
    });
  }, 120_000);
});
