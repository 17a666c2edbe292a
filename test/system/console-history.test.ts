import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, hostile, unescaped, visitConsole } from '../harness/console.ts';
import { bootstrapKey, type Scene, startScene } from '../harness/gateway.ts';

/** The console's page of who did what. */
describe('the history in the console', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let admin: ConsoleVisit;
  let viewer: ConsoleVisit;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [] }, { instances: [] }] },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    await scene.api('POST', '/tenants', { tenantId, displayName: 'Contoso', cloud: 'public' });
    await scene.api('POST', '/tenants', { tenantId: otherId, displayName: 'Fabrikam', cloud: 'public' });
    await scene.api('PATCH', `/tenants/${tenantId}`, { displayName: hostile });
    const { key } = (await scene.api('POST', '/keys', { name: hostile, role: 'viewer', tenants: [tenantId] }))
      .json;
    admin = await visitConsole(scene, bootstrapKey);
    viewer = await visitConsole(scene, key);
  });
  afterAll(() => scene?.close());

  it('shows what was before and is after, as text whatever it is', async () => {
    const page = (await admin.open(`/history?tenant=${tenantId}&action=tenant.*`)).text;
    expect(page).toContain('<del>Contoso</del>');
    expect(page).toContain('<ins>&lt;b id=x&gt;&quot;&#39;&amp; hx-get=/x</ins>');
    expect(page).not.toMatch(unescaped);
    expect(page).toContain('127.0.0.1');
  });

  it('filters by tenant, author, action, object and time, which stand in the address', async () => {
    const open = async (query: Record<string, string>) =>
      (await admin.open(`/history?${new URLSearchParams(query)}`)).text;
    const rows = (text: string): number => text.match(/<td data-label="When"/g)?.length ?? 0;
    expect(rows(await open({ tenant: otherId }))).toBe(1);
    expect(rows(await open({ tenant: otherId, author: 'boot*' }))).toBe(1);
    expect(rows(await open({ tenant: otherId, author: hostile }))).toBe(0);
    expect(rows(await open({ action: 'key.create', kind: 'key' }))).toBe(1);
    expect(rows(await open({ object: otherId }))).toBe(1);
    expect(rows(await open({ tenant: otherId, to: '2020-01-01T00:00' }))).toBe(0);
    expect(rows(await open({ tenant: otherId, from: '2020-01-01T00:00' }))).toBe(1);
    expect(await open({ author: hostile })).not.toMatch(unescaped);
    expect((await admin.open('/history?tenant=nobody')).status).toBe(400);
  });

  it('verifies the chains, and says which entry was changed', async () => {
    expect((await admin.open('/history?verify=1')).text).toMatch(
      /All \d+ entries that you may see are as they were written\./,
    );
    await scene.database
      .sql`update history set author = 'nobody' where tenant_id = ${otherId} and sequence = 1`;
    const broken = (await admin.open('/history?verify=1')).text;
    expect(broken).toContain('The history is not as it was written.');
    expect(broken).toContain('was changed after it was written');
    expect((await viewer.open('/history?verify=1')).text).toContain('are as they were written.');
  });

  it('shows who is bound to a tenant that tenant alone', async () => {
    const page = (await viewer.open('/history')).text;
    expect(page).toContain(tenantId);
    expect(page).not.toContain(otherId);
    expect(page).not.toContain('key.create');
    expect((await viewer.open(`/history?tenant=${otherId}`)).text).toContain('No entry is like that.');
  });
});
