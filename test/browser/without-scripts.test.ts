import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pages } from '../../src/console/pages/all.ts';
import { clientSecretOf } from '../../src/simulator/world.ts';
import { browserPath, openBrowser, signInByKey, withinContext } from '../harness/chromium.ts';
import { adminOrigin } from '../harness/console.ts';
import { type ConsoleScene, startConsoleScene } from '../harness/console-scene.ts';
import { operatorsTenant } from '../harness/entra-operator.ts';

/** The console where no script runs: every page shows, filters and does the same. */
describe.skipIf(browserPath === undefined && process.env.CI !== 'true')('without scripts', () => {
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

  const walk = (work: (page: Page) => Promise<void>): Promise<void> =>
    withinContext(browser, origin, { javaScriptEnabled: false }, async ({ faults, page }) => {
      page.setDefaultTimeout(30_000);
      await signInByKey(page, origin, all.key);
      await work(page);
      expect(faults).toEqual([]);
    });
  const press = (page: Page, name: string): Promise<void> =>
    page.locator('main').getByRole('button', { name, exact: true }).first().click();
  const told = (page: Page, text: string): Promise<void> =>
    page.locator('main').getByText(text).first().waitFor();

  it(
    'every page shows its heading and content',
    () =>
      walk(async (page) => {
        for (const path of all.paths()) {
          const answer = await page.goto(origin + path);
          expect([path, answer?.status()]).toEqual([path, 200]);
          expect(await page.locator('h1').count(), path).toBe(1);
          expect((await page.locator('main').innerText()).length, path).toBeGreaterThan(30);
        }
      }),
    60_000,
  );

  it(
    'every form that asks for something is answered with a page',
    () =>
      walk(async (page) => {
        const pressed: string[] = [];
        for (const path of all.paths()) {
          await page.goto(origin + path);
          // The search at the top of all pages is asked once.
          const forms = page.locator(path === '/' ? 'form.search' : 'main form:not([method=post])');
          for (let index = 0; index < (await forms.count()); index += 1) {
            const form = forms.nth(index);
            const button = form.locator('button');
            for (const field of await form.locator('input[required]:invalid').all())
              await field.fill(
                (await field.getAttribute('type')) === 'datetime-local' ? '2026-01-02T03:04' : '7',
              );
            const [answer] = await Promise.all([
              page.waitForResponse((one) => one.request().isNavigationRequest()),
              (await button.count()) > 0 ? button.click() : form.locator('input').first().press('Enter'),
            ]);
            // The page says below the form why its request is not possible.
            if (answer.status() === 409) await page.locator('main form + .problem').waitFor();
            else expect([path, answer.url(), answer.status()]).toEqual([path, answer.url(), 200]);
            expect(await page.locator('h1').count(), answer.url()).toBe(1);
            pressed.push(new URL(answer.url()).pathname);
            await page.goto(origin + path);
          }
        }
        for (const filtered of ['/reports', '/history', '/approvals', '/search'])
          expect(pressed).toContain(filtered);
      }),
    120_000,
  );

  /** One write for each page that has writes: what a person presses, and the words that must then appear. */
  const writes: Readonly<Record<string, (page: Page) => Promise<void>>> = {
    '/connect': async (page) => {
      await page.fill('[name=tenantId]', crypto.randomUUID());
      await page.fill('[name=displayName]', 'Initech');
      await press(page, 'Go on to the consents');
      await told(page, 'The tenant is added.');
    },
    '/tenants/:tenantId/connect': async (page) => {
      await page.goto(`${page.url()}?step=confirm`);
      await press(page, 'Confirm again');
      await told(page, 'Every step is done. The tenant is connected.');
    },
    '/tenants/:tenantId/actions/:action': async (page) => {
      await page.goto(`${origin}/tenants/${all.contoso}/actions/pause`);
      await press(page, 'Pause');
      await told(page, 'Delivery is paused.');
      await page.goto(`${origin}/tenants/${all.contoso}/actions/resume`);
      await press(page, 'Resume');
      await told(page, 'Delivery goes on.');
    },
    '/tenants/:tenantId/settings': async (page) => {
      await page.fill('[name=displayName]', 'Contoso Ltd');
      await press(page, 'Save');
      await told(page, 'The settings are saved.');
    },
    '/tenants/:tenantId/migrate': async (page) => {
      await page.goto(`${origin}/tenants/${all.fabrikam}/migrate`);
      await page.selectOption('[name=mode]', 'conditional-access');
      await press(page, 'Show the plan');
      await press(page, 'Take the steps of Espalier');
      await told(page, 'Espalier has taken its steps.');
    },
    '/tenants/:tenantId/devices/:deviceId': async (page) => {
      await page.click('summary:has-text("Pin it to berlin")');
      await press(page, 'Pin');
      await told(page, 'The Mac is pinned');
    },
    '/tenants/:tenantId/instances/new': async (page) => {
      const munich = all.scene.world.instance('munich');
      await page.fill('[name=name]', 'added');
      await page.fill('[name=url]', munich.url);
      await page.fill('[name=clientId]', munich.clientId);
      await page.fill('[name=clientSecret]', clientSecretOf(munich));
      await press(page, 'Add the instance');
      await told(page, 'The instance was added');
    },
    '/tenants/:tenantId/instances/:instanceId': async (page) => {
      await press(page, 'Pause');
      await told(page, 'The instance is paused.');
      await press(page, 'Resume');
      await told(page, 'The instance is used again.');
    },
    '/tenants/:tenantId/instances/:instanceId/edit': async (page) => {
      await page.fill('[name=name]', 'berlin one');
      await press(page, 'Save');
      await told(page, 'The instance was changed.');
    },
    '/reports/replay': async (page) => {
      await page.fill('main [name=filter]', 'state==verified');
      await press(page, 'See what it would do');
      await press(page, 'Replay 1 report');
      await told(page, 'They are due again.');
    },
    '/tenants/:tenantId/holds/:holdId': async (page) => {
      await press(page, 'Refuse: it is an accident');
      await told(page, 'You refused it.');
      await press(page, 'Release: it is right');
      await told(page, 'You released it.');
    },
    '/alerts': async (page) => {
      await page.fill('[name=name]', 'a program');
      await page.fill('[name=url]', `${all.receiver.url}/program`);
      await press(page, 'Add the target');
      expect(await page.locator('code.secret').innerText()).toMatch(/^whsec_/);
    },
    '/alerts/:targetId': async (page) => {
      await press(page, 'Send a test');
      await told(page, 'The test arrived.');
      await press(page, 'Disable');
      await told(page, 'The target is told nothing until it is enabled.');
    },
    '/approvals/:approvalId': async (page) => {
      await press(page, 'Take it back');
      await told(page, 'It was rejected. Nothing was done.');
    },
    '/tenants/:tenantId/import': async (page) => {
      const row = [all.device.deviceId, all.berlin.id, all.device.jamfComputerId].join(',');
      await page.fill('[name=text]', `deviceId,instanceId,jamfComputerId\n${row}`);
      await press(page, 'Preview');
      await told(page, 'Nothing is changed yet.');
      await press(page, 'Import');
      await told(page, 'What was done');
    },
    '/tenants/:tenantId/moves/:moveId/advance': async (page) => {
      await press(page, 'Take the next step');
      await told(page, 'The step is taken.');
    },
    '/tenants/:tenantId/moves/:moveId/pause': async (page) => {
      await press(page, 'Pause the move');
      await told(page, 'The move is paused.');
    },
    '/tenants/:tenantId/moves/:moveId/rollback': async (page) => {
      await press(page, 'Take the move back');
      await told(page, 'The move is taken back.');
    },
    '/tenants/:tenantId/moves/new': async (page) => {
      await page.selectOption('[name=from]', { index: 0 });
      await page.selectOption('[name=to]', { index: 1 });
      await press(page, 'See which devices would go');
      await press(page, 'Plan this move');
      await told(page, 'The move is planned.');
    },
    '/keys': async (page) => {
      await page.fill('[name=name]', 'of a pipeline');
      await press(page, 'Make the key');
      expect(await page.locator('code.secret').innerText()).toMatch(/^esp_/);
    },
    '/keys/:keyId': async (page) => {
      const { id } = (await all.api('POST', '/keys', { name: 'to go', role: 'viewer' })).json;
      await page.goto(`${origin}/keys/${id}`);
      await press(page, 'Revoke the key');
      await told(page, 'The key was revoked.');
    },
    '/operators': async (page) => {
      await page.fill('[name=entraTenant]', operatorsTenant);
      await page.fill('[name=object]', crypto.randomUUID());
      await page.fill('[name=tenants]', all.contoso);
      await press(page, 'Assign');
      await told(page, 'The assignment holds');
    },
    '/operators/:operatorId': async (page) => {
      await page.selectOption('[name=sees]', 'some');
      await page.fill('[name=tenants]', all.contoso);
      await press(page, 'Assign');
      await told(page, 'The assignment holds');
    },
    '/sessions': async (page) => {
      await press(page, 'Sign out');
      await page.waitForURL(/\/sign-in/);
    },
  };

  it('each page that has something to press is among those that are pressed', () => {
    const withActs = pages.filter(({ acts }) => acts !== undefined).map(({ path }) => path);
    expect(Object.keys(writes).sort()).toEqual(withActs.sort());
  });

  it.each(Object.keys(writes))('a write of %s is done', (path) =>
    walk(async (page) => {
      await page.goto(origin + all.pathOf(path));
      await writes[path]!(page);
    }),
  );
});
