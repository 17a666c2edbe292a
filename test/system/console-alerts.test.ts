import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AlertReceiver, startAlertReceiver } from '../harness/alert-receiver.ts';
import { type ConsoleVisit, hostile, unescaped, visitConsole } from '../harness/console.ts';
import { bootstrapKey, type Scene, startScene } from '../harness/gateway.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** Targets of alerts in the console and on the command line. */

let scene: Scene;
let receiver: AlertReceiver;
let admin: ConsoleVisit;
let tenantId: string;

beforeAll(async () => {
  scene = await startScene({ world: { clouds: ['public'], tenants: [{ instances: [] }] } });
  receiver = await startAlertReceiver(scene.world.authority);
  tenantId = scene.world.tenants[0]!.tenantId;
  await scene.api('POST', '/tenants', { tenantId, displayName: 'Contoso', cloud: 'public' });
  admin = await visitConsole(scene);
}, 120_000);
afterAll(async () => {
  await receiver?.close();
  await scene?.close();
});

const targets = async () => (await scene.api('GET', '/alerts/targets')).json.results;

describe('the console', () => {
  it('says that nobody is told yet', async () => {
    expect((await admin.open('/alerts')).text).toContain('Nobody is told yet');
  });

  it('adds a target whose secret is shown once, and shows of its address the beginning', async () => {
    const page = await admin.post('/alerts/create', {
      name: hostile,
      format: 'standard',
      url: `${receiver.url}/secret-path`,
      tenants: tenantId,
      kinds: 'tenant-held',
    });
    expect(page.status, page.text).toBe(200);
    expect(page.text).toMatch(/<code class="secret" data-copy>whsec_/);
    const [one] = await targets();
    expect(one).toMatchObject({ name: hostile, tenants: [tenantId], kinds: ['tenant-held'] });
    for (const path of ['/alerts', `/alerts/${one.id}`]) {
      const { text } = await admin.open(path);
      expect(text).not.toMatch(unescaped);
      expect(text).toContain(receiver.url);
      expect(text).not.toMatch(/whsec_|secret-path/);
    }
  });

  it('tests, disables and removes it', async () => {
    const [{ id }] = await targets();
    const tested = await admin.post(`/alerts/${id}/test`, {});
    expect(tested.text).toContain('The test arrived.');
    expect(receiver.received.at(-1)?.json.type).toBe('alerts.test');
    receiver.answer(500);
    expect((await admin.post(`/alerts/${id}/test`, {})).text).toContain('it answered with status 500');
    receiver.answer(200);
    await admin.post(`/alerts/${id}/disable`, {});
    expect((await targets())[0].state).toBe('disabled');
    await admin.post(`/alerts/${id}/remove`, {});
    expect(await targets()).toEqual([]);
  });
});

describe('the command line', () => {
  const run = (...args: string[]) =>
    runCommand(args, {
      environment: {
        ESPALIER_URL: scene.gateway.admin,
        ESPALIER_API_KEY: bootstrapKey,
        ESPALIER_CA_FILE: `${scene.environment.ESPALIER_DATA_DIR}/tls.crt`,
        HOOK_URL: `${receiver.url}/from-the-environment`,
      },
    });

  it('adds, tests, changes and removes a target', async () => {
    const made = await run('alerts', 'create', '--name', 'cli', '--url', 'env:HOOK_URL', '-o', 'json');
    expect(made.code, made.stderr).toBe(0);
    const { id, secret } = JSON.parse(made.stdout);
    expect(secret).toMatch(/^whsec_/);
    expect(made.stderr).toContain('the secret is shown this once');
    const tested = await run('alerts', 'test', id);
    expect(tested.code, tested.stderr).toBe(0);
    expect(receiver.received.at(-1)?.path).toBe('/from-the-environment');
    receiver.answer(500);
    expect((await run('alerts', 'test', id)).code).toBe(1);
    receiver.answer(200);
    expect((await run('alerts', 'change', id, '--disable', '--kinds', 'paused')).code).toBe(0);
    expect((await targets())[0]).toMatchObject({ state: 'disabled', kinds: ['paused'] });
    expect((await run('alerts', 'list')).stdout).toContain('disabled');
    expect((await run('alerts', 'delete', id, '--yes')).code).toBe(0);
    expect(await targets()).toEqual([]);
  });
});
