import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { type AddedInstance, connectTenant, consent, type Scene, startScene } from '../harness/gateway.ts';

/** The pages about one tenant: what they show, and that each button does what it said (docs/console.md). */
describe('the page of a tenant', () => {
  let scene: Scene;
  let admin: ConsoleVisit;
  let viewer: ConsoleVisit;
  let instances: Map<string, AddedInstance>;
  const tenantIds: string[] = [];
  const of = (index: number): string => tenantIds[index] ?? '';
  const keyOf = async (given: object): Promise<string> =>
    (await scene.api('POST', '/keys', { name: crypto.randomUUID(), ...given })).json.key;
  const stateOf = async (tenantId: string) => (await scene.api('GET', `/tenants/${tenantId}`)).json;
  /** What a form of the page shows as the version that the person saw. */
  const versionIn = (text: string): string =>
    (/name="version" value="([^"]*)"/.exec(text)?.[1] ?? '').replaceAll('&quot;', '"');
  const press = async (visit: ConsoleVisit, tenantId: string, action: string, form = {}) => {
    const path = `/tenants/${tenantId}/actions/${action}`;
    const plan = await visit.open(path);
    return visit.post(`${path}/go`, { version: versionIn(plan.text), ...form });
  };

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [{ name: 'contoso-a', macs: 0 }] },
          { displayName: 'Fabrikam', instances: [] },
        ],
      },
    });
    tenantIds.push(...scene.world.tenants.map(({ tenantId }) => tenantId));
    instances = await connectTenant(scene, of(0));
    await consent(scene, of(1));
    admin = await visitConsole(scene);
    viewer = await visitConsole(scene, await keyOf({ role: 'viewer' }));
  });
  afterAll(() => scene?.close());

  it('says where the connection stands, what to do, and where its parts are', async () => {
    const { status, text } = await admin.open(`/tenants/${of(0)}`);
    expect(status).toBe(200);
    expect(text).toContain('<h1>Contoso</h1>');
    expect(text).toContain('Intune takes reports of this tenant.');
    expect(text).toContain(`/tenants/${of(0)}/instances/${instances.get('contoso-a')?.id}`);
    for (const part of ['devices', 'moves', 'permissions'])
      expect(text).toContain(`/tenants/${of(0)}/${part}"`);
    expect(text).toContain(`/reports?tenant=${of(0)}`);
    expect(text).toContain(`/history?tenant=${of(0)}`);
    const other = (await admin.open(`/tenants/${of(1)}`)).text;
    expect(other).toContain('Confirm, to provision the tenant at Intune.');
    expect(other).toContain('This tenant has no Jamf Pro instance yet.');
  });

  it('shows the permissions granted beside those expected', async () => {
    const { text } = await admin.open(`/tenants/${of(0)}/permissions`);
    expect(text).toContain('update_device_attributes');
    expect(text).toContain('Directory.Read.All');
    expect(text).not.toContain('>missing<');
    expect((await admin.open(`/tenants/${of(0)}`)).text).toContain('>as expected<');
  });

  it('says what pausing does, pauses with the reason, and goes on', async () => {
    const plan = await admin.open(`/tenants/${of(0)}/actions/pause`);
    expect(plan.text).toContain('Reports wait here until somebody resumes.');
    expect((await stateOf(of(0))).paused).toBe(false);
    const done = await press(admin, of(0), 'pause', { reason: 'change window' });
    expect(done.text).toContain('Delivery is paused.');
    expect((await stateOf(of(0))).paused).toBe(true);
    expect((await scene.api('GET', '/history')).text).toContain('change window');
    expect((await press(admin, of(0), 'resume')).text).toContain('Delivery goes on.');
    expect((await stateOf(of(0))).paused).toBe(false);
  });

  it('resyncs, disables and enables with every step shown', async () => {
    expect((await press(admin, of(0), 'resync')).text).toContain('told to Intune again');
    expect((await admin.open(`/tenants/${of(0)}/actions/disable`)).text).toContain(
      '<strong>disabled</strong>',
    );
    expect((await press(admin, of(0), 'disable')).text).toContain('The connection is disabled.');
    expect((await stateOf(of(0))).connectionState).toBe('disabled');
    const wizard = `/tenants/${of(0)}/connect`;
    expect((await admin.open(`/tenants/${of(0)}`)).text).toContain(
      `href="${wizard}?step=confirm">Enable</a>`,
    );
    expect((await admin.open(wizard)).text).toContain('What enabling does');
    const { text } = await admin.post(`${wizard}/confirm`, { verb: 'enable' });
    expect(text).toContain('Every step is done.');
    expect(text).toContain('<strong>Registration as partner in Intune</strong>');
    expect((await stateOf(of(0))).connectionState).toBe('connected');
  });

  it('shows of a failed step the cause and the remedy', async () => {
    const instance = scene.world.instance('contoso-a');
    const path = `/tenants/${of(0)}/instances/${instances.get('contoso-a')?.id}`;
    await scene.api('PATCH', path, { apiClient: { clientId: instance.clientId, clientSecret: 'wrong' } });
    const { text } = await admin.post(`/tenants/${of(0)}/connect/confirm`);
    expect(text).toContain('The tenant is connected, and not every step is done.');
    expect(text).toContain('<strong>Jamf Pro instance contoso-a</strong>');
    expect(text).toContain('It is for');
  });

  it('leads to new links for the administrator when a tenant is connected again', async () => {
    const { text } = await admin.post(`/tenants/${of(1)}/connect/links`);
    expect(text).toContain('Send these links to the administrator');
    expect(text).toContain('client_id=');
  });

  it('disconnects after saying of how many devices, and no more', async () => {
    const plan = await admin.open(`/tenants/${of(1)}/actions/disconnect`);
    expect(plan.text).toContain('0 devices');
    await press(admin, of(1), 'disconnect', { retract: 'true' });
    expect((await stateOf(of(1))).connectionState).toBe('disconnected');
    const again = await admin.open(`/tenants/${of(1)}/actions/disconnect`);
    expect([again.status, again.text.includes('does not fit')]).toEqual([409, true]);
  });

  it('does nothing to a tenant that was changed since the page was shown', async () => {
    const { status, text } = await admin.post(`/tenants/${of(0)}/actions/disable/go`, { version: '"1"' });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).toContain('If-Match');
    expect((await stateOf(of(0))).connectionState).toBe('connected');
  });

  it('draws what was delivered from a table, over an hour, a day or a week', async () => {
    for (const [range, rows] of [
      ['hour', 12],
      ['day', 24],
      ['week', 168],
    ] as const) {
      const { text } = await admin.open(`/tenants/${of(0)}?range=${range}`);
      const section = text.slice(text.indexOf('data-charts'));
      expect([
        range,
        section.slice(0, section.indexOf('</section>')).match(/data-label="From"/g)?.length,
      ]).toEqual([range, rows]);
      expect(text).toMatch(/<script src="\/console\/uplot\.js\?v=/);
    }
  });

  it('saves the settings, and says what was changed meanwhile', async () => {
    const path = `/tenants/${of(1)}/settings`;
    const opened = await admin.open(path);
    const form = {
      version: versionIn(opened.text),
      displayName: 'Fabrikam Ltd',
      choice: 'denied',
      group: 'Mac users',
      'seen-displayName': 'Fabrikam',
      'seen-choice': 'default',
    };
    expect((await admin.post(`${path}/save`, form)).text).toContain('The settings are saved.');
    expect(await stateOf(of(1))).toMatchObject({
      displayName: 'Fabrikam Ltd',
      landing: { choice: 'denied' },
      partnerGroup: { displayName: 'Mac users' },
    });
    const late = await admin.post(`${path}/save`, { ...form, displayName: 'Late' });
    expect(late.status).toBe(409);
    expect(late.text).toContain('Somebody changed this tenant');
    expect(late.text).toContain('value="Late"');
    expect((await stateOf(of(1))).displayName).toBe('Fabrikam Ltd');
    const faulty = await admin.post(`${path}/save`, {
      ...form,
      version: versionIn(late.text),
      choice: 'custom',
      customUrl: '',
    });
    expect(faulty.status).toBe(400);
    expect(faulty.text).toContain('landing.customUrl');
  });

  it('plans a migration without doing it, and does it when it is pressed', async () => {
    const path = `/tenants/${of(0)}/migrate`;
    const plan = await admin.open(`${path}?mode=conditional-access`);
    expect(plan.text).toContain('<code>change-mode</code>');
    expect((await stateOf(of(0))).mode).toBe('device-compliance');
    const form = {
      version: versionIn(plan.text),
      mode: 'conditional-access',
      connectionType: 'cloud-connector',
    };
    expect((await viewer.post(`${path}/go`, form)).status).toBe(403);
    expect((await admin.post(`${path}/go`, form)).text).toContain('Espalier has taken its steps.');
    expect((await stateOf(of(0))).mode).toBe('conditional-access');
  });

  it('shows a viewer everything and no button, and refuses his forged form', async () => {
    const { text } = await viewer.open(`/tenants/${of(0)}`);
    expect(text).toContain('Intune takes reports of this tenant.');
    expect(text).not.toContain('/actions/');
    expect(text).not.toContain('step=');
    for (const action of ['disable', 'pause', 'disconnect', 'resync']) {
      const forged = await viewer.post(`/tenants/${of(0)}/actions/${action}/go`, {});
      expect([action, forged.status]).toEqual([action, 403]);
    }
    expect((await stateOf(of(0))).paused).toBe(false);
  });

  it('is not found by somebody of another tenant', async () => {
    const bound = await visitConsole(scene, await keyOf({ role: 'admin', tenants: [of(1)] }));
    for (const part of ['', '/permissions', '/settings', '/migrate', '/actions/disable']) {
      const page = await bound.open(`/tenants/${of(0)}${part}`);
      expect([part, page.status, page.text.includes('Contoso')]).toEqual([part, 404, false]);
    }
    expect((await bound.post(`/tenants/${of(0)}/actions/pause/go`, {})).status).toBe(404);
  });

  it('shows hostile names as text', async () => {
    const hostile = `<b hx-get="/x">"'&</b>`;
    expect((await scene.api('PATCH', `/tenants/${of(0)}`, { displayName: hostile })).status).toBe(200);
    for (const part of ['', '/permissions', '/settings', '/migrate', '/actions/pause']) {
      const { text } = await admin.open(`/tenants/${of(0)}${part}`);
      expect(text).toContain('&lt;b hx-get=');
      expect(text).not.toContain('<b hx-get');
    }
  });
});
