import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { addInstance, consent, type Scene, startScene } from '../harness/gateway.ts';
import type { Answer } from '../harness/http.ts';

/** A file of routes in the console: looked at first, then carried out, within bounds. */
describe('importing routes in the console', () => {
  let scene: Scene;
  let admin: ConsoleVisit;
  let tenantId: string;
  let otherId: string;
  let instanceId: string;
  let adminKey: string;
  const devices = [1, 2, 3].map(() => crypto.randomUUID());

  const api = (method: string, path: string, body?: unknown) => scene.api(method, path, body, adminKey);
  const keyOf = async (given: object): Promise<string> =>
    (await api('POST', '/keys', { name: crypto.randomUUID(), ...given })).json.key;
  const routes = async (): Promise<number> =>
    (await api('GET', `/tenants/${tenantId}/devices`)).json.totalCount;
  const csv = (rows: readonly (readonly (string | number)[])[]): string =>
    ['deviceId,instanceId,jamfComputerId,serialNumber', ...rows.map((row) => row.join(','))].join('\n');

  /** As a browser posts a form with a file. */
  async function upload(
    visit: ConsoleVisit,
    act: string,
    fields: Record<string, string>,
    file?: { name: string; text: string },
    more: Record<string, string> = {},
  ): Promise<Answer> {
    const url = `${visit.origin}/tenants/${tenantId}/import/${act}`;
    const { json } = await visit.browser.open(`${visit.origin}/api/v1/session`, {
      accept: 'application/json',
    });
    const data = new FormData();
    data.set('csrf', json.session.csrfToken);
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    if (file) data.set('file', new File([file.text], file.name));
    const encoded = new Response(data);
    const headers = {
      origin: visit.origin,
      'sec-fetch-site': 'same-origin',
      'content-type': encoded.headers.get('content-type') ?? '',
      ...more,
    };
    return visit.browser.send('POST', url, headers, await encoded.text());
  }

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [{ name: 'berlin', macs: 1 }] },
          { displayName: 'Fabrikam', instances: [] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    for (const id of [tenantId, otherId]) await consent(scene, id);
    instanceId = (await addInstance(scene, tenantId, 'berlin')).id;
    adminKey = (await scene.api('POST', '/keys', { name: 'admin', role: 'admin' })).json.key;
    admin = await visitConsole(scene, adminKey);
  });
  afterAll(() => scene?.close());

  const good = () => devices.map((deviceId, index) => [deviceId, instanceId, index + 1, `SERIAL${index}`]);

  it('previews a file with every refused line and its reason, and changes nothing', async () => {
    const hostile = `<b>hx-get="/x"</b>`;
    const text = csv([...good(), ['no-guid', instanceId, 4, ''], [crypto.randomUUID(), hostile, 5, '']]);
    const page = await upload(admin, 'preview', { mode: 'atomic' }, { name: `${hostile}.csv`, text });
    expect(page.status, page.text).toBe(200);
    expect(page.text).toMatch(/Routes that would change<\/dt><dd>3</);
    expect(page.text).toContain('Refused rows: 2');
    expect(page.text).toContain('INVALID_GUID');
    expect(page.text).toContain('deviceId must be a GUID');
    expect(page.text).toContain('As all or nothing the file would be refused');
    expect(page.text).not.toContain('<b>hx-get');
    expect(page.text).toContain('&lt;b&gt;hx-get=&quot;');
    expect(await routes()).toBe(0);
  });

  it('carries out what the preview carries along, with the reason in the history', async () => {
    const text = csv([...good(), ['no-guid', instanceId, 4, '']]);
    const preview = await upload(admin, 'preview', {}, { name: 'routes.csv', text });
    const carried = /<textarea name="text"[^>]*>\n(.*?)<\/textarea>/s.exec(preview.text)?.[1];
    expect(carried).toBe(text);
    expect(preview.text).toContain('Changes: 3');
    expect(preview.text).toContain('gets a route');
    expect(preview.text).toContain('berlin <span class="quiet">computer 1</span>');
    const refused = await upload(admin, 'carry-out', { text: carried ?? '', mode: 'atomic' });
    expect([refused.status, refused.text.includes('line 5')]).toEqual([400, true]);
    expect(await routes()).toBe(0);
    const done = await upload(admin, 'carry-out', {
      text: carried ?? '',
      mode: 'partial',
      reason: 'from the old list',
    });
    expect(done.text).toMatch(/Routes that changed<\/dt><dd>3</);
    expect(done.text).toContain('INVALID_GUID');
    expect(await routes()).toBe(3);
    const history = await api('GET', '/history?filter=action==routes.import');
    expect(history.json.results[0]).toMatchObject({ action: 'routes.import', reason: 'from the old list' });
    const again = await upload(admin, 'carry-out', { text });
    expect(again.text).toContain('No route changed.');
    const other = await upload(admin, 'preview', {
      text: csv([[devices[0] ?? '', instanceId, 99, `<b>hx-get=/x</b>`]]),
    });
    expect(other.text).toContain('goes to another computer');
    expect(other.text).toContain('berlin <span class="quiet">computer 99</span>');
    expect(other.text).toContain(`href="/tenants/${tenantId}/devices/${devices[0]}"`);
    expect(other.text).not.toContain('<b>hx-get');
  });

  it('takes NDJSON, and rows that are pasted', async () => {
    const deviceId = crypto.randomUUID();
    const line = JSON.stringify({ deviceId, instanceId, jamfComputerId: 77 });
    const page = await upload(admin, 'carry-out', { text: `\r\n${line}\r\n` });
    expect(page.text).toMatch(/Routes that changed<\/dt><dd>1</);
    expect((await api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).json.jamfComputerId).toBe('77');
  });

  it('asks for the file again where it is too large to be carried along, and takes 20,000 rows', async () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => [
      crypto.randomUUID(),
      instanceId,
      1_000 + index,
      '',
    ]);
    const file = { name: 'large.csv', text: csv(rows) };
    const preview = await upload(admin, 'preview', {}, file);
    expect(preview.text).toContain('Choose large.csv again');
    expect(preview.text).toContain('These are the first 100, by line.');
    expect(preview.text).not.toContain(String(rows.at(-1)?.[0]));
    const done = await upload(admin, 'carry-out', { mode: 'atomic' }, file);
    expect(done.text).toMatch(/Routes that changed<\/dt><dd>20,000</);
  });

  it('says what is wrong with a whole file, with none, and with one beyond the bounds', async () => {
    const columns = await upload(admin, 'preview', {}, { name: 'x.csv', text: 'colour,size\nred,1\n' });
    expect([columns.status, columns.text.includes('colour')]).toEqual([400, true]);
    const nothing = await upload(admin, 'preview', {}, { name: '', text: '' });
    expect([nothing.status, nothing.text.includes('Choose a file, or paste rows.')]).toEqual([400, true]);
    const giant = await upload(admin, 'preview', {}, { name: 'x.csv', text: 'x'.repeat(17 * 1024 * 1024) });
    expect([giant.status, giant.text.includes('The body is too large')]).toEqual([400, true]);
    const fields = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`field${index}`, 'x']));
    const many = await upload(admin, 'preview', fields);
    expect([many.status, many.text.includes('The form cannot be read')]).toEqual([400, true]);
    const none = await upload(admin, 'preview', {}, undefined, { 'content-type': 'multipart/form-data' });
    expect([none.status, none.text.includes('The form cannot be read')]).toEqual([400, true]);
  });

  it('shows a viewer no form, refuses what he forges, and is not there for another tenant', async () => {
    const before = await routes();
    const viewer = await visitConsole(scene, await keyOf({ role: 'viewer' }));
    const page = await viewer.open(`/tenants/${tenantId}/import`);
    expect([page.status, page.text.includes('type="file"')]).toEqual([200, false]);
    const text = csv([[crypto.randomUUID(), instanceId, 9, '']]);
    expect((await upload(viewer, 'carry-out', { text })).status).toBe(403);
    const forged = await upload(admin, 'carry-out', { text, csrf: 'guessed' });
    expect(forged.status).toBe(403);
    const stranger = await visitConsole(scene, await keyOf({ role: 'admin', tenants: [otherId] }));
    expect((await stranger.open(`/tenants/${tenantId}/import`)).status).toBe(404);
    expect((await upload(stranger, 'carry-out', { text })).status).toBe(404);
    expect(await routes()).toBe(before);
  });
});
