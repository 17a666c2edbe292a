import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { neededPrivileges } from '../../src/jamf/privileges.ts';
import { recommendedEvents } from '../../src/jamf/webhook-events.ts';
import type { Privilege } from '../../src/simulator/jamf/privileges.ts';
import { browserPath, openBrowser, signInByKey, violationsOf, withinContext } from '../harness/chromium.ts';
import { adminOrigin, newKey } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import { addInstance, consent, type Scene, startScene, webhookBody } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** A Jamf Pro instance from nothing to its first webhook, by pages and by what they give to copy. */
describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('an instance in a browser', () => {
  let scene: Scene;
  let browser: Browser;
  let origin: string;
  let key: string;
  let tenantId: string;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'berlin', macs: 2 },
              { name: 'paris', macs: 2 },
            ],
          },
        ],
      },
    });
    origin = adminOrigin(scene);
    tenantId = scene.world.tenants[0]!.tenantId;
    await consent(scene, tenantId);
    key = (await newKey(scene, 'admin')).key;
    browser = await openBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await scene?.close();
  });

  /** What the clipboard holds after a press of the button beside a text. */
  async function copied(page: Page, text: Locator): Promise<string> {
    await page.evaluate("navigator.clipboard.writeText('nothing was copied')");
    const button = text.locator('xpath=following-sibling::button[1]');
    await button.click();
    await expect.poll(() => button.innerText()).toBe('Copied');
    return page.evaluate<string>('navigator.clipboard.readText()');
  }
  async function allCopied(page: Page, texts: Locator): Promise<string[]> {
    const found: string[] = [];
    for (const text of await texts.all()) found.push(await copied(page, text));
    return found;
  }
  /** The value beside a name in a list of facts. */
  const fact = (page: Page, name: string): Locator =>
    page.locator('dt', { hasText: new RegExp(`^${name}$`) }).locator('xpath=following-sibling::dd[1]');
  const accessible = async (page: Page, where: string): Promise<void> =>
    expect(await violationsOf(page), where).toEqual([]);

  it('is added with the role that its page names, tested, and its webhooks arrive as they were copied', async () => {
    const berlin = scene.world.instance('berlin');
    const permissions = ['clipboard-read', 'clipboard-write'];
    await withinContext(browser, origin, { permissions }, async ({ faults, page }) => {
      await signInByKey(page, origin, key);
      await page.goto(`${origin}/tenants/${tenantId}`);
      await page.click('text="Add an instance"');

      // The role and the client are made in Jamf Pro of what the page gives to copy, and of nothing else.
      const [roleName = '', ...privileges] = await allCopied(page, page.locator('main ol [data-copy]'));
      expect(privileges).toEqual(Object.values(neededPrivileges).map(({ name }) => name));
      const role = { id: 7, displayName: roleName, privileges: privileges as Privilege[] };
      const client = berlin.tokens.addClient({ displayName: roleName, roles: [role] });
      await accessible(page, 'the form');

      await page.fill('[name=name]', 'berlin');
      await page.fill('[name=url]', berlin.url);
      await page.fill('[name=clientId]', client.clientId);
      await page.fill('[name=clientSecret]', 'mistyped');
      await page.fill('[name=reason]', 'a new customer');
      await page.click('text="Add the instance"');
      await page.getByRole('status').getByText('The instance was added.').waitFor();
      const address = new URL(page.url()).pathname;

      // The mistyped secret shows in the test, with what to do, and stays as the last error.
      await page.click('text="Test now"');
      await page.getByText('Something that the gateway needs of this instance does not work.').waitFor();
      await page.getByText('Check the client id and secret in Jamf Pro').first().waitFor();
      await accessible(page, 'a test that fails');
      await page.click('text="Back to the instance"');
      expect(await fact(page, 'State').innerText()).toBe('unreachable');
      expect(await fact(page, 'What it was').innerText()).toMatch(/secret|client|401/i);
      expect(await fact(page, 'Last error').locator('time').count()).toBe(1);
      await accessible(page, 'an instance with an error');

      await page.click('text="Edit"');
      await page.fill('[name=clientSecret]', client.clientSecret);
      await page.click('main button.main');
      await page.getByRole('status').getByText('The instance was changed.').waitFor();
      await page.click('text="Test now"');
      await page.getByText('Everything that the gateway needs of this instance works.').waitFor();
      await page.click('text="Back to the instance"');
      expect(await fact(page, 'State').innerText()).toBe('ok');

      await page.fill('[name=name]', 'Jamf Pro Berlin');
      await page.click('text="Make a key"');
      await page.getByRole('status').getByText('shown this once').waitFor();
      await accessible(page, 'the key');

      const url = await copied(page, fact(page, 'Webhook URL').locator('[data-copy]'));
      const headers = JSON.parse(await copied(page, fact(page, 'Header').locator('[data-copy]')));
      const table = page.locator('table', { hasText: 'Webhooks to make' });
      const cells = await allCopied(page, table.locator('[data-copy]'));
      const events = cells.filter((_, index) => index % 2 === 1);
      expect(events).toEqual(recommendedEvents.map(({ event }) => event));

      // What was pasted into Jamf Pro's form is what Jamf Pro sends.
      const [device] = scene.world.fleet.truth();
      for (const event of events.filter((name) => name.startsWith('Computer'))) {
        const answer = await call(url, {
          method: 'POST',
          ca: scene.trust,
          headers: { 'content-type': 'application/json', ...headers },
          body: webhookBody(event, device!.jamfComputerId),
        });
        expect([event, answer.status, answer.json]).toEqual([event, 202, { status: 'accepted' }]);
      }

      await page.click('text="Back to the instance"');
      await eventually(async () => {
        await page.goto(`${origin}/tenants/${tenantId}/devices`);
        await page.getByText(device!.serialNumber).first().waitFor({ timeout: 500 });
      });
      await page.goto(origin + address);
      const row = page.locator('tr', { hasText: 'Jamf Pro Berlin' });
      expect(await row.locator('time').count()).toBe(2);
      expect(await page.locator('main').innerText()).not.toContain(Object.values(headers)[0]);
      expect(faults).toEqual([]);
    });
  }, 180_000);

  it('has a document for each event that the Classic API of Jamf Pro takes as it was copied', async () => {
    const paris = scene.world.instance('paris');
    const api: Scene['api'] = (method, path, body) => scene.api(method, path, body, key);
    const { id } = await addInstance({ ...scene, api }, tenantId, 'paris');
    const permissions = ['clipboard-read', 'clipboard-write'];
    await withinContext(browser, origin, { permissions }, async ({ faults, page }) => {
      await signInByKey(page, origin, key);
      await page.goto(`${origin}/tenants/${tenantId}/instances/${id}`);
      await page.fill('[name=name]', 'by documents');
      await page.click('text="Make a key"');
      await page.click('summary:has-text("Classic API")');
      await accessible(page, 'the documents');
      const documents = await allCopied(page, page.locator('pre[data-copy]'));
      expect(documents).toHaveLength(recommendedEvents.length);
      const { token } = (await paris.tokens.issueToUser(
        paris.tokens.user.username,
        paris.tokens.user.password,
      ))!;
      for (const text of documents) {
        const made = await call(`${paris.url}/JSSResource/webhooks/id/0`, {
          method: 'POST',
          ca: scene.world.authority.certificatePem,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'text/xml' },
          body: text.replace('NUMBER OF THE GROUP', String(paris.groups.compliance.id)),
        });
        expect(made.status, made.text).toBe(201);
      }
      // Macs live on, and Jamf Pro tells of it by what was made of the documents.
      const macs = scene.world.fleet.macs().filter(({ instanceName }) => instanceName === 'paris');
      for (const mac of macs) scene.world.fleet.updateInventory(mac);
      await eventually(async () => {
        await page.goto(`${origin}/tenants/${tenantId}/devices`);
        const text = await page.locator('main').innerText();
        for (const { facts } of macs) expect(text).toContain(facts.serialNumber);
      });
      const counts = paris.webhooks.counts();
      expect(counts.dropped).toEqual({ timeout: 0, status: 0, connection: 0 });
      expect(faults).toEqual([]);
    });
  }, 180_000);

  it('is reconciled, and its page says by itself when that is done', async () => {
    const { json } = await scene.api('GET', `/tenants/${tenantId}/instances?sort=name:desc`, undefined, key);
    await withinContext(browser, origin, {}, async ({ faults, page }) => {
      await signInByKey(page, origin, key);
      await page.goto(`${origin}/tenants/${tenantId}/instances/${json.results[0].id}`);
      expect(await fact(page, 'Last reconciliation').innerText()).toBe('never');
      await page.click('text="Reconcile"');
      await page.getByRole('status').getByText('The reconciliation was asked for.').waitFor();
      await expect.poll(() => fact(page, 'Last reconciliation').innerText()).toMatch(/ago|now/);
      await accessible(page, 'a reconciled instance');
      expect(faults).toEqual([]);
    });
  });
});
