import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserPath, openBrowser, signInByKey, violationsOf, withinContext } from '../harness/chromium.ts';
import { adminOrigin, newKey } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { enrolTwins, type Twin } from '../moves/twins.ts';

/** A move from its plan to the way back, as an operator walks it by pages. */
describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('a move in a browser', () => {
  let scene: Scene;
  let browser: Browser;
  let origin: string;
  let key: string;
  let tenantId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let twins: Twin[];

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'berlin', macs: 5 },
              { name: 'paris', macs: 0 },
            ],
          },
        ],
      },
    });
    origin = adminOrigin(scene);
    tenantId = scene.world.tenants[0]!.tenantId;
    const instances = await connectTenant(scene, tenantId);
    berlin = instances.get('berlin')!;
    paris = instances.get('paris')!;
    twins = enrolTwins(scene.world, 'berlin', 'paris', 1);
    for (const mac of scene.world.fleet.macs().filter(({ instanceName }) => instanceName === 'berlin'))
      await sendWebhook(scene, berlin, mac.computerId);
    for (const { to } of twins) await sendWebhook(scene, paris, to.id);
    await eventually(async () => {
      const [claims] = await scene.database.sql<{ count: number }[]>`select count(*) as count from claims`;
      expect(claims!.count).toBe(9);
    });
    key = (await newKey(scene, 'operator')).key;
    browser = await openBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await scene?.close();
  });

  const placed = async (): Promise<Record<string, number>> => {
    const { results } = (await scene.api('GET', `/tenants/${tenantId}/devices`)).json;
    const at = (id: string): number =>
      results.filter(({ instanceId }: { instanceId: string }) => instanceId === id).length;
    return { berlin: at(berlin.id), paris: at(paris.id) };
  };
  /** The value beside a name in the facts of the page. */
  const fact = (page: Page, name: string) =>
    page.locator(`main dt:text-is("${name}") + dd`).first().innerText();
  const says = (page: Page, words: string) => page.locator('main', { hasText: words }).waitFor();
  /** The second button, below what the step will do. */
  async function confirm(page: Page, told: string, label: string): Promise<void> {
    await says(page, told);
    expect(await violationsOf(page)).toEqual([]);
    await page.fill('main input[name=reason]', 'the merger');
    await page.locator('main form.fields button', { hasText: label }).click();
    await page.locator('p.notice').waitFor();
  }

  it('planned, shadowed, advanced by the slider and taken back', async () => {
    await withinContext(browser, origin, {}, async ({ faults, page }) => {
      await signInByKey(page, origin, key);
      await page.goto(`${origin}/tenants/${tenantId}`);
      await page.locator('main a[href$="/moves"]').first().click();
      await page.locator('main a.main', { hasText: 'Plan a move' }).click();

      await page.selectOption('select[name=from]', { label: 'berlin' });
      await page.selectOption('select[name=to]', { label: 'paris' });
      await page.fill('input[name=percent]', '50');
      await page.locator('main button', { hasText: 'See which devices would go' }).click();
      await says(page, '4 of 5 devices would go from berlin');
      await says(page, 'The new instance does not claim them.');
      await confirm(page, 'Planning moves nobody', 'Plan this move');
      await says(page, 'The move is planned. Nobody is moved yet.');
      expect(await fact(page, 'Skipped')).toBe('1');
      const move = new URL(page.url()).pathname;

      await page.locator('main a.main', { hasText: 'Begin to compare' }).click();
      await confirm(page, 'asked of both instances, and the answers compared', 'Take the next step');
      expect(await fact(page, 'State')).toBe('shadowing');
      expect(await placed()).toEqual({ berlin: 5, paris: 0 });
      for (const { to } of twins) scene.world.instance('paris').groups.compliance.members.delete(to.id);
      const token = await callerToken(scene, tenantId);
      await eventually(async () => {
        for (const { deviceId } of twins)
          await scene.data(`/t/${tenantId}/devices/${deviceId}/compliance`, {
            headers: { authorization: `Bearer ${token}` },
          });
        expect((await scene.api('GET', move)).json.shadowing.compared).toBeGreaterThanOrEqual(4);
      });
      await page.reload();
      const differences = page.locator('table', { hasText: 'For example, old and new' });
      await differences
        .locator('tr', { hasText: 'compliant at the old instance, not-compliant at the new one' })
        .first()
        .waitFor();
      expect(await violationsOf(page)).toEqual([]);

      const slider = page.locator('input[type=range]');
      await slider.focus();
      await slider.press('Home');
      expect(await page.inputValue('#percent')).toBe('1');
      await slider.fill('60');
      expect(await page.inputValue('#percent')).toBe('60');
      expect(await page.locator('output').innerText()).toBe('2');
      await page.check('input[name=force]');
      await page.locator('main button', { hasText: 'See what the next step would do' }).click();
      await confirm(page, 'The move goes from 0 to 60 percent', 'Take the next step');
      expect([await fact(page, 'State'), await fact(page, 'Percent')]).toEqual(['moving', '60 %']);

      await page.locator('input[type=range]').press('End');
      await page.check('input[name=force]');
      await page.locator('main button', { hasText: 'See what the next step would do' }).click();
      await confirm(page, 'to 100 percent', 'Take the next step');
      await says(page, 'All devices that were to go are at the new instance.');
      await eventually(async () => expect(await placed()).toEqual({ berlin: 1, paris: 4 }));

      await page.locator('main a', { hasText: 'Take it back' }).click();
      await confirm(page, '4 devices go back', 'Take the move back');
      expect(await fact(page, 'State')).toBe('rolled back');
      await eventually(async () => expect(await placed()).toEqual({ berlin: 5, paris: 0 }));
      expect(await page.locator('main input[type=range], main a[href$="/advance"]').count()).toBe(0);
      expect(faults).toEqual([]);
    });
  }, 120_000);
});
