import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

/** A report that Intune refused, from the overview to Entra showing it. */
describe.skipIf(browserPath === undefined && process.env.CI !== 'true')(
  'a failed report in a browser',
  () => {
    let scene: Scene;
    let browser: Browser;
    let origin: string;
    let tenantId: string;
    let berlin: AddedInstance;
    let operator: string;

    beforeAll(async () => {
      scene = await startScene({
        world: {
          clouds: ['public'],
          tenants: [{ displayName: 'Contoso', instances: [{ name: 'berlin', macs: 2 }] }],
        },
      });
      origin = adminOrigin(scene);
      tenantId = scene.world.tenants[0]!.tenantId;
      berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
      const { key } = await newKey(scene, 'admin');
      operator = (await newKey(scene, 'operator', key)).key;
      browser = await openBrowser();
    }, 120_000);
    afterAll(async () => {
      await browser?.close();
      await scene?.close();
    });

    it('is found by its cause, replayed, and followed until Entra shows it', async () => {
      const { intune } = scene.world.cloud('public').settings.tenant(tenantId);
      const [failing, good] = scene.world.fleet.truth();
      const stateOf = async (deviceId: string): Promise<string | undefined> =>
        (await scene.api('GET', `/reports?filter=deviceId==${deviceId}`, undefined, operator)).json.results[0]
          ?.state;
      await sendWebhook(scene, berlin, good!.jamfComputerId);
      await eventually(async () => expect(await stateOf(good!.deviceId)).toBe('verified'));
      intune.uploadErrorCode = 404;
      intune.uploadErrorDetail = 'Device not found';
      await sendWebhook(scene, berlin, failing!.jamfComputerId);
      await eventually(async () => expect(await stateOf(failing!.deviceId)).toBe('failed'));

      await withinContext(browser, origin, {}, async ({ faults, page }) => {
        const accessible = async (where: string): Promise<void> =>
          expect(await violationsOf(page), where).toEqual([]);
        await signInByKey(page, origin, operator);
        const needs = page.locator('.attention li', { hasText: 'Reports failed' });
        expect(await needs.innerText()).toContain('device-not-in-entra');
        await needs.getByText('Show the reports').click();
        await page.getByText('1 match.').waitFor();
        expect(await page.locator('#list ~ * table').innerText()).toContain(failing!.deviceId);
        await accessible('the reports of a cause');

        const cause = page.locator('tr', { hasText: 'device-not-in-entra' }).first();
        expect(await cause.innerText()).toContain('Device not found');
        await cause.getByText('Replay…').click();
        await page.getByText('1 of the 1 reports that match').waitFor();
        await accessible('what a replay would do');
        expect(await stateOf(failing!.deviceId)).toBe('failed');

        // Intune refuses once more: what was replayed is seen to fail again, without a press of anything.
        await page.getByLabel('Reason').fill('it is registered now');
        await page.getByRole('button', { name: 'Replay 1 report' }).click();
        await page.getByRole('status').getByText('They are due again.').waitFor();
        const row = page.locator('#reports tr', { hasText: failing!.deviceId });
        await row.getByText('failed', { exact: true }).waitFor();
        await accessible('a replay that failed again');

        await page.getByText('1 match.').waitFor();
        await page.getByText('Replay them…').click();
        intune.uploadErrorCode = null;
        intune.uploadErrorDetail = null;
        await page.getByRole('button', { name: 'Replay 1 report' }).click();
        await row.getByText('verified', { exact: true }).waitFor();
        // What came since is dressed as the page was when it was loaded.
        await expect.poll(() => row.locator('time').innerText()).toMatch(/ago|now/);
        await accessible('a replay that is done');

        await row.locator('a').first().click();
        await page.getByText('Entra shows it since').waitFor();
        expect(await page.locator('#timeline').innerText()).toContain('refused');
        await page.goto(`${origin}/`);
        expect(await page.locator('.attention', { hasText: 'Reports failed' }).count()).toBe(0);
        expect(faults).toEqual([]);
      });
    }, 120_000);
  },
);
