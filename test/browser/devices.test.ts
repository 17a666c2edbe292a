import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceTruth } from '../../src/simulator/fleet.ts';
import { browserPath, openBrowser, signInByKey, violationsOf, withinContext } from '../harness/chromium.ts';
import { adminOrigin, newKey } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { focusOrder, tabTo } from '../harness/keyboard.ts';

/** The page of a Mac in a browser: it answers "why is it not compliant", and what its buttons do. */
describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('a device in a browser', () => {
  let scene: Scene;
  let browser: Browser;
  let origin: string;
  let tenantId: string;
  let instances: Map<string, AddedInstance>;
  let operator: string;
  /** As they were at the start: one that loses its registration is none of the fleet any more. */
  let macs: readonly DeviceTruth[];

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'berlin', macs: 6 },
              { name: 'paris', macs: 0 },
            ],
          },
        ],
      },
    });
    origin = adminOrigin(scene);
    tenantId = scene.world.tenants[0]!.tenantId;
    instances = await connectTenant(scene, tenantId);
    const { key } = await newKey(scene, 'admin');
    operator = (await newKey(scene, 'operator', key)).key;
    browser = await openBrowser();
    macs = scene.world.fleet.truth();
    for (const one of macs) await tell(one);
    for (const one of macs) await reaches(one, 'verified');
  }, 120_000);
  afterEach(() => {
    const { entra, intune } = scene.world.cloud('public').settings.tenant(tenantId);
    Object.assign(intune, { uploadErrorCode: null, uploadErrorDetail: null, processingDelayMs: 300 });
    entra.entraError = null;
  });
  afterAll(async () => {
    await browser?.close();
    await scene?.close();
  });

  /** Each case has a Mac of its own. */
  const mac = (index: number): DeviceTruth => macs[index]!;
  const inFleet = ({ deviceId }: DeviceTruth) => scene.world.fleet.findByDevice(deviceId)!;
  const tell = (one: DeviceTruth) =>
    sendWebhook(scene, instances.get(inFleet(one).instanceName)!, inFleet(one).computerId);
  const api = async (path: string) =>
    (await scene.api('GET', `/tenants/${tenantId}${path}`, undefined, operator)).json;
  const reaches = ({ deviceId }: DeviceTruth, state: string) =>
    eventually(async () => expect((await api(`/devices/${deviceId}`)).report?.state).toBe(state), 60_000);
  const address = ({ deviceId }: DeviceTruth): string => `${origin}/tenants/${tenantId}/devices/${deviceId}`;
  const accessible = async (page: Page, where: string): Promise<void> =>
    expect(await violationsOf(page), where).toEqual([]);
  const walk = (work: (page: Page) => Promise<void>) =>
    // Where the keyboard is, the page is at once.
    withinContext(browser, origin, { reducedMotion: 'reduce' }, async ({ faults, page }) => {
      await signInByKey(page, origin, operator);
      await work(page);
      expect(faults).toEqual([]);
    });

  describe('says why a Mac is not compliant', () => {
    it('because Jamf Pro says so; the Mac is found by its serial number from anywhere', async () => {
      const one = mac(0);
      scene.world.fleet.setCompliant(inFleet(one), false);
      await tell(one);
      await eventually(async () => {
        const { report } = await api(`/devices/${one.deviceId}`);
        expect([report.verdict, report.state]).toEqual(['not-compliant', 'verified']);
      });
      await walk(async (page) => {
        await page.goto(`${origin}/history`);
        await page.keyboard.press('/');
        await page.keyboard.type(one.serialNumber);
        await page.keyboard.press('Enter');
        await page.waitForURL(/\/search\?/);
        await page.locator('main table a').first().click();
        await page.waitForURL(address(one));
        await page.getByText('says this Mac is not compliant. Intune was told so').waitFor();
        await page.getByText('the smart groups of the compliance policy that the computer is in').waitFor();
        await page.getByText('All sides say the same').waitFor();
        await accessible(page, 'not compliant in Jamf Pro');
      });
    });

    it('because Intune refused the report, and goes on when it is read again', async () => {
      const one = mac(1);
      const { intune } = scene.world.cloud('public').settings.tenant(tenantId);
      intune.uploadErrorCode = 404;
      intune.uploadErrorDetail = 'Device not found';
      scene.world.fleet.updateInventory(inFleet(one), { osVersion: '27.0.1' });
      await tell(one);
      await reaches(one, 'failed');
      await walk(async (page) => {
        await page.goto(address(one));
        const problem = await page.locator('#state .problem').innerText();
        for (const part of ['failed', 'device-not-in-entra', 'Device not found', 'Read it again now'])
          expect(problem).toContain(part);
        await page.getByText('Intune refused what it was told last.').waitFor();
        await accessible(page, 'a failed report');
        intune.uploadErrorCode = null;
        intune.uploadErrorDetail = null;
        await page.click('summary:has-text("Read it again now")');
        await page.getByRole('button', { name: 'Read it again' }).click();
        await page.getByRole('status').getByText('are being read now').waitFor();
        // The page follows by itself.
        await page.locator('#state').getByText('Entra shows it since').waitFor();
        await page.getByText('All sides say the same').waitFor();
        expect(await page.locator('#timeline time').first().innerText()).toMatch(/ago|now/);
      });
    });

    it('because no computer record names it any more', async () => {
      const one = mac(2);
      const fact = inFleet(one);
      // Erased and enrolled again, the Mac has lost its registration.
      scene.world.fleet.wipe(fact);
      scene.world.fleet.reEnrol(fact);
      await sendWebhook(scene, instances.get('berlin')!, fact.computerId);
      await eventually(async () =>
        expect((await api(`/devices/${one.deviceId}/explain`)).instanceId).toBeNull(),
      );
      await walk(async (page) => {
        await page.goto(address(one));
        await page.getByText('No instance speaks for this registration').waitFor();
        await page.getByText('because no computer record of any instance names').waitFor();
        await page.getByText('appears again when it is registered in Entra').waitFor();
        expect(await page.getByText('What you can do').count()).toBe(0);
        await accessible(page, 'no route');
      });
    });

    it('because the tenant is held', async () => {
      const one = mac(3);
      const { connector } = scene.world.applications.get('public')!;
      const { entra } = scene.world.cloud('public').settings.tenant(tenantId);
      entra.entraError = { code: 7000112, appId: connector.clientId };
      // The gateway's token outlives the fault; a restart ends it.
      await scene.restart('stop');
      scene.world.fleet.setCompliant(inFleet(one), !one.compliant);
      await tell(one);
      await reaches(one, 'held');
      await walk(async (page) => {
        await page.goto(address(one));
        await page.getByText('Intune was not told: the report is held.').waitFor();
        const { report } = await api(`/devices/${one.deviceId}`);
        const text = await page.locator('#state').innerText();
        for (const part of ['held', report.reason, 'its administrator can enable sign-in'])
          expect(text).toContain(part);
        await accessible(page, 'a held tenant');
        entra.entraError = null;
        await reaches(one, 'verified');
        await page.reload();
        await page.getByText('Entra shows it since').waitFor();
      });
    });
  });

  it('is pinned, unpinned, moved and ended, each with its reason', async () => {
    const one = mac(4);
    await walk(async (page) => {
      const act = async (summary: string, button: string, fill = async () => undefined as unknown) => {
        await page.click(`summary:has-text("${summary}")`);
        await fill();
        const form = page.locator('details[open]', { hasText: summary });
        await form.getByLabel('Reason').fill(`because of ${button}`);
        await form.getByRole('button', { name: button, exact: true }).click();
      };
      await page.goto(address(one));
      await act('Pin it to berlin', 'Pin');
      await page.getByRole('status').getByText('The Mac is pinned').waitFor();
      await page.getByText('because an operator pinned it there').waitFor();
      await accessible(page, 'pinned');
      await act('Unpin it', 'Unpin');
      await page.getByRole('status').getByText('is not pinned any more').waitFor();

      await act('Move it', 'Move', async () => {
        await accessible(page, 'the form of a move');
        await page.selectOption('[name=instanceId]', { label: 'paris' });
        await page.fill('[name=jamfComputerId]', '77');
      });
      await page.getByRole('status').getByText('The Mac is moved.').waitFor();
      await page.locator('#state').getByText('paris').first().waitFor();

      await act('End its route', 'Show what this will do');
      await page.getByText('This will do the following').waitFor();
      expect(await page.inputValue('[name=reason]')).toBe('because of Show what this will do');
      await accessible(page, 'the end of a route');
      await page.getByText('Leave it as it is').click();
      await page.waitForURL(address(one));
      await act('End its route', 'Show what this will do');
      await page.getByRole('button', { name: 'End the route' }).click();
      await page.getByRole('status').getByText('The route has ended.').waitFor();
      await page.goto(address(one));
      await page.getByText('because an operator ended its route').waitFor();
      await accessible(page, 'an ended route');
    });
  });

  it('is explained for a past time', async () => {
    const one = mac(0);
    const { since } = await api(`/devices/${one.deviceId}`);
    await walk(async (page) => {
      await page.goto(address(one));
      await page.fill('[name=at]', new Date(Date.parse(since) + 1_000).toISOString().slice(0, 19));
      await page.getByRole('button', { name: 'Explain' }).click();
      await page.getByText('managed this Mac because no other instance knows it').waitFor();
      expect(new URL(page.url()).searchParams.get('at')).toMatch(/^\d{4}-/);
      await accessible(page, 'a past time');
      await page.fill('[name=at]', '2020-01-01T00:00:00');
      await page.getByRole('button', { name: 'Explain' }).click();
      await page.getByText('Nothing was known of this Mac then.').waitFor();
      await page.getByText('Only now').click();
      await page.waitForURL(address(one));
    });
  });

  describe('by the keyboard alone', () => {
    it('everything is reached in the order of the page, is seen to be, and nothing holds', async () => {
      await walk(async (page) => {
        await page.goto(address(mac(5)));
        for (const summary of await page.locator('main summary').all()) await summary.press('Enter');
        const { unseen, visited, whole } = await focusOrder(page);
        expect(unseen).toEqual([]);
        expect(visited).toEqual(whole);
      });
    });

    it('a Mac is found, pinned and unpinned', async () => {
      const one = mac(5);
      await walk(async (page) => {
        await page.keyboard.press('/');
        await page.keyboard.type(one.serialNumber);
        await page.keyboard.press('Enter');
        await page.waitForURL(/\/search\?/);
        await tabTo(page, one.deviceName);
        await page.keyboard.press('Enter');
        await page.waitForURL(address(one));
        await tabTo(page, 'Pin it to berlin');
        await page.keyboard.press('Enter');
        await tabTo(page, 'Reason, for the history');
        await page.keyboard.type('by keys');
        await tabTo(page, 'Pin');
        await page.keyboard.press('Space');
        await page.getByRole('status').getByText('The Mac is pinned').waitFor();
        await tabTo(page, 'Unpin it');
        await page.keyboard.press('Space');
        await tabTo(page, 'Unpin');
        await page.keyboard.press('Enter');
        await page.getByRole('status').getByText('is not pinned any more').waitFor();
      });
    });

    it('keeps its place while the page brings itself up to date', async () => {
      const one = mac(5);
      const { intune } = scene.world.cloud('public').settings.tenant(tenantId);
      intune.processingDelayMs = 6_000;
      scene.world.fleet.updateInventory(inFleet(one), { osVersion: '27.3.1' });
      await tell(one);
      await reaches(one, 'accepted');
      await walk(async (page) => {
        await page.goto(address(one));
        await tabTo(page, 'computer ', { begins: true });
        const before = await page.evaluate<string>('document.activeElement.textContent');
        await page.locator('#state').getByText('Entra shows it since').waitFor();
        await expect.poll(() => page.evaluate<string>('document.activeElement.textContent')).toBe(before);
      });
    }, 60_000);
  });
});
