import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, hostile, unescaped, visitConsole } from '../harness/console.ts';
import { type Scene, startScene } from '../harness/gateway.ts';

/** The console's pages of operators' keys. */
describe('keys in the console', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let admin: ConsoleVisit;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [] }, { instances: [] }] },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    await scene.api('POST', '/tenants', { tenantId, displayName: 'Contoso', cloud: 'public' });
    await scene.api('POST', '/tenants', { tenantId: otherId, displayName: 'Fabrikam', cloud: 'public' });
    admin = await visitConsole(scene);
  });
  afterAll(() => scene?.close());

  const make = async (visit: ConsoleVisit, form: Record<string, string>) => {
    const page = await visit.post('/keys/create', form);
    const key = /<code class="secret" data-copy>(esp_[^<]+)<\/code>/.exec(page.text)?.[1];
    return { page, key };
  };
  const listed = async (): Promise<{ id: string; name: string; tenants: string[] | null; role: string }[]> =>
    (await scene.api('GET', '/keys')).json.results;

  it('says that there is none yet', async () => {
    expect((await admin.open('/keys')).text).toContain('No key is made yet.');
  });

  it('makes one that is shown once, works, and has what was asked for', async () => {
    const { key, page } = await make(admin, {
      name: hostile,
      role: 'viewer',
      tenants: `${tenantId}\n`,
      expiresAt: '2040-01-01T00:00',
      reason: 'for a guest',
    });
    expect(page.status, page.text).toBe(200);
    expect(page.headers['cache-control']).toBe('no-store');
    expect((await scene.api('GET', '/session', undefined, key)).json).toMatchObject({
      role: 'viewer',
      tenants: [tenantId],
    });
    const list = (await admin.open('/keys')).text;
    expect(list).not.toContain(key);
    expect(list).toContain('Contoso');
    expect(list).toContain('2040-01-01');
    expect(list).not.toMatch(unescaped);
    const [entry] = (await scene.api('GET', '/history?filter=action==key.create')).json.results;
    expect(entry.reason).toBe('for a guest');
  });

  it('says what is wrong with a form', async () => {
    const { page } = await make(admin, { name: '', role: 'owner', tenants: 'contoso' });
    expect(page.status).toBe(400);
    expect(page.text).toContain('<code>role</code>');
    const past = await make(admin, { name: 'old', role: 'viewer', expiresAt: '2001-01-01T00:00' });
    expect(past.page.text).toContain('must be in the future');
  });

  it('revokes one, whose person is thrown out at the next request', async () => {
    const { key } = await make(admin, { name: 'leaver', role: 'operator' });
    const leaver = await visitConsole(scene, key);
    expect((await leaver.open('/history')).status).toBe(200);
    const one = (await listed()).find(({ name }) => name === 'leaver')!;
    expect((await admin.open(`/keys/${one.id}`)).text).toContain('Revoke the key');
    const done = await admin.post(`/keys/${one.id}/revoke`, { reason: 'left' });
    expect(done.text).toContain('The key was revoked.');
    const thrown = await leaver.open('/history');
    expect([thrown.status, thrown.headers.location]).toEqual([303, '/sign-in?returnTo=%2Fhistory']);
    expect((await admin.open(`/keys/${one.id}`)).status).toBe(404);
  });

  it('are not for a viewer or an operator; a bound admin has those of his tenants', async () => {
    for (const role of ['viewer', 'operator']) {
      const { key } = await make(admin, { name: role, role });
      const visit = await visitConsole(scene, key);
      expect((await visit.open('/')).text).not.toContain('href="/keys"');
      expect((await visit.open('/keys')).status).toBe(403);
      expect((await make(visit, { name: 'forged', role: 'admin' })).page.status).toBe(403);
    }
    const { key } = await make(admin, { name: 'theirs', role: 'admin', tenants: otherId });
    const bound = await visitConsole(scene, key);
    const list = (await bound.open('/keys')).text;
    expect(list).toContain('theirs');
    expect(list).not.toContain('operator</a>');
    expect((await make(bound, { name: 'wide', role: 'viewer' })).page.status).toBe(403);
    const guest = (await listed()).find(({ tenants }) => tenants?.[0] === tenantId)!;
    expect((await bound.open(`/keys/${guest.id}`)).status).toBe(404);
    expect((await bound.post(`/keys/${guest.id}/revoke`)).status).toBe(404);
    expect((await listed()).map(({ name }) => name)).toContain(hostile);
  });
});
