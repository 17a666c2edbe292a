import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostile, unescaped, visitConsole } from '../harness/console.ts';
import { addInstance, consent, type Scene, startScene } from '../harness/gateway.ts';

/** The console's pages of what waits for a second operator. */
describe('approvals in the console', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  const keys: Record<string, string> = {};

  beforeAll(async () => {
    scene = await startScene({
      environment: { ESPALIER_APPROVALS: 'on' },
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [{ name: 'berlin', macs: 1 }] },
          { displayName: 'Fabrikam', instances: [] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    await consent(scene, tenantId);
    await consent(scene, otherId);
    await scene.api('PATCH', `/tenants/${tenantId}`, { displayName: hostile });
    const instanceId = (await addInstance(scene, tenantId, 'berlin')).id;
    const make = async (label: string, name: string, role: string, tenants: string[]) => {
      keys[label] = (await scene.api('POST', '/keys', { name, role, tenants })).json.key;
    };
    await make('ann', hostile, 'admin', [tenantId]);
    await make('ben', 'ben', 'admin', [tenantId]);
    await make('viewer', 'viewer', 'viewer', [tenantId]);
    await make('stranger', 'stranger', 'admin', [otherId]);
    await scene.database.sql`
      insert into reports (tenant_id, device_id, content, content_hash, instance_id, confirmed_revision, state, due_since)
      select ${tenantId}, gen_random_uuid(), '{}', 'seeded', ${instanceId}, 1, 'completed', null
      from generate_series(1, 101)`;
  });
  afterAll(() => scene?.close());

  const as = (who: string) => visitConsole(scene, keys[who]);
  const ask = async (body: object = {}): Promise<string> => {
    const answer = await scene.api('POST', `/tenants/${tenantId}/disconnect`, body, keys.ann);
    expect(answer.status, answer.text).toBe(202);
    return answer.json.approvalId;
  };
  const stateOf = async (id: string): Promise<string> =>
    (await scene.api('GET', `/approvals/${id}`)).json.state;
  const versionIn = (text: string): string =>
    (/name="version" value="([^"]*)"/.exec(text)?.[1] ?? '').replaceAll('&quot;', '"');

  it('say that nothing waits', async () => {
    expect((await (await as('ben')).open('/approvals')).text).toContain(
      'Nothing waits for a second operator.',
    );
  });

  it('show what would happen, who asks and from where, and escape what they wrote', async () => {
    const id = await ask({ retract: true });
    const ben = await as('ben');
    const list = (await ben.open(`/approvals?tenant=${tenantId}`)).text;
    expect(list).toContain(`/approvals/${id}`);
    expect(list).toContain('Disconnect the tenant from Intune');
    const page = (await ben.open(`/approvals/${id}`)).text;
    expect(page).toContain('<strong>101</strong>');
    expect(page).toContain('127.0.0.1');
    expect(page).toContain('&lt;b id=x&gt;');
    for (const text of [list, page]) expect(text).not.toMatch(unescaped);
  });

  it('tell who asked that another has to approve, and refuse a forged approval', async () => {
    const id = await ask({ retract: true });
    const ann = await as('ann');
    const page = (await ann.open(`/approvals/${id}`)).text;
    expect(page).toContain('This is your own request.');
    expect(page).not.toContain(`/approvals/${id}/approve`);
    expect(page).toContain('Take it back');
    const forged = await ann.post(`/approvals/${id}/approve`, { version: versionIn(page) });
    expect([forged.status, await stateOf(id)]).toEqual([403, 'waiting']);
  });

  it('show a viewer no button and refuse what he posts; another tenant finds nothing', async () => {
    const id = await ask({ retract: true });
    const viewer = await as('viewer');
    const page = (await viewer.open(`/approvals/${id}`)).text;
    expect(page).toContain('It takes the role admin to decide this.');
    expect(page).not.toMatch(/action="\/approvals/);
    expect((await viewer.post(`/approvals/${id}/approve`)).status).toBe(403);
    expect((await viewer.post(`/approvals/${id}/reject`)).status).toBe(403);
    const stranger = await as('stranger');
    expect((await stranger.open(`/approvals/${id}`)).status).toBe(404);
    expect((await stranger.post(`/approvals/${id}/approve`)).status).toBe(404);
    expect((await stranger.open('/approvals?state=any')).text).not.toContain(id);
    expect(await stateOf(id)).toBe('waiting');
  });

  it('reject with a reason that the page then shows', async () => {
    const id = await ask({ retract: true });
    const ben = await as('ben');
    const version = versionIn((await ben.open(`/approvals/${id}`)).text);
    const done = await ben.post(`/approvals/${id}/reject`, { version, reason: hostile });
    expect(done.text).toContain('It was rejected. Nothing was done.');
    expect(done.text).toContain('&lt;b id=x&gt;');
    expect(done.text).not.toMatch(unescaped);
    expect(await stateOf(id)).toBe('rejected');
  });

  it('approve by a second operator: it is done, and its outcome shown', async () => {
    const id = await ask({ retract: false });
    const ben = await as('ben');
    const page = (await ben.open(`/approvals/${id}`)).text;
    const done = await ben.post(`/approvals/${id}/approve`, { version: versionIn(page), reason: 'agreed' });
    expect(done.url).toBe(`${ben.origin}/approvals/${id}?done=approve`);
    expect(done.text).toContain('HTTP 200');
    expect(await stateOf(id)).toBe('done');
    const again = await ben.post(`/approvals/${id}/approve`, { version: versionIn(page) });
    expect(again.status).not.toBe(200);
    expect(again.text).toContain('role="alert"');
  });
});
