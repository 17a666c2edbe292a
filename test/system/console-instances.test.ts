import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettings } from '../../src/simulator/jamf/webhook-settings.ts';
import { clientSecretOf } from '../../src/simulator/world.ts';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import { addInstance, connectTenant, consent, type Scene, startScene } from '../harness/gateway.ts';

/** A tenant's Jamf Pro instances in the console: how they are, their keys, and what can be done about them. */
describe('instances in the console', () => {
  let scene: Scene;
  let admin: ConsoleVisit;
  let viewer: ConsoleVisit;
  let tenantId: string;
  let otherId: string;
  let adminKey: string;

  const api = (method: string, path: string, body?: unknown) => scene.api(method, path, body, adminKey);
  const keyOf = async (given: object): Promise<string> =>
    (await scene.api('POST', '/keys', { name: crypto.randomUUID(), ...given }, adminKey)).json.key;
  const pathOf = (id: string): string => `/tenants/${tenantId}/instances/${id}`;
  /** The value of a form's hidden field, as a browser would post it. */
  const hidden = (page: string, name: string): string =>
    (new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? '').replaceAll('&quot;', '"');
  /** What the page offers to copy. */
  const copies = (page: string): string[] =>
    [...page.matchAll(/<(code|pre)[^>]* data-copy(?:="")?>(.*?)<\/\1>/gs)].map(([, , text = '']) =>
      text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
    );

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'berlin', macs: 3 },
              { name: 'paris', macs: 2 },
              { name: 'tokyo', macs: 1 },
              { name: 'rome', macs: 1 },
              { name: 'vienna', macs: 0 },
            ],
          },
          { displayName: 'Fabrikam', instances: [{ name: 'oslo', macs: 1 }] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    await connectTenant(scene, otherId);
    await consent(scene, tenantId);
    adminKey = (await scene.api('POST', '/keys', { name: 'admin', role: 'admin' })).json.key;
    admin = await visitConsole(scene, adminKey);
    viewer = await visitConsole(scene, await keyOf({ role: 'viewer' }));
  });
  afterAll(() => scene?.close());

  /** As the bootstrap key does in other tests; that key has ended here. */
  const add = (name: string, more: object = {}) =>
    addInstance({ ...scene, api: (method, path, body) => api(method, path, body) }, tenantId, name, more);

  describe('the page of one', () => {
    let berlin: { id: string; key: string };
    const opened = async (): Promise<string> => (await admin.open(pathOf(berlin.id))).text;
    beforeAll(async () => {
      berlin = await add('berlin');
    });

    it('shows health, settings, keys and conflicts, with names for ids', async () => {
      const page = await opened();
      for (const text of ['Contoso', 'berlin', scene.world.instance('berlin').url, 'not seen yet', berlin.id])
        expect(page).toContain(text);
      expect(page).toContain(`/jamf/${berlin.id}/webhooks`);
      expect(page).toContain('claimed by more than one computer');
      expect(page).toContain(berlin.key.slice(0, 10));
      expect(page).not.toContain(berlin.key);
    });

    it('tests live and tells every step, with the remedy of what fails', async () => {
      const good = await admin.post(`${pathOf(berlin.id)}/test`, { reason: 'before going live' });
      expect(good.status, good.text).toBe(200);
      for (const name of ['Sign-in of the API client', 'Version of Jamf Pro', 'Inventory', 'Compliance'])
        expect(good.text).toContain(`<strong>${name}</strong>`);
      expect(good.text).toContain('Everything that the gateway needs');
      expect(await opened()).toContain('Jamf Pro');
      const history = await api('GET', '/history?filter=action==instance.test&page-size=1');
      expect(history.json.results[0]).toMatchObject({ action: 'instance.test', reason: 'before going live' });
      const simulated = scene.world.instance('berlin');
      await api('PATCH', pathOf(berlin.id), { apiClient: { clientId: 'nobody', clientSecret: 'nothing' } });
      const bad = await admin.post(`${pathOf(berlin.id)}/test`);
      expect(bad.text).toContain('does not work');
      expect(bad.text).toContain('Check the client id and secret in Jamf Pro');
      const failed = (await api('GET', pathOf(berlin.id))).json;
      expect(failed.lastError).toMatch(/^unauthenticated: /);
      expect(await opened()).toContain(failed.lastErrorAt);
      const { clientId } = simulated;
      await api('PATCH', pathOf(berlin.id), {
        apiClient: { clientId, clientSecret: clientSecretOf(simulated) },
      });
      await admin.post(`${pathOf(berlin.id)}/test`);
      expect((await api('GET', pathOf(berlin.id))).json.lastError).toBeNull();
    });

    it('pauses and resumes', async () => {
      const version = hidden(await opened(), 'version');
      const paused = await admin.post(`${pathOf(berlin.id)}/pause`, { version });
      expect(paused.text).toContain('The instance is paused.');
      expect((await api('GET', pathOf(berlin.id))).json.paused).toBe(true);
      // The version is that of before: somebody else may have changed it meanwhile.
      const late = await admin.post(`${pathOf(berlin.id)}/resume`, { version });
      expect([late.status, late.text.includes('The object has changed since')]).toEqual([400, true]);
      const resumed = await admin.post(`${pathOf(berlin.id)}/resume`, {
        version: hidden(paused.text, 'version'),
      });
      expect(resumed.text).toContain('The instance is used again.');
      expect((await api('GET', pathOf(berlin.id))).json.paused).toBe(false);
    });

    it('reconciles: what the instance has becomes known', async () => {
      const page = await admin.post(`${pathOf(berlin.id)}/reconcile`);
      expect(page.text).toContain('The reconciliation was asked for.');
      await eventually(async () => {
        const { json } = await api('GET', `/tenants/${tenantId}/devices?filter=instanceId==${berlin.id}`);
        expect(json.totalCount).toBe(3);
      });
    });

    it('says what disabling would do before it does it', async () => {
      const version = hidden(await opened(), 'version');
      const plan = await admin.post(`${pathOf(berlin.id)}/plan-disable`, { version, reason: 'moves away' });
      expect(plan.text).toContain('What this will do');
      expect(plan.text).toMatch(/Stay as they are<\/dt><dd>3</);
      expect((await api('GET', pathOf(berlin.id))).json.enabled).toBe(true);
      const done = await admin.post(`${pathOf(berlin.id)}/disable`, {
        version: hidden(plan.text, 'version'),
        reason: hidden(plan.text, 'reason') || 'moves away',
      });
      expect(done.text).toContain('The instance is disabled.');
      expect((await api('GET', pathOf(berlin.id))).json.enabled).toBe(false);
      const back = await admin.post(`${pathOf(berlin.id)}/plan-enable`);
      expect(back.text).toContain('The claims of this instance count again');
      await admin.post(`${pathOf(berlin.id)}/enable`);
      expect((await api('GET', pathOf(berlin.id))).json.enabled).toBe(true);
    });

    it('revokes a key, which opens nothing any more', async () => {
      const page = await opened();
      const plan = await admin.post(`${pathOf(berlin.id)}/plan-revocation`, { key: hidden(page, 'key') });
      expect(plan.text).toContain('Webhooks that show this key are refused');
      const done = await admin.post(`${pathOf(berlin.id)}/revoke`, { key: hidden(plan.text, 'key') });
      expect(done.text).toContain('The key was revoked.');
      const refused = await scene.data(`/jamf/${berlin.id}/webhooks`, {
        method: 'POST',
        headers: { 'x-api-key': berlin.key, 'content-type': 'application/json' },
        body: '{}',
      });
      expect(refused.status).toBe(401);
    });

    it('shows a viewer everything and no button, and refuses what he forges', async () => {
      const page = await viewer.open(pathOf(berlin.id));
      expect(page.text).toContain('Health');
      expect(page.text).not.toMatch(/formaction|make-key|\/edit"|plan-/);
      for (const act of ['test', 'pause', 'disable', 'plan-removal', 'remove', 'make-key'])
        expect([act, (await viewer.post(`${pathOf(berlin.id)}/${act}`)).status]).toEqual([act, 403]);
      expect((await api('GET', pathOf(berlin.id))).json).toMatchObject({ enabled: true, paused: false });
    });

    it('is not there for a person of another tenant', async () => {
      const stranger = await visitConsole(scene, await keyOf({ role: 'admin', tenants: [otherId] }));
      for (const path of [pathOf(berlin.id), `/tenants/${otherId}/instances/${berlin.id}`]) {
        const page = await stranger.open(path);
        expect([page.status, page.text.includes('berlin')]).toEqual([404, false]);
      }
    });

    it('takes no token of another session', async () => {
      const forged = await admin.post(`${pathOf(berlin.id)}/pause`, { csrf: 'guessed' });
      expect(forged.status).toBe(403);
      expect((await api('GET', pathOf(berlin.id))).json.paused).toBe(false);
    });

    it('shows names as text', async () => {
      const hostile = `<b>"'& hx-get="/x"`;
      const renamed = await api('PATCH', pathOf(berlin.id), { name: hostile });
      expect(renamed.status, renamed.text).toBe(200);
      const page = await opened();
      expect(page).not.toContain('<b>');
      expect(page).not.toMatch(/ hx-get="\/x"/);
      expect(page).toContain('&lt;b&gt;&quot;&#39;&amp; hx-get=&quot;');
      await api('PATCH', pathOf(berlin.id), { name: 'berlin' });
    });
  });

  describe('adding and editing', () => {
    const form = (name: string, more: Record<string, string> = {}) => {
      const simulated = scene.world.instance(name);
      return {
        name,
        url: simulated.url,
        clientId: simulated.clientId,
        clientSecret: clientSecretOf(simulated),
        source: 'jamf',
        ...more,
      };
    };
    const added = async (name: string): Promise<string> => {
      const { json } = await api('GET', `/tenants/${tenantId}/instances?filter=name==${name}`);
      return json.results[0]?.id;
    };

    it('shows the role to make in Jamf Pro, to be copied', async () => {
      const page = await admin.open(`/tenants/${tenantId}/instances/new`);
      expect(copies(page.text)).toEqual([
        'Espalier',
        'Read Computers',
        'Read Device Compliance Information',
        'Update Smart Computer Groups',
      ]);
    });

    it('shows again what was typed where it is refused, without the secret', async () => {
      const typed = form('rome', { url: 'http://plain.example', clientSecret: 'the-secret-itself' });
      const page = await admin.post(`/tenants/${tenantId}/instances/new/add`, {
        ...typed,
        source: 'smart-group',
        caCertificate: `-----BEGIN CERTIFICATE-----\n${'A'.repeat(40_000)}`,
      });
      expect(page.status).toBe(400);
      expect(page.text).toContain('<code>url</code>');
      expect(page.text).toContain('<code>compliance.complianceGroup</code>');
      expect(page.text).toContain('value="http://plain.example"');
      expect(page.text).toContain('A'.repeat(40_000));
      expect(page.text).not.toContain('the-secret-itself');
      expect(await added('rome')).toBeUndefined();
    });

    it('adds one, edits it as it was seen, and keeps the secret where none is typed', async () => {
      const page = await admin.post(
        `/tenants/${tenantId}/instances/new/add`,
        form('rome', { source: 'smart-group', complianceGroup: 'Compliant Macs', reason: 'new customer' }),
      );
      expect(page.text).toContain('The instance was added.');
      const id = await added('rome');
      const edit = await admin.open(`${pathOf(id)}/edit`);
      expect(edit.text).toContain('value="Compliant Macs"');
      expect(edit.text).not.toContain(clientSecretOf(scene.world.instance('rome')));
      const version = hidden(edit.text, 'version');
      const change = { ...form('rome', { clientSecret: '', complianceGroup: 'Good Macs' }), version };
      const saved = await admin.post(`${pathOf(id)}/edit/save`, { ...change, source: 'smart-group' });
      expect(saved.text).toContain('The instance was changed.');
      expect((await api('GET', pathOf(id))).json.compliance).toEqual({
        source: 'smart-group',
        complianceGroup: 'Good Macs',
      });
      expect((await admin.post(`${pathOf(id)}/test`)).text).toContain('Everything that the gateway needs');
      const late = await admin.post(`${pathOf(id)}/edit/save`, change);
      expect([late.status, late.text.includes('Begin again with what is there now')]).toEqual([400, true]);
      const elsewhere = await admin.post(`${pathOf(id)}/edit/save`, {
        ...change,
        version: hidden(saved.text, 'version'),
        url: 'https://elsewhere.example',
      });
      expect(elsewhere.text).toContain('the secret must not go to a new place unasked');
    });

    it('shows a viewer what to do and no form, and refuses what he forges', async () => {
      const page = await viewer.open(`/tenants/${tenantId}/instances/new`);
      expect(page.text).toContain('takes the role admin');
      expect(page.text).not.toContain('clientSecret');
      const forged = await viewer.post(`/tenants/${tenantId}/instances/new/add`, form('vienna'));
      expect(forged.status).toBe(403);
    });
  });

  it('a key is made, what the page shows is entered in Jamf Pro, and its webhooks arrive', async () => {
    const paris = await add('paris');
    const made = await admin.post(`${pathOf(paris.id)}/make-key`, { name: 'second', reason: 'rotation' });
    expect(made.status, made.text).toBe(200);
    expect(made.headers['cache-control']).toBe('no-store');
    const shown = copies(made.text);
    const url = shown.find((text) => text.endsWith('/webhooks')) ?? '';
    const header = JSON.parse(shown.find((text) => text.startsWith('{')) ?? '{}');
    expect(shown).toContain('ComputerInventoryCompleted');
    expect(shown).toContain('SmartGroupComputerMembershipChange');
    // The documents say the same, and Jamf Pro's Classic API reads them so.
    const documents = shown.filter((text) => text.startsWith('<webhook>')).map((text) => readSettings(text));
    expect(documents).toHaveLength(4);
    for (const document of documents)
      expect(document).toMatchObject({
        kind: 'settings',
        settings: {
          url,
          contentType: 'application/json',
          authentication: { type: 'HEADER', headers: header },
        },
      });
    const simulated = scene.world.instance('paris');
    simulated.webhooks.create({
      name: 'Espalier ComputerInventoryCompleted',
      enabled: true,
      url,
      contentType: 'application/json',
      event: 'ComputerInventoryCompleted',
      connectionTimeoutSeconds: 5,
      readTimeoutSeconds: 5,
      authentication: { type: 'HEADER', headers: header },
      smartGroupId: 0,
    });
    const [device] = scene.world.fleet.truth().filter(({ instance }) => instance === 'paris');
    scene.world.fleet.updateInventory(scene.world.fleet.findByDevice(device!.deviceId)!);
    await eventually(async () => {
      const { json } = await api('GET', `/tenants/${tenantId}/devices?filter=instanceId==${paris.id}`);
      expect(json.totalCount).toBe(1);
      const keys = await api('GET', `${pathOf(paris.id)}/keys`);
      expect(
        keys.json.results.find(({ name }: { name: string }) => name === 'second').lastUsedAt,
      ).not.toBeNull();
    });
    const again = await admin.open(pathOf(paris.id));
    expect(again.text).not.toContain(Object.values(header)[0]);
    expect(again.text).toContain('second');
  });

  it('deletes after saying what becomes of the devices', async () => {
    const tokyo = await add('tokyo');
    await api('POST', `${pathOf(tokyo.id)}/reconcile`);
    await eventually(async () => {
      const { json } = await api('GET', `/tenants/${tenantId}/devices?filter=instanceId==${tokyo.id}`);
      expect(json.totalCount).toBe(1);
    });
    const plan = await admin.post(`${pathOf(tokyo.id)}/plan-removal`);
    expect(plan.text).toContain('Devices that no other instance claims: 1');
    const version = hidden(plan.text, 'version');
    const refused = await admin.post(`${pathOf(tokyo.id)}/remove`, { version, retract: 'true' });
    expect([refused.status, refused.text.includes('has 1 devices')]).toEqual([409, true]);
    const done = await admin.post(`${pathOf(tokyo.id)}/remove`, { version, retract: 'true', force: 'true' });
    expect(done.text).toMatch(/Retracted at Intune<\/dt><dd>1</);
    expect((await api('GET', pathOf(tokyo.id))).status).toBe(404);
  });
});
