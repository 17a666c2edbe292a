import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import { addInstance, browse, type Scene, startScene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** The connect wizard of the console (docs/console.md): from nothing to connected, as a person walks it. */
describe('the connect wizard', () => {
  let scene: Scene;
  let visit: ConsoleVisit;
  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [{ name: 'berlin', macs: 1 }] },
          { displayName: 'Fabrikam', instances: [] },
          { displayName: 'Own', instances: [] },
          { displayName: 'Odd', instances: [] },
        ],
      },
    });
    visit = await visitConsole(scene);
  });
  afterAll(() => scene?.close());

  const idOf = (name: string): string =>
    scene.world.tenants.find(({ displayName }) => displayName === name)!.tenantId;
  const cloud = () => scene.world.cloud('public');
  const keyOf = async (given: object): Promise<string> =>
    (await scene.api('POST', '/keys', { name: crypto.randomUUID(), ...given })).json.key;
  const add = (tenantId: string, displayName: string, more: object = {}) =>
    scene.api('POST', '/tenants', { tenantId, cloud: 'public', displayName, ...more });
  const stateOf = async (tenantId: string): Promise<string> =>
    (await scene.api('GET', `/tenants/${tenantId}`)).json.connectionState;
  const linksOn = (page: string): string[] =>
    [...page.matchAll(/<dd><code class="id" data-copy>(https:[^<]+)</g)].map(([, url]) =>
      (url ?? '').replaceAll('&amp;', '&'),
    );
  const heading = (page: string): string => /<h1>([^<]*)/.exec(page)?.[1] ?? '';
  const current = (page: string): string => /aria-current="step">([^<]*)/.exec(page)?.[1] ?? '';

  it('goes from nothing to connected, over a consent that is declined and mended', async () => {
    const tenantId = idOf('Contoso');
    const own = `/tenants/${tenantId}/connect`;
    const created = await visit.post('/connect/create', {
      tenantId,
      displayName: 'Contoso',
      cloud: 'public',
      mode: 'device-compliance',
      connectionType: 'cloud-connector',
      'landing.choice': 'default',
      'landing.customUrl': '',
      partnerGroup: '',
      reason: 'new customer',
    });
    expect(new URL(created.url).pathname).toBe(own);
    expect(created.text).toContain('Nothing was sent to Microsoft yet.');
    expect([heading(created.text), current(created.text)]).toEqual(['Consents: Contoso', 'Consents']);
    expect(created.text.match(/no link yet/g)).toHaveLength(2);

    const made = await visit.post(`${own}/links`, { reason: 'asked by phone' });
    const links = linksOn(made.text);
    expect(links).toHaveLength(2);
    for (const text of [
      'lang="en"',
      'lang="fr"',
      'Veuillez ouvrir le premier lien',
      'Please open the first link',
    ])
      expect(made.text).toContain(text);
    expect(made.headers['cache-control']).toBe('no-store');
    // Left and taken up again: it waits, and the links are not shown twice.
    const back = await visit.open(own);
    expect(back.text.match(/>waiting</g)).toHaveLength(2);
    expect(linksOn(back.text)).toEqual([]);

    const { consent } = cloud().settings.tenant(tenantId);
    consent.behaviour = 'decline';
    expect((await browse(scene, links[0]!)).text).toContain('The consent was not given');
    const declined = await visit.open(own);
    expect(declined.text).toContain('>declined<');
    expect(declined.text).toContain('Microsoft said: ');
    expect(declined.text).toContain('a Global Administrator, opens a new link and accepts');
    expect(declined.text).not.toContain('Go on to Intune');

    consent.behaviour = 'approve';
    const again = linksOn((await visit.post(`${own}/links`)).text);
    expect((await browse(scene, again[0]!)).text).toContain('Consent given');
    const given = await visit.open(`${own}?step=consents`, { 'hx-request': 'true' });
    expect(given.text.match(/>given</g)).toHaveLength(2);
    expect(given.text).not.toContain('hx-trigger');
    expect(given.text).toContain(`href="${own}?step=intune"`);

    const intune = await visit.open(own);
    expect(current(intune.text)).toBe('Intune');
    const { connector } = scene.world.applications.get('public')!;
    expect(intune.text).toContain(`data-copy>${connector.clientId}<`);
    const portal = (await scene.api('GET', '/clouds')).json.results[0].portal;
    expect(intune.text).toContain(`href="${portal}/#view/Microsoft_Intune_DeviceSettings/`);
    expect(intune.text).toContain('Partner compliance management');

    await addInstance(scene, tenantId, 'berlin');
    cloud().settings.tenant(tenantId).entra.entraError = { code: 700016, at: 'token' };
    const failed = await visit.post(`${own}/confirm`);
    expect(failed.text).toContain('The tenant is not connected yet.');
    expect(failed.text).toMatch(/>failed<\/span> <strong>Tokens from Microsoft Entra<\/strong>/);
    expect(failed.text).toContain('>not tried<');
    cloud().settings.tenant(tenantId).entra.entraError = null;
    // A person who comes back finds the steps that failed, and not the page before them.
    expect((await visit.open(own)).text).toContain('>not tried<');

    const confirmed = await visit.post(`${own}/confirm`, { reason: 'mended' });
    expect(confirmed.text, confirmed.text).toContain('Every step is done. The tenant is connected.');
    expect(confirmed.text).toContain('<strong>Jamf Pro instance berlin</strong>');
    expect(await stateOf(tenantId)).toBe('connected');
    expect(current((await visit.open(own)).text)).toBe('Confirm');
    const { results } = (await scene.api('GET', '/history?page-size=100')).json;
    const reasons = results.map(({ reason }: { reason: string | null }) => reason);
    expect(reasons).toEqual(expect.arrayContaining(['new customer', 'asked by phone', 'mended']));
  });

  it('shows the steps as they are done where scripts run, and where it stands to whoever comes back', async () => {
    const tenantId = idOf('Contoso');
    const own = `/tenants/${tenantId}/connect`;
    scene.world.faults.add({ service: 'jamf:berlin', delayMs: 3_000, times: 1 });
    const begun = await visit.post(`${own}/confirm`, { live: 'yes' });
    expect(begun.url).toBe(`${visit.origin}${own}?step=confirm`);
    expect(begun.text).toContain('You may leave this page: it goes on');
    expect(begun.text).toMatch(/id="confirmation" hx-get="[^"]*step=confirm"[^>]* hx-trigger="every 1s"/);
    expect(begun.text).not.toContain('Confirm again');
    const part = await eventually(async () => {
      const { text } = await visit.open(`${own}?step=confirm`, { 'hx-request': 'true' });
      expect(text).toContain('First heartbeat');
      return text;
    });
    expect(part).toContain('>at work<');
    const whole = await eventually(async () => {
      const { text } = await visit.open(own);
      expect(text).toContain('Every step is done. The tenant is connected.');
      return text;
    });
    expect(whole).not.toContain('hx-trigger');
    expect(whole).toContain('<strong>Jamf Pro instance berlin</strong>');
  });

  it('tells at once what the API refuses, also where the steps would be shown as they are done', async () => {
    const viewer = await visitConsole(scene, await keyOf({ role: 'operator' }));
    const path = `/tenants/${idOf('Contoso')}/connect/confirm`;
    expect((await viewer.post(path, { live: 'yes' })).status).toBe(403);
  });

  it('says which consent is missing when the administrator stops after the first', async () => {
    const tenantId = idOf('Fabrikam');
    await add(tenantId, 'Fabrikam');
    const links = linksOn((await visit.post(`/tenants/${tenantId}/connect/links`)).text);
    const ca = [scene.trust, scene.world.authority.certificatePem];
    const sentBack = String((await call(links[0]!, { ca })).headers.location);
    expect((await call(sentBack, { ca })).status).toBe(302);
    const page = (await visit.open(`/tenants/${tenantId}/connect`)).text;
    expect([page.match(/>given</g)?.length, page.match(/>waiting</g)?.length]).toEqual([1, 1]);
    expect((await visit.open(`/tenants/${tenantId}/connect?step=intune`)).text).toContain(
      'A consent is still missing',
    );
  });

  it('shows what is wrong with a field beside it, and keeps what was typed but no secret', async () => {
    const page = await visit.post('/connect/create', {
      tenantId: 'not an id',
      displayName: 'Kept <b>"name"</b>',
      cloud: 'public',
      mode: 'device-compliance',
      connectionType: 'manual',
      'landing.choice': 'custom',
      'application.clientId': 'no id either',
      'application.clientSecret': 'typed-secret',
    });
    expect(page.status).toBe(400);
    for (const name of ['tenantId', 'landing.customUrl', 'application.clientId']) {
      expect(page.text, name).toContain(`id="fault-${name}"`);
      expect(page.text, name).toMatch(new RegExp(`name="${name}"[^>]*aria-invalid="true"`));
    }
    expect(page.text).toContain('value="Kept &lt;b&gt;&quot;name&quot;&lt;/b&gt;"');
    expect(page.text).not.toContain('typed-secret');
    const twice = await visit.post('/connect/create', { tenantId: idOf('Fabrikam'), displayName: 'F' });
    expect([twice.status, twice.text.includes('The tenant is here already.')]).toEqual([409, true]);
  });

  it('takes a manual tenant to Intune with the id of its own application', async () => {
    const tenantId = idOf('Own');
    const clientId = crypto.randomUUID();
    const own = `/tenants/${tenantId}/connect`;
    const created = await visit.post('/connect/create', {
      tenantId,
      displayName: 'Own',
      mode: 'conditional-access',
      connectionType: 'manual',
      'landing.choice': 'default',
      'application.clientId': clientId,
      'application.clientSecret': 'sealed',
    });
    expect(created.text).toContain('The tenant’s own application');
    const next = await visit.post(`${own}/links`);
    expect(current(next.text)).toBe('Intune');
    expect(next.text).toContain(`data-copy>${clientId}<`);
    expect(next.text).toContain('Specify the Microsoft Entra App ID for Jamf');
    expect(current((await visit.open(own)).text)).toBe('Intune');
  });

  it('shows a viewer where it stands, and no button; a forged post is refused', async () => {
    const tenantId = idOf('Fabrikam');
    const viewer = await visitConsole(scene, await keyOf({ role: 'viewer' }));
    for (const step of ['consents', 'intune', 'confirm']) {
      const page = await viewer.open(`/tenants/${tenantId}/connect?step=${step}`);
      expect(page.status).toBe(200);
      expect(page.text).not.toMatch(/action="[^"]*\/connect\//);
    }
    expect((await viewer.open('/connect')).text).not.toContain('/connect/create');
    const forged = ['links', 'confirm'].map((name) => `/tenants/${tenantId}/connect/${name}`);
    for (const path of [...forged, '/connect/create'])
      expect(
        (await viewer.post(path, { tenantId: crypto.randomUUID(), displayName: 'x' })).status,
        path,
      ).toBe(403);
    const other = await visit.browser.submit(`${visit.origin}${forged[0]}`, { csrf: 'wrong' });
    expect(other.status).toBe(403);
  });

  it('is not found for who is bound to another tenant', async () => {
    const bound = await visitConsole(scene, await keyOf({ role: 'admin', tenants: [idOf('Own')] }));
    const tenantId = idOf('Fabrikam');
    const page = await bound.open(`/tenants/${tenantId}/connect`);
    expect([page.status, page.text.includes('Fabrikam')]).toEqual([404, false]);
    expect((await bound.post(`/tenants/${tenantId}/connect/links`)).status).toBe(404);
    expect((await bound.post(`/tenants/${tenantId}/connect/confirm`)).status).toBe(404);
  });

  it('escapes the names of tenants and what Microsoft said', async () => {
    const tenantId = idOf('Odd');
    const name = `<b>"&' hx-get=/x`;
    await add(tenantId, name);
    const links = linksOn((await visit.post(`/tenants/${tenantId}/connect/links`)).text);
    const state = new URL(links[0]!).searchParams.get('state')!;
    const query = new URLSearchParams({
      error: 'access_denied',
      error_description: '<img src=x hx-get="/x">\u202e',
      state,
    });
    await browse(scene, `${scene.world.publicUrl}/microsoft/consent?${query}`);
    for (const step of ['consents', 'intune', 'confirm']) {
      const page = (await visit.open(`/tenants/${tenantId}/connect?step=${step}`)).text;
      expect(page).toContain('&lt;b&gt;&quot;&amp;&#39; hx-get=/x');
      expect(page).not.toMatch(/<b>|<img src=x/);
    }
    expect((await visit.open(`/tenants/${tenantId}/connect`)).text).toContain(
      '&lt;img src=x hx-get=&quot;/x&quot;&gt;',
    );
  });
});
