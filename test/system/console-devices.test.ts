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
      expect(page.text).toContain('without this claim, berlin gets the device');
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
      await scene.api('DELETE', `/tenants/${tenantId}/devices/${strange}`);
      const gone = await visit.open(at(`/${strange}`));
      expect(gone.text).toContain(
        '<strong>No instance</strong> manages this Mac because an operator ended its route',
      );
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
});
