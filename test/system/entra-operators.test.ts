import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrowser, signIn } from '../harness/browser.ts';
import { adminOrigin } from '../harness/console.ts';
import { addOperator, type EntraPerson, operatorsTenant, tokenOf } from '../harness/entra-operator.ts';
import { eventually } from '../harness/eventually.ts';
import {
  addInstance,
  bootstrapKey,
  type GatewayProcess,
  type Scene,
  startScene,
} from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';

/** Operators of Entra who are bound to tenants: who sees what, who may bind whom, and when it holds. */
describe('operators of Entra', () => {
  let scene: Scene;
  let second: GatewayProcess;
  let contoso: string;
  let fabrikam: string;
  let gone: string;
  let connie: EntraPerson;
  let carl: EntraPerson;

  beforeAll(async () => {
    contoso = 'c0c0c0c0-0000-4000-8000-00000000000a';
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { tenantId: contoso, instances: [] },
          { instances: [{ name: 'oslo', macs: 1 }] },
          { instances: [] },
        ],
      },
      environment: {
        ESPALIER_OPERATOR_TENANTS: `${operatorsTenant},${contoso}`,
        ESPALIER_APPROVALS: 'on',
      },
    });
    [, fabrikam, gone] = scene.world.tenants.map(({ tenantId }) => tenantId) as [string, string, string];
    for (const [tenantId, displayName] of [
      [contoso, 'Contoso'],
      [fabrikam, 'Fabrikam'],
      [gone, 'Gone'],
    ] as const) {
      const made = await scene.api('POST', '/tenants', { tenantId, displayName, cloud: 'public' });
      expect(made.status, made.text).toBe(201);
    }
    connie = addOperator(scene, contoso, 'connie', 'Espalier.Admin');
    carl = addOperator(scene, contoso, 'carl', 'Espalier.Viewer');
    second = await scene.another();
  }, 120_000);
  afterAll(async () => {
    await second?.stop();
    await scene?.close();
  });

  const idOf = ({ entraTenantId, objectId }: EntraPerson): string => `${entraTenantId}:${objectId}`;
  const ask = async (
    person: EntraPerson,
    method: string,
    path: string,
    body?: unknown,
    base = scene.gateway.admin,
  ): Promise<Answer> =>
    call(`${base}/api/v1${path}`, {
      method,
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${await tokenOf(scene, person, 'Espalier.Admin')}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const assign = (who: string, tenants: string[] | null): Promise<Answer> =>
    scene.api('PUT', `/operators/${who}`, { tenants });
  const unassign = (who: string): Promise<Answer> => scene.api('DELETE', `/operators/${who}`);
  const seen = async (person: EntraPerson, base?: string): Promise<string[]> => {
    const { json } = await ask(person, 'GET', '/tenants?sort=displayName:asc', undefined, base);
    return json.results.map((tenant: { displayName: string }) => tenant.displayName);
  };
  const browserOf = async (person: EntraPerson) => {
    const browser = createBrowser([scene.trust, scene.world.authority.certificatePem]);
    const page = await signIn(browser, adminOrigin(scene), person.account);
    expect(page.status, page.text).toBe(200);
    const at = (path: string): string => `${adminOrigin(scene)}/api/v1${path}`;
    const me = await browser.open(at('/session'), { accept: 'application/json' });
    return {
      browser,
      get: async (path: string) => (await browser.open(at(path), { accept: 'application/json' })).json,
      write: (method: string, path: string, body: unknown) =>
        browser.send(
          method,
          at(path),
          {
            origin: adminOrigin(scene),
            'x-espalier-csrf': me.json.session.csrfToken,
            'content-type': 'application/json',
          },
          JSON.stringify(body),
        ),
    };
  };

  it('see every tenant until somebody binds them, and are listed once they were seen', async () => {
    expect(await seen(connie)).toEqual(['Contoso', 'Fabrikam', 'Gone']);
    const { json, headers } = await scene.api('GET', `/operators/${idOf(connie)}`);
    expect(json).toMatchObject({
      id: idOf(connie),
      entraTenantId: contoso,
      objectId: connie.objectId,
      name: connie.account,
      role: 'admin',
      tenants: null,
      assignment: 'none',
      admitted: true,
    });
    expect(Date.parse(json.lastSeenAt)).toBeGreaterThan(0);
    expect(headers.etag).toMatch(/^"0/);
    // Each Entra tenant whose people may come is there before the first of them is.
    await eventually(async () => {
      const { results } = (await scene.api('GET', `/operators?filter=entraTenantId==${operatorsTenant}`))
        .json;
      expect(results).toMatchObject([{ id: operatorsTenant, objectId: null, name: null, admitted: true }]);
    }, 30_000);
  });

  it('are bound one by one or by their Entra tenant, and the own assignment decides', async () => {
    const made = await assign(contoso, [contoso]);
    expect([made.status, made.json.tenants, made.json.objectId]).toEqual([200, [contoso], null]);
    expect(await seen(connie)).toEqual(['Contoso']);
    expect((await ask(connie, 'GET', '/session')).json.tenants).toEqual([contoso]);
    await assign(idOf(connie), [fabrikam, gone]);
    expect(await seen(connie)).toEqual(['Fabrikam', 'Gone']);
    expect(await seen(carl)).toEqual(['Contoso']);
    await assign(idOf(connie), null);
    expect(await seen(connie)).toEqual(['Contoso', 'Fabrikam', 'Gone']);
    expect((await scene.api('GET', `/operators/${idOf(connie)}`)).json).toMatchObject({
      tenants: null,
      assignment: 'own',
    });
    await assign(idOf(connie), []);
    expect(await seen(connie)).toEqual([]);
    expect((await unassign(idOf(connie))).status).toBe(204);
    expect(await seen(connie)).toEqual(['Contoso']);
    expect((await unassign(idOf(connie))).status).toBe(404);
    expect((await scene.api('GET', `/operators/${idOf(connie)}`)).json).toMatchObject({
      tenants: [contoso],
      assignment: 'entra-tenant',
    });
  });

  it('hold at the next request of a session, of a token and in another process', async () => {
    const { browser, get } = await browserOf(connie);
    expect((await get('/tenants')).totalCount).toBe(1);
    await assign(idOf(connie), [fabrikam]);
    expect((await get('/tenants')).results).toMatchObject([{ id: fabrikam }]);
    expect((await get('/session')).tenants).toEqual([fabrikam]);
    expect(await seen(connie, second.admin)).toEqual(['Fabrikam']);
    const made = await call(`${second.admin}/api/v1/operators/${idOf(connie)}`, {
      method: 'DELETE',
      ca: scene.trust,
      headers: { authorization: `Bearer ${bootstrapKey}` },
    });
    expect(made.status).toBe(204);
    expect((await get('/tenants')).results).toMatchObject([{ id: contoso }]);
    expect(await seen(connie)).toEqual(['Contoso']);
    const { results } = (await scene.api('GET', '/sessions')).json;
    expect(results).toMatchObject([{ objectId: connie.objectId, tenants: [contoso] }]);
    await assign(idOf(connie), null);
    expect((await scene.api('GET', '/sessions')).json.results).toMatchObject([{ tenants: null }]);
    await unassign(idOf(connie));
    expect((await get('/sessions')).totalCount).toBe(1);
    expect(browser.cookies.has('__Host-espalier')).toBe(true);
  });

  it('find another tenant nowhere, by session or token', async () => {
    const { get } = await browserOf(connie);
    await scene.api('POST', `/tenants/${fabrikam}/pause`, {}, undefined);
    for (const read of [get, async (path: string) => (await ask(connie, 'GET', path)).json]) {
      expect((await read(`/tenants/${fabrikam}`)).status).toBe(404);
      for (const path of [
        '/overview',
        '/search?q=a',
        `/search?q=${fabrikam}`,
        '/history?page-size=2000',
        '/reports',
        '/reports/causes',
        '/approvals',
        '/sessions',
        '/keys',
        '/operators',
        '/history/verify',
        `/tenants/${contoso}/moves`,
      ]) {
        const text = JSON.stringify(await read(path));
        expect([path, text.includes(fabrikam), text.includes('Fabrikam')]).toEqual([path, false, false]);
      }
    }
  });

  it('who are bound widen nobody’s binding, and bind nobody of others', async () => {
    const put = (who: string, tenants: string[] | null) =>
      ask(connie, 'PUT', `/operators/${who}`, { tenants });
    for (const wider of [[contoso, fabrikam], [fabrikam], [], null]) {
      for (const who of [idOf(connie), idOf(carl), contoso])
        expect([who, wider, (await put(who, wider)).status]).toEqual([who, wider, 403]);
    }
    expect((await ask(connie, 'DELETE', `/operators/${contoso}`)).status).toBe(403);
    // Whoever sees more than the asking admin is not there for him, and neither is a stranger.
    const ada = `${operatorsTenant}:${scene.world.operators.people[0]?.userId}`;
    for (const who of [ada, operatorsTenant, `${fabrikam}:${carl.objectId}`])
      for (const answer of [
        await put(who, [contoso]),
        await ask(connie, 'GET', `/operators/${who}`),
        await ask(connie, 'DELETE', `/operators/${who}`),
      ])
        expect([who, answer.status, answer.json.detail]).toEqual([who, 404, 'There is no such operator.']);
    const listed = (await ask(connie, 'GET', '/operators')).json.results;
    expect(listed.map(({ id }: { id: string }) => id).sort()).toEqual(
      [contoso, idOf(connie), idOf(carl)].sort(),
    );
    expect((await put(idOf(carl), [contoso])).status).toBe(200);
    expect((await ask(connie, 'DELETE', `/operators/${idOf(carl)}`)).status).toBe(204);
    expect(await seen(carl)).toEqual(['Contoso']);
    for (const tenants of [undefined, [fabrikam], [contoso, fabrikam]]) {
      const key = { name: 'wide', role: 'viewer', ...(tenants && { tenants }) };
      expect((await ask(connie, 'POST', '/keys', key)).status).toBe(403);
    }
    const own = { name: 'own', role: 'viewer', tenants: [contoso] };
    expect((await ask(connie, 'POST', '/keys', own)).status).toBe(201);
    const { write } = await browserOf(connie);
    expect((await write('PUT', `/operators/${idOf(connie)}`, { tenants: null })).status).toBe(403);
  });

  it('are for admins alone, and of a viewer neither list nor binding is to be had', async () => {
    const { get, write } = await browserOf(carl);
    expect((await get('/operators')).status).toBe(403);
    expect((await write('PUT', `/operators/${idOf(carl)}`, { tenants: [contoso] })).status).toBe(403);
  });

  it('400 for a body that says no tenants, 404 for an id that names nobody, 412 for an older version', async () => {
    for (const body of [{}, { tenants: 'all' }, { tenants: ['contoso'] }, { tenants: [], role: 'admin' }])
      expect((await scene.api('PUT', `/operators/${idOf(carl)}`, body)).status).toBe(400);
    const nil = '00000000-0000-0000-0000-000000000000';
    for (const who of ['x', `${contoso}:`, `${contoso}:${nil}`, `${idOf(carl)}:${nil}`, `:${contoso}`])
      for (const method of ['GET', 'DELETE'])
        expect([who, (await scene.api(method, `/operators/${who}`)).status]).toEqual([who, 404]);
    const stale = await call(`${scene.gateway.admin}/api/v1/operators/${contoso}`, {
      method: 'DELETE',
      ca: scene.trust,
      headers: { authorization: `Bearer ${bootstrapKey}`, 'if-match': '"0"' },
    });
    expect(stale.status).toBe(412);
  });

  it('stay bound to a tenant that was deleted, and see nothing', async () => {
    await assign(idOf(carl), [gone]);
    expect(await seen(carl)).toEqual(['Gone']);
    expect((await scene.api('DELETE', `/tenants/${gone}`)).status).toBeLessThan(300);
    expect(await seen(carl)).toEqual([]);
    expect((await ask(carl, 'GET', `/tenants/${gone}`)).status).toBe(404);
    expect((await ask(carl, 'GET', '/overview')).json.attention.totalCount).toBe(0);
  });

  it('are told of on an open stream what they are bound to by then, also when another process binds them', async () => {
    const token = await tokenOf(scene, connie, 'Espalier.Admin');
    let text = '';
    const stream = request(
      `${second.admin}/api/v1/events`,
      { headers: { authorization: `Bearer ${token}` }, agent: false, ca: scene.trust },
      (answer) => answer.on('data', (chunk: Buffer) => (text += chunk.toString('utf8'))),
    );
    stream.on('error', () => undefined);
    stream.end();
    await eventually(() => expect(text).toContain('welcome'));
    await scene.api('POST', `/tenants/${contoso}/pause`);
    await eventually(() => expect(text).toContain(contoso));
    text = '';
    await assign(idOf(connie), [fabrikam]);
    // What the page shows may be no longer for its reader: he is told to read all of it anew.
    await eventually(() => expect(text).toContain('"kind":"all","tenantId":null'));
    text = '';
    await scene.api('POST', `/tenants/${contoso}/resume`);
    await scene.api('POST', `/tenants/${fabrikam}/resume`);
    await eventually(() => expect(text).toContain(fabrikam));
    expect(text).not.toContain(contoso);
    await unassign(idOf(connie));
    stream.destroy();
  });

  it('who were bound since they asked for something get it done within their tenants only', async () => {
    const { id } = await addInstance(scene, fabrikam, 'oslo');
    const rows = Array.from({ length: 101 }, (_, number) =>
      JSON.stringify({ deviceId: crypto.randomUUID(), instanceId: id, jamfComputerId: 9_000 + number }),
    );
    const imported = await call(`${scene.gateway.admin}/api/v1/tenants/${fabrikam}/devices/import`, {
      method: 'POST',
      ca: scene.trust,
      headers: { authorization: `Bearer ${bootstrapKey}`, 'content-type': 'application/x-ndjson' },
      body: rows.join('\n'),
    });
    expect(imported.json.accepted).toBe(101);
    await assign(idOf(connie), null);
    const asked = await ask(connie, 'DELETE', `/tenants/${fabrikam}/instances/${id}?force=true`);
    expect(asked.status, asked.text).toBe(202);
    await assign(idOf(connie), [contoso]);
    const done = await scene.api('POST', `/approvals/${asked.json.approvalId}/approve`, {});
    expect(done.json).toMatchObject({ state: 'failed' });
    expect((await scene.api('GET', `/tenants/${fabrikam}/instances/${id}`)).status).toBe(200);
    await unassign(idOf(connie));
  });

  it('are in the history with who bound them to what, and why', async () => {
    const made = await call(`${scene.gateway.admin}/api/v1/operators/${idOf(carl)}`, {
      method: 'PUT',
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${bootstrapKey}`,
        'content-type': 'application/json',
        'x-espalier-reason': 'CHG-7',
      },
      body: JSON.stringify({ tenants: [contoso, contoso.toUpperCase()] }),
    });
    expect(made.json).toMatchObject({ tenants: [contoso], assignment: 'own' });
    const [entry] = (await scene.api('GET', '/history?filter=action==operator.*&page-size=1')).json.results;
    expect(entry).toMatchObject({
      tenantId: null,
      action: 'operator.assign',
      objectKind: 'operator',
      objectId: idOf(carl),
      objectName: carl.account,
      before: { tenants: [gone] },
      after: { tenants: [contoso] },
      reason: 'CHG-7',
    });
    await unassign(idOf(carl));
    const [ended] = (await scene.api('GET', '/history?filter=action==operator.*&page-size=1')).json.results;
    expect(ended).toMatchObject({ action: 'operator.unassign', before: { tenants: [contoso] }, after: null });
  });
});
