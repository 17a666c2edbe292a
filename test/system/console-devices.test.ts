import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  consent,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** The pages of devices: found in a list, and explained one by one (docs/console.md). */
describe('the pages of devices', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let instances: Map<string, AddedInstance>;
  let visit: ConsoleVisit;
  let viewer: ConsoleVisit;
  /** Bound to the other tenant. */
  let stranger: ConsoleVisit;
  let deviceId: string;
  /** What others may write into a record. */
  const hostile = `<b>"'&\u202e hx-get=`;

  const macs = () => scene.world.fleet.macs().filter((mac) => mac.tenantId === tenantId);
  const idsOf = (mac: ReturnType<typeof macs>[number]): string[] =>
    mac.facts.accounts.flatMap(({ entraDeviceId }) => (entraDeviceId === null ? [] : [entraDeviceId]));
  const idOf = (index: number): string => idsOf(macs()[index]!)[0]!;
  const api = async (path: string) => (await scene.api('GET', `/tenants/${tenantId}${path}`)).json;
  const at = (path = ''): string => `/tenants/${tenantId}/devices${path}`;
  const keyOf = async (given: object): Promise<string> =>
    (await scene.api('POST', '/keys', { name: crypto.randomUUID(), ...given })).json.key;
  const tell = (mac: ReturnType<typeof macs>[number]) =>
    sendWebhook(scene, instances.get(mac.instanceName)!, mac.computerId);

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'berlin', macs: 4 },
              { name: 'paris', macs: 0 },
            ],
          },
          { displayName: 'Fabrikam', instances: [] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    instances = await connectTenant(scene, tenantId);
    await consent(scene, otherId);
    for (const mac of macs()) await tell(mac);
    deviceId = idOf(0);
    await eventually(async () => {
      const { results, totalCount } = await api('/devices');
      expect(totalCount).toBe(4);
      for (const one of results) expect(one.report?.state).toBe('verified');
    });
    visit = await visitConsole(scene);
    viewer = await visitConsole(scene, await keyOf({ role: 'viewer', tenants: [tenantId] }));
    stranger = await visitConsole(scene, await keyOf({ role: 'operator', tenants: [otherId] }));
  }, 120_000);
  afterAll(() => scene?.close());

  describe('the list', () => {
    it('shows each Mac with its instance, report and a way to its page', async () => {
      const page = await viewer.open(at());
      expect(page.status, page.text).toBe(200);
      for (const mac of macs()) {
        expect(page.text).toContain(`href="${at(`/${idsOf(mac)[0]}`)}"`);
        expect(page.text).toContain(mac.facts.serialNumber);
      }
      expect(page.text).toContain('4 devices');
      expect(page.text).toContain('berlin</a>');
      expect(page.text).toContain('verified');
    });

    it.each([
      [
        'a part of the serial number, in any case',
        () => macs()[1]!.facts.serialNumber.slice(2).toLowerCase(),
      ],
      ['the device id', () => idOf(1).toUpperCase()],
    ])('finds a Mac by %s', async (_, text) => {
      const page = await viewer.open(`${at()}?q=${text()}`);
      expect(page.text).toContain('1 device<');
      expect(page.text).toContain(macs()[1]!.facts.serialNumber);
      expect(page.text).toContain(`value="${text()}"`);
    });

    it('keeps instance, pin and state in its address and in the links to the export', async () => {
      const berlin = instances.get('berlin')!.id;
      const page = await viewer.open(`${at()}?instance=${berlin}&pinned=false&state=verified`);
      expect(page.text).toContain('4 devices');
      expect(page.text).toContain(`<option value="${berlin}" selected>berlin</option>`);
      const [, csv] = /href="(\/api\/v1[^"]*format=csv[^"]*)"/.exec(page.text) ?? [];
      const exported = await viewer.browser.open(viewer.origin + csv!.replaceAll('&amp;', '&'), {
        accept: 'text/html,*/*;q=0.8',
      });
      expect(exported.headers['content-type']).toBe('text/csv; charset=utf-8');
      expect(exported.text.trim().split('\n')).toHaveLength(5);
      const none = await viewer.open(`${at()}?pinned=true`);
      expect(none.text).toContain('No device is like that.');
      expect(none.text).not.toContain('format=csv');
    });

    it('takes hostile text of a search as text', async () => {
      const page = await viewer.open(`${at()}?${new URLSearchParams({ q: hostile })}`);
      expect(page.status).toBe(200);
      expect(page.text).not.toContain('<b>"');
      expect(page.text).toContain('No device is like that.');
    });

    it('of a tenant without devices it says how they come', async () => {
      expect((await visit.open(`/tenants/${otherId}/devices`)).text).toContain('add an instance');
    });

    it('is not found for a person of another tenant', async () => {
      const page = await stranger.open(at());
      expect(page.status).toBe(404);
      expect(page.text).not.toContain('Contoso');
    });
  });

  describe('the page of a device', () => {
    it('says why it is where it is and what was told, with a picture and the list', async () => {
      const page = await viewer.open(at(`/${deviceId}`));
      expect(page.status, page.text).toBe(200);
      expect(page.text).toContain(
        '<strong>berlin</strong> manages this Mac because no other instance knows it',
      );
      expect(page.text).toMatch(/<strong>berlin<\/strong> says this Mac is (not )?compliant/);
      expect(page.text).toContain('Entra shows it since');
      expect(page.text).toContain('aria-label="1 computer record claims this Mac; computer');
      expect(page.text).toContain('What would change it');
      expect(page.text).toContain('class="stages"');
      for (const stage of ['received', 'fetched', 'routed', 'sent', 'accepted', 'completed', 'verified'])
        expect(page.text).toContain(`<strong>${stage}</strong>`);
      expect(page.text).not.toMatch(/\sstyle=|\son\w+="/);
      expect(page.text.match(/<h1>/g)).toHaveLength(1);
    });

    it('shows both claims of a Mac that two instances know', async () => {
      const mac = macs()[2]!;
      const moved = idOf(2);
      scene.world.fleet.moveTo(mac, 'paris');
      await tell(mac);
      await eventually(async () =>
        expect((await api(`/devices/${moved}/explain`)).instanceId).toBe(instances.get('paris')!.id),
      );
      const page = await viewer.open(at(`/${moved}`));
      expect(page.text).toContain('<strong>paris</strong> manages this Mac because it enrolled there last');
      expect(page.text).toContain('<strong>Conflict.</strong>');
      expect(page.text).toContain('2 computer records claim this Mac');
      expect(page.text).toContain('class="claim wins"');
      expect(page.text).toContain('class="claim loses"');
      expect(page.text).toContain('Without this claim, berlin gets the device');
    });

    it('is listed with the others that several computers claim, and counted on the page of its instance', async () => {
      const [berlin, paris] = ['berlin', 'paris'].map((name) => instances.get(name)!.id);
      const contested = `${at()}?instance=${paris}&conflict=true`;
      const listed = await viewer.open(contested);
      expect(listed.text).toContain('1 device<');
      expect(listed.text).toContain(`href="${at(`/${idOf(2)}`)}"`);
      expect(listed.text).toContain('<option value="true" selected>Of several computers</option>');
      const page = (id: string | undefined) => viewer.open(`/tenants/${tenantId}/instances/${id}`);
      expect((await page(paris)).text).toContain(
        `Other computers claim <a href="${contested.replace('&', '&amp;')}">1 device</a>`,
      );
      expect((await page(berlin)).text).toContain('No device that this instance has is claimed by another');
    });

    it('explains a past time, which is in the address and in UTC', async () => {
      const { since } = await api(`/devices/${deviceId}`);
      const then = new Date(Date.parse(since) + 1).toISOString().slice(0, 23);
      const page = await viewer.open(`${at(`/${deviceId}`)}?at=${then}`);
      expect(page.text).toContain('Time, in UTC');
      expect(page.text).toContain(`value="${then}"`);
      expect(page.text).toContain('<strong>berlin</strong> managed this Mac because');
      const before = await viewer.open(`${at(`/${deviceId}`)}?at=2020-01-01T00:00`);
      expect(before.text).toContain('Nothing was known of this Mac then.');
      const odd = await viewer.open(`${at(`/${deviceId}`)}?${new URLSearchParams({ at: hostile })}`);
      expect(odd.status).toBe(200);
      expect(odd.text).toContain('must be a date or a time with its zone');
      expect(odd.text).not.toContain('<b>"');
    });

    it('shows what others wrote as text', async () => {
      const [mac] = scene.world.fleet.addMacs({ tenantId, instance: 'berlin', count: 1 });
      const [strange = ''] = idsOf(mac!);
      scene.world.fleet.updateInventory(mac!, { serialNumber: hostile });
      await tell(mac!);
      await eventually(async () =>
        expect((await api(`/devices/${strange}`)).serialNumber).toContain('hx-get'),
      );
      for (const path of [at(), at(`/${strange}`)]) {
        const page = await visit.open(path);
        expect(page.status).toBe(200);
        expect(page.text).toContain('&lt;b&gt;&quot;&#39;&amp;');
        expect(page.text).not.toContain('<b>"');
      }
      // A read that another webhook has asked for brings the route back.
      await eventually(async () => {
        await scene.api('DELETE', `/tenants/${tenantId}/devices/${strange}`);
        const gone = await visit.open(at(`/${strange}`));
        expect(gone.text).toContain(
          '<strong>No instance</strong> manages this Mac because an operator ended its route',
        );
      });
    });

    it.each([['a person of another tenant'], ['nobody knows it']])('is not found for %s', async (who) => {
      const page =
        who === 'nobody knows it'
          ? await viewer.open(at(`/${crypto.randomUUID()}`))
          : await stranger.open(at(`/${deviceId}`));
      expect(page.status).toBe(404);
      expect(page.text).not.toContain('berlin');
    });
  });

  describe('the three sides', () => {
    const comparison = (id: string) => api(`/devices/${id}/comparison`);

    it('are the same where all was told and seen', async () => {
      const told = await comparison(deviceId);
      expect(told).toMatchObject({
        jamf: { managed: true, readWaits: false, readError: null },
        intune: { managed: true, newest: true, refused: false },
        entra: { verification: 'verified' },
        differences: [],
      });
      expect(told.intune).toMatchObject({
        verdict: told.jamf.verdict,
        userId: told.jamf.userId,
        deviceName: told.jamf.deviceName,
        osVersion: told.jamf.osVersion,
      });
      expect(told.entra.isCompliant).toBe(told.jamf.verdict === 'compliant');
      const page = await viewer.open(at(`/${deviceId}`));
      expect(page.text).toContain('All sides say the same');
      expect(page.text).toContain(told.jamf.deviceName);
      expect(page.text).not.toContain('>differs<');
      expect(page.text).not.toContain('hx-trigger');
    });

    it('mark what Intune was not told yet', async () => {
      const tenant = `/tenants/${tenantId}`;
      await scene.api('POST', `${tenant}/pause`);
      const mac = macs()[1]!;
      const { jamf } = await comparison(idOf(1));
      scene.world.fleet.setCompliant(mac, jamf.verdict !== 'compliant');
      scene.world.fleet.updateInventory(mac, { osVersion: '27.1.2' });
      await tell(mac);
      await eventually(async () =>
        expect((await comparison(idOf(1))).differences).toEqual(['verdict', 'osVersion']),
      );
      await eventually(async () =>
        expect((await api(`/devices/${idOf(1)}`)).report).toMatchObject({ state: 'held', reason: 'paused' }),
      );
      const page = await viewer.open(at(`/${idOf(1)}`));
      expect(page.text).toContain('Jamf Pro says something else than Intune was told.');
      expect(page.text.match(/>differs</g)).toHaveLength(2);
      expect(page.text).toMatch(/The report is held\.<\/strong>[\s\S]*<code>paused<\/code>/);
      expect(page.text).toContain('Resume the tenant.');
      expect(page.text).not.toContain('POST /');
      expect(page.text).toContain(`<a href="/tenants/${tenantId}">To the tenant`);
      await scene.api('POST', `${tenant}/resume`);
      await eventually(async () => expect((await comparison(idOf(1))).differences).toEqual([]));
    });

    it('are not found for another tenant', async () => {
      const key = await keyOf({ role: 'viewer', tenants: [otherId] });
      const answer = await scene.api(
        'GET',
        `/tenants/${tenantId}/devices/${deviceId}/comparison`,
        undefined,
        key,
      );
      expect(answer.status).toBe(404);
      const unknown = await scene.api(
        'GET',
        `/tenants/${tenantId}/devices/${crypto.randomUUID()}/comparison`,
      );
      expect([unknown.status, unknown.json.type]).toEqual([
        404,
        'https://espalier.dev/problems/device-unknown',
      ]);
    });
  });

  describe('the buttons of an operator', () => {
    const etagIn = (text: string): string =>
      (/name="etag" value="([^"]*)"/.exec(text)?.[1] ?? '').replaceAll('&quot;', '"');
    const shown = async () => etagIn((await visit.open(at(`/${deviceId}`))).text);
    const newest = async (action: string) =>
      (await scene.api('GET', `/history?filter=action==${action};objectId==${deviceId}&sort=recordedAt:desc`))
        .json.results[0];

    it('read the Mac again, and the history says who asked and why', async () => {
      const before = (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).json;
      const mac = macs()[0]!;
      scene.world.fleet.updateInventory(mac, { osVersion: '27.9.9' });
      const page = await visit.post(at(`/${deviceId}/refresh`), { reason: 'the user asks, ticket 1' });
      expect(page.url).toContain(`${at(`/${deviceId}`)}?done=refreshed`);
      expect(page.text).toContain('are being read now');
      await eventually(async () =>
        expect((await api(`/devices/${deviceId}/comparison`)).intune.osVersion).toBe('27.9.9'),
      );
      expect(await newest('device.refresh')).toMatchObject({
        reason: 'the user asks, ticket 1',
        after: {
          computers: [{ instanceId: before.instanceId, jamfComputerId: before.jamfComputerId }],
          reportTriedAgain: false,
        },
      });
    });

    it('pin it and unpin it, with the reason', async () => {
      const pinned = await visit.post(at(`/${deviceId}/pin`), { etag: await shown(), reason: 'repair' });
      expect(pinned.text).toContain('The Mac is pinned');
      expect(pinned.text).toContain('an operator pinned it there');
      expect(await api(`/devices/${deviceId}`)).toMatchObject({ pinned: true, rule: 'pinned' });
      expect(await newest('device.place')).toMatchObject({ reason: 'repair' });
      expect((await viewer.open(`${at()}?pinned=true`)).text).toContain('1 device<');
      const unpinned = await visit.post(at(`/${deviceId}/unpin`), { etag: await shown() });
      expect(unpinned.text).toContain('is not pinned any more');
      expect((await api(`/devices/${deviceId}`)).pinned).toBe(false);
    });

    it('refuse what was decided by an older state of the page', async () => {
      const old = await shown();
      await visit.post(at(`/${deviceId}/pin`), { etag: old });
      const page = await visit.post(at(`/${deviceId}/move`), {
        etag: old,
        instanceId: instances.get('paris')!.id,
        jamfComputerId: '77',
      });
      expect(page.text).toContain('role="alert"');
      expect((await api(`/devices/${deviceId}`)).instanceId).toBe(instances.get('berlin')!.id);
      await visit.post(at(`/${deviceId}/unpin`), { etag: await shown() });
    });

    it('move it to another computer record and back', async () => {
      const { jamfComputerId } = await api(`/devices/${deviceId}`);
      const paris = instances.get('paris')!.id;
      const moved = await visit.post(at(`/${deviceId}/move`), {
        etag: await shown(),
        instanceId: paris,
        jamfComputerId: '77',
        pinned: 'true',
        reason: 'new home',
      });
      expect(moved.text).toContain('The Mac is moved.');
      expect(await api(`/devices/${deviceId}`)).toMatchObject({
        instanceId: paris,
        jamfComputerId: '77',
        pinned: true,
      });
      const odd = await visit.post(at(`/${deviceId}/move`), { instanceId: paris, jamfComputerId: hostile });
      expect(odd.text).toContain('role="alert"');
      expect(odd.text).not.toContain('<b>"');
      const berlin = instances.get('berlin')!.id;
      await visit.post(at(`/${deviceId}/move`), { instanceId: berlin, jamfComputerId, pinned: '' });
      expect(await api(`/devices/${deviceId}`)).toMatchObject({ instanceId: berlin, pinned: false });
    });

    it('end its route after a page that says what this will do', async () => {
      const asked = await visit.post(at(`/${deviceId}/remove`), { etag: await shown(), reason: hostile });
      expect(asked.text).toContain('This will do the following');
      expect(asked.text).toContain('not managed and not compliant');
      expect(asked.text).toMatch(/\d claims? on it (is|are) forgotten/);
      expect(asked.text).not.toContain('<b>"');
      expect((await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).status).toBe(200);
      const done = await visit.post(at(`/${deviceId}/remove`), {
        etag: etagIn(asked.text),
        confirmed: 'yes',
        reason: 'sold',
      });
      expect(done.text).toContain('The route has ended.');
      expect((await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).status).toBe(404);
      expect(await newest('device.delete')).toMatchObject({ reason: 'sold' });
      const page = await visit.open(at(`/${deviceId}`));
      expect(page.text).toContain('No instance speaks for this registration');
      expect(page.text).not.toContain('What you can do');
    });

    it('are not shown to a viewer, and a forged request is refused', async () => {
      const page = await viewer.open(at(`/${idOf(1)}`));
      expect(page.text).not.toContain('What you can do');
      const before = await api(`/devices/${idOf(1)}`);
      for (const name of ['refresh', 'pin', 'unpin', 'move', 'remove']) {
        const answer = await viewer.post(at(`/${idOf(1)}/${name}`), {
          confirmed: 'yes',
          instanceId: before.instanceId,
          jamfComputerId: '9',
        });
        expect([name, answer.status]).toEqual([name, 403]);
      }
      const foreign = await stranger.post(at(`/${idOf(1)}/refresh`));
      expect(foreign.status).toBe(404);
      const forged = await visit.post(at(`/${idOf(1)}/pin`), { csrf: 'another' });
      expect(forged.status).toBe(403);
      expect(await api(`/devices/${idOf(1)}`)).toMatchObject({
        pinned: false,
        jamfComputerId: before.jamfComputerId,
      });
    });
  });
});
