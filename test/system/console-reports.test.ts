import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, hostile, unescaped, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** The console's pages of reports: why they failed, and telling Intune again. */
describe('reports in the console', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let berlin: AddedInstance;
  let operator: ConsoleVisit;
  let viewer: ConsoleVisit;
  let stranger: ConsoleVisit;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [{ name: 'berlin', macs: 2 }] },
          { displayName: 'Fabrikam', instances: [] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    await scene.api('POST', '/tenants', { tenantId: otherId, displayName: hostile, cloud: 'public' });
    const as = async (role: string, tenants: string[]) =>
      visitConsole(scene, (await scene.api('POST', '/keys', { name: role, role, tenants })).json.key);
    operator = await as('operator', [tenantId]);
    viewer = await as('viewer', [tenantId]);
    stranger = await as('admin', [otherId]);
  });
  afterAll(() => scene?.close());

  const intune = () => scene.world.cloud('public').settings.tenant(tenantId).intune;
  const stateOf = async (deviceId: string): Promise<string> =>
    (await scene.api('GET', `/reports?filter=deviceId==${deviceId}`)).json.results[0]?.state;

  it('say that nothing failed', async () => {
    expect((await operator.open('/reports')).text).toContain('No report failed or is held.');
  });

  it('a failed one is found by its cause and replayed to completed', async () => {
    const device = scene.world.fleet.truth().find(({ instance }) => instance === 'berlin')!;
    intune().uploadErrorCode = 404;
    intune().uploadErrorDetail = 'Device not found';
    await sendWebhook(scene, berlin, device.jamfComputerId);
    await eventually(async () => expect(await stateOf(device.deviceId)).toBe('failed'));
    const page = (await operator.open('/reports?state=failed')).text;
    expect(page).toContain('device-not-in-entra');
    expect(page).toContain('the administrator of Entra and Intune');
    expect(page).toContain(`/tenants/${tenantId}/devices/${device.deviceId}`);
    expect(page).toContain(`${device.serialNumber}<br />`);
    const link = /href="(\/reports\/replay\?filter=[^"]+device-not-in-entra[^"]*)"/.exec(page)?.[1];
    expect(link).toBeDefined();
    const before = (await operator.open(link!)).text;
    expect(before).toContain('<strong>1</strong> of the 1 reports that match');
    expect(before).toContain(device.deviceId);
    expect(await stateOf(device.deviceId)).toBe('failed');
    intune().uploadErrorCode = null;
    intune().uploadErrorDetail = null;
    const filter = new URL(link!, operator.origin).searchParams.get('filter')!;
    const done = await operator.post('/reports/replay/start', { filter, reason: 'in the group now' });
    expect(done.text).toContain('They are due again.');
    await eventually(async () => expect(['completed', 'verified']).toContain(await stateOf(device.deviceId)));
    const [entry] = (await scene.api('GET', '/history?filter=action==reports.replay')).json.results;
    expect(entry).toMatchObject({ tenantId, reason: 'in the group now' });
    expect((await operator.open('/reports?state=failed')).text).toContain('No report is like that.');
  });

  it('a viewer reads and does not press; a forged replay and one of another tenant do nothing', async () => {
    await scene.database.sql`
      insert into reports (tenant_id, device_id, content, content_hash, instance_id, state, reason, detail, failed_at,
        next_try_at)
      values (${otherId}, gen_random_uuid(), '{}', 'seeded', gen_random_uuid(), 'failed', ${hostile}, ${hostile}, now(), null)`;
    expect((await viewer.open('/reports?state=verified')).text).not.toContain('Replay');
    expect((await viewer.post('/reports/replay/start', { filter: 'state==verified' })).status).toBe(403);
    expect((await viewer.open('/reports/replay?filter=state==verified')).text).toContain(
      'It takes the role operator',
    );
    const theirs = `tenantId==${otherId};state==failed`;
    expect((await operator.open('/reports')).text).not.toContain(otherId);
    expect(
      (await operator.open(`/reports/replay?${new URLSearchParams({ filter: theirs })}`)).text,
    ).toContain('There is nothing to replay.');
    expect((await operator.open(`/reports?tenant=${otherId}`)).text).toContain('No report is like that.');
  });

  it('shows what others wrote as text, and a filter that cannot be read as a problem', async () => {
    const page = (await stranger.open('/reports')).text;
    expect(page).toContain('&lt;b id=x&gt;');
    expect(page).not.toMatch(unescaped);
    const filtered = await stranger.open(
      `/reports?${new URLSearchParams({ reason: hostile, instance: '' })}`,
    );
    expect(filtered.text).not.toMatch(unescaped);
    expect(filtered.text).toContain('1 match.');
    const wrong = await stranger.open('/reports?instance=berlin');
    expect([wrong.status, wrong.text.includes('role="alert"')]).toEqual([400, true]);
  });
});
