import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConsoleVisit,
  hostile,
  unescaped,
  visitConsole,
  visitConsoleByEntra,
} from '../harness/console.ts';
import { addOperator, type EntraPerson, operatorsTenant, tokenOf } from '../harness/entra-operator.ts';
import { eventually } from '../harness/eventually.ts';
import { connectTenant, type Scene, startScene } from '../harness/gateway.ts';

/** The console's pages of operators, and the console as a customer's own administrator sees it. */
describe('operators in the console', () => {
  let scene: Scene;
  let contoso: string;
  let fabrikam: string;
  let connie: EntraPerson;
  let admin: ConsoleVisit;

  beforeAll(async () => {
    contoso = 'c0c0c0c0-0000-4000-8000-00000000000b';
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { tenantId: contoso, displayName: 'Contoso', instances: [{ name: 'berlin', macs: 1 }] },
          { displayName: 'Fabrikam', instances: [{ name: 'oslo', macs: 1 }] },
        ],
      },
      environment: { ESPALIER_OPERATOR_TENANTS: `${operatorsTenant},${contoso}` },
    });
    fabrikam = scene.world.tenants[1]!.tenantId;
    for (const { tenantId } of scene.world.tenants) await connectTenant(scene, tenantId);
    connie = addOperator(scene, contoso, 'connie', 'Espalier.Admin');
    admin = await visitConsole(scene);
  }, 120_000);
  afterAll(() => scene?.close());

  const pathOf = ({ entraTenantId, objectId }: EntraPerson): string =>
    `/operators/${entraTenantId}:${objectId}`;

  it('list each Entra tenant whose people may come, and say who came', async () => {
    await eventually(async () => {
      const page = (await admin.open('/operators')).text;
      expect(page).toContain(`href="/operators/${contoso}"`);
      expect(page).toContain('Nobody has signed in with Entra.');
    }, 30_000);
    await visitConsoleByEntra(scene, connie.account);
    const page = (await admin.open('/operators')).text;
    expect(page).toContain(connie.account);
    expect(page).toContain('nothing is assigned');
    expect((await admin.open('/operators?name=nobody*')).text).not.toContain(connie.account);
    expect((await admin.open('/operators?name=connie*')).text).toContain(connie.account);
  });

  it('bind everybody of an Entra tenant, and a customer’s administrator sees his tenant on every page', async () => {
    const done = await admin.post(`/operators/${contoso}/assign`, {
      sees: 'some',
      tenants: `${contoso}\n`,
      reason: 'their own view',
    });
    expect(done.text).toContain('The assignment holds from the next request on.');
    const visit = await visitConsoleByEntra(scene, connie.account);
    for (const path of [
      '/',
      '/tenants',
      '/search?q=o',
      `/search?q=${fabrikam}`,
      '/reports',
      '/history',
      '/approvals',
      '/keys',
      '/operators',
      '/sessions',
      `/tenants/${contoso}`,
    ]) {
      const page = await visit.open(path);
      expect([path, page.status]).toEqual([path, 200]);
      // What was searched for stands in the field and in the title.
      const text = page.text.replaceAll(`Search for ${fabrikam}`, '').replaceAll(`q=${fabrikam}`, '');
      expect([path, /Fabrikam|oslo/.test(text), text.includes(fabrikam)]).toEqual([path, false, false]);
    }
    expect((await visit.open('/tenants')).text).toContain('Contoso');
    expect((await visit.open('/')).text).toContain('for 1 tenant');
    expect((await visit.open(`/tenants/${fabrikam}`)).status).toBe(404);
    // A name or address of a user finds nobody, and the page says what does.
    expect((await visit.open('/search?q=ada@contoso.example')).text).toContain(
      'A user is found by the object id',
    );
    const sessions = (await visit.open('/sessions')).text;
    expect(sessions).toContain('Contoso');
    expect((await admin.open('/sessions')).text).toContain('all tenants');
  });

  it('let a bound administrator give nobody more than he has', async () => {
    const visit = await visitConsoleByEntra(scene, connie.account);
    const own = await visit.open(pathOf(connie));
    expect(own.text).toContain('It is you.');
    expect(own.text).not.toContain('<option value="all">');
    for (const form of [
      { sees: 'all', tenants: '' },
      { sees: 'some', tenants: fabrikam },
    ]) {
      const refused = await visit.post(`${pathOf(connie)}/assign`, form);
      expect([refused.status, refused.text.includes('bound to tenants')]).toEqual([403, true]);
    }
    expect((await visit.open(`/operators/${operatorsTenant}`)).status).toBe(404);
    expect((await visit.post('/keys/create', { name: 'wide', role: 'viewer', tenants: '' })).status).toBe(
      403,
    );
    expect((await visit.open('/tenants')).text).not.toContain('Fabrikam');
  });

  it('bind one person who has not come yet, and end it, with the reason in the history', async () => {
    const carl = addOperator(scene, contoso, 'carl', 'Espalier.Viewer');
    await admin.post('/operators/assign', {
      entraTenant: contoso,
      object: carl.objectId,
      sees: 'some',
      tenants: fabrikam,
      reason: 'helps out',
    });
    const listed = (await admin.open('/operators')).text;
    expect(listed).toContain('Not seen yet');
    expect(listed).toContain('own assignment');
    const visit = await visitConsoleByEntra(scene, carl.account);
    expect((await visit.open('/tenants')).text).toMatch(/Fabrikam/);
    expect((await visit.open('/')).text).not.toContain('href="/operators"');
    expect((await visit.open('/operators')).status).toBe(403);
    const page = (await admin.open(pathOf(carl))).text;
    expect(page).toContain('End the assignment');
    const etag = /name="etag" value="([^"]*)"/.exec(page)?.[1]?.replaceAll('&quot;', '"') ?? '';
    const [entry] = (await scene.api('GET', '/history?filter=action==operator.assign')).json.results;
    expect(entry).toMatchObject({ reason: 'helps out', after: { tenants: [fabrikam] } });
    await scene.api('PUT', pathOf(carl), { tenants: [contoso] });
    const late = await admin.post(`${pathOf(carl)}/assign`, { etag, sees: 'all', tenants: '' });
    expect(late.text).toContain('does not name the present version');
    const done = await admin.post(`${pathOf(carl)}/unassign`, { reason: 'done' });
    expect(done.text).toContain('The assignment ended.');
    expect((await visit.open('/tenants')).text).not.toContain('Fabrikam');
  });

  it('show names out of Entra as text, and say what is wrong with a form', async () => {
    const mallory: EntraPerson = { ...connie, objectId: crypto.randomUUID(), account: hostile };
    const token = await tokenOf(scene, mallory, 'Espalier.Viewer');
    expect((await scene.api('GET', '/session', undefined, token)).status).toBe(200);
    for (const path of ['/operators', pathOf(mallory)]) {
      const page = (await admin.open(path)).text;
      expect(page).toContain('&lt;b id=x&gt;');
      expect(page).not.toMatch(unescaped);
    }
    const wrong = await admin.post(`${pathOf(mallory)}/assign`, { sees: 'some', tenants: 'contoso' });
    expect([wrong.status, wrong.text.includes('must be a GUID')]).toEqual([400, true]);
    expect((await admin.open('/operators/nobody')).status).toBe(404);
  });
});
