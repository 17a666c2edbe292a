import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addInstance, bootstrapKey, browse, consent, type Scene, startScene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** The admin API as far as it exists: contract sections 6 and 8. */
describe('admin API', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { instances: [{ name: 'berlin', macs: 2 }] },
          { instances: [{ name: 'oslo', macs: 1 }] },
          { instances: [] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    await consent(scene, tenantId);
    await consent(scene, otherId);
  });
  afterAll(() => scene?.close());

  const slugOf = (answer: { json: { type: string } }) =>
    answer.json.type.replace('https://espalier.dev/problems/', '');

  it('401 problem+json without a key, with a wrong one and with an instance key', async () => {
    const bare = await call(`${scene.gateway.admin}/api/v1/tenants`, { ca: scene.trust });
    expect(bare.status).toBe(401);
    expect(bare.headers['www-authenticate']).toContain('Bearer');
    expect(bare.headers['content-type']).toBe('application/problem+json');
    const instance = await addInstance(scene, tenantId, 'berlin');
    for (const key of ['esp_wrong', instance.key]) {
      expect((await scene.api('GET', '/tenants', undefined, key)).status).toBe(401);
    }
  });

  it('shows the document as a page that runs nothing and loads nothing', async () => {
    const page = await call(`${scene.gateway.admin}/api/docs`, { ca: scene.trust });
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=UTF-8']);
    expect(page.headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[^ ;]+';/,
    );
    expect(page.text).not.toMatch(/<script|<link|<img|\sstyle=|\son\w+=/);
    const { json } = await call(`${scene.gateway.admin}/api/v1/openapi.json`, { ca: scene.trust });
    for (const operations of Object.values<Record<string, { operationId: string }>>(json.paths)) {
      for (const { operationId } of Object.values(operations))
        expect(page.text).toContain(`id="${operationId}"`);
    }
  });

  it('names every faulty field of a new tenant', async () => {
    const answer = await scene.api('POST', '/tenants', { tenantId: 'x', displayName: '', colour: 'red' });
    expect(answer.status).toBe(400);
    expect(answer.json.errors.map((error: { field: string }) => error.field).sort()).toEqual([
      'colour',
      'displayName',
      'tenantId',
    ]);
    expect(answer.json).toMatchObject({ httpStatus: 400, owner: 'caller', status: 400 });
  });

  it('400 names the cloud that does not exist', async () => {
    const answer = await scene.api('POST', '/tenants', {
      tenantId: crypto.randomUUID(),
      displayName: 'x',
      cloud: 'mars',
    });
    expect(answer.json.errors[0].field).toBe('cloud');
  });

  it('409 for a tenant that is there', async () => {
    const answer = await scene.api('POST', '/tenants', { tenantId, displayName: 'again', cloud: 'public' });
    expect([answer.status, slugOf(answer)]).toEqual([409, 'conflict']);
  });

  it('412 when If-Match names an older version, ETag otherwise', async () => {
    const read = await scene.api('GET', `/tenants/${tenantId}`);
    const patch = (etag: string) =>
      call(`${scene.gateway.admin}/api/v1/tenants/${tenantId}`, {
        method: 'PATCH',
        ca: scene.trust,
        headers: {
          authorization: `Bearer ${bootstrapKey}`,
          'content-type': 'application/json',
          'if-match': etag,
        },
        body: JSON.stringify({ displayName: 'Renamed' }),
      });
    expect((await patch('"0"')).status).toBe(412);
    const changed = await patch(String(read.headers.etag));
    expect(changed.status).toBe(200);
    expect(changed.headers.etag).not.toBe(read.headers.etag);
    expect(changed.json.displayName).toBe('Renamed');
  });

  it('pages and sorts', async () => {
    const page = await scene.api('GET', '/tenants?page=1&page-size=1&sort=tenantId:desc');
    expect(page.json.totalCount).toBe(2);
    expect(page.json.results).toHaveLength(1);
    expect((await scene.api('GET', '/tenants?page-size=2001')).status).toBe(400);
    const unknown = await scene.api('GET', '/tenants?sort=shoeSize:asc');
    expect(unknown.json.errors[0].field).toBe('sort');
    const ignored = await scene.api('GET', '/tenants?colour=red');
    expect([ignored.status, ignored.json.errors[0].field]).toEqual([400, 'colour']);
  });

  it('works with the least privileges that the README lists, and says which one is missing', async () => {
    const simulated = scene.world.instance('oslo');
    const privileges = [
      'Read Computers',
      'Read Device Compliance Information',
      'Update Smart Computer Groups',
    ] as const;
    const { clientId, clientSecret } = simulated.tokens.addClient({
      roles: [{ id: 9, displayName: 'least', privileges }],
    });
    const { id } = await addInstance(scene, otherId, 'oslo', { apiClient: { clientId, clientSecret } });
    const path = `/tenants/${otherId}/instances/${id}`;
    expect((await scene.api('POST', `${path}/test`)).json.ok).toBe(true);
    const fewer = simulated.tokens.addClient({
      roles: [{ id: 10, displayName: 'fewer', privileges: ['Read Computers'] }],
    });
    await scene.api('PATCH', path, {
      apiClient: { clientId: fewer.clientId, clientSecret: fewer.clientSecret },
    });
    const tested = await scene.api('POST', `${path}/test`);
    const failed = tested.json.steps.find((step: { ok: boolean }) => !step.ok);
    expect(failed).toMatchObject({ name: 'compliance', owner: 'instance' });
    expect(`${failed.detail} ${failed.remedy}`).toContain('Read Device Compliance Information');
  });

  it('404 with the same body for an unknown tenant and for one that the key may not see', async () => {
    const { json } = await scene.api('POST', '/keys', { name: 'bound', role: 'admin', tenants: [otherId] });
    const paths = [
      '',
      '/status',
      '/instances',
      '/devices',
      `/devices/${crypto.randomUUID()}`,
      `/devices/${crypto.randomUUID()}/explain`,
    ];
    for (const path of paths) {
      const unknown = await scene.api('GET', `/tenants/${crypto.randomUUID()}${path}`, undefined, json.key);
      const foreign = await scene.api('GET', `/tenants/${tenantId}${path}`, undefined, json.key);
      expect(unknown.status).toBe(404);
      expect({ ...foreign.json, instance: '' }).toEqual({ ...unknown.json, instance: '' });
    }
    const list = await scene.api('GET', '/tenants', undefined, json.key);
    expect(list.json.results.map((tenant: { id: string }) => tenant.id)).toEqual([otherId]);
    expect((await scene.api('POST', '/keys', { name: 'wider', role: 'viewer' }, json.key)).status).toBe(403);
    const keys = await scene.api('GET', '/keys', undefined, json.key);
    expect(keys.json.results.map((key: { id: string }) => key.id)).toEqual([json.id]);
  });

  it('403 for a role that is too low; a viewer reads, an operator tests', async () => {
    const viewer = (
      await scene.api('POST', '/keys', { name: 'v', role: 'viewer', tenants: [tenantId, otherId] })
    ).json.key;
    expect((await scene.api('GET', `/tenants/${tenantId}`, undefined, viewer)).status).toBe(200);
    const refused = await scene.api('PATCH', `/tenants/${tenantId}`, { displayName: 'x' }, viewer);
    expect([refused.status, slugOf(refused)]).toEqual([403, 'forbidden']);
    expect((await scene.api('POST', `/tenants/${tenantId}/pause`, undefined, viewer)).status).toBe(403);
    const operator = (await scene.api('POST', '/keys', { name: 'o', role: 'operator', tenants: [tenantId] }))
      .json.key;
    const { json } = await scene.api('GET', `/tenants/${tenantId}/instances`, undefined, operator);
    const test = await scene.api(
      'POST',
      `/tenants/${tenantId}/instances/${json.results[0].id}/test`,
      undefined,
      operator,
    );
    expect(test.json.ok).toBe(true);
    expect(test.json.steps.map((step: { name: string }) => step.name)).toEqual([
      'token',
      'version',
      'inventory',
      'compliance',
    ]);
  });

  it('says what is wrong with an instance: secret, privilege, address', async () => {
    const { json } = await scene.api('GET', `/tenants/${tenantId}/instances`);
    const [instance] = json.results;
    const path = `/tenants/${tenantId}/instances/${instance.id}`;
    const simulated = scene.world.instance('berlin');
    await scene.api('PATCH', path, { apiClient: { clientId: simulated.clientId, clientSecret: 'wrong' } });
    const failed = await scene.api('POST', `${path}/test`);
    expect(failed.json.ok).toBe(false);
    expect(failed.json.steps[0]).toMatchObject({ name: 'token', ok: false, remedy: expect.any(String) });
    const moved = await scene.api('PATCH', path, { url: 'https://elsewhere.example.com' });
    expect(moved.json.errors[0].field).toBe('apiClient');
    const reference = (secretRef: string, key?: string) =>
      scene.api('PATCH', path, { apiClient: { clientId: 'x', secretRef } }, key);
    const bound = (await scene.api('POST', '/keys', { name: 'b', role: 'admin', tenants: [tenantId] })).json
      .key;
    expect((await reference('env:ESPALIER_INSTANCE_BERLIN', bound)).status).toBe(403);
    expect((await reference('env:ESPALIER_SECRETS_KEY')).json.errors[0].field).toBe('apiClient.secretRef');
    expect((await reference('env:DATABASE_URL')).status).toBe(400);
    const metadata = await scene.api('POST', `/tenants/${tenantId}/instances`, {
      name: 'metadata',
      url: 'https://169.254.169.254',
      apiClient: { clientId: 'a', clientSecret: 'b' },
    });
    expect([metadata.status, slugOf(metadata)]).toEqual([400, 'address-refused']);
    expect((await scene.api('GET', '/tenants?sort=constructor:asc')).status).toBe(400);
    const secret = simulated.tokens.clients.get(simulated.clientId)!.clientSecret;
    await scene.api('PATCH', path, { apiClient: { clientId: simulated.clientId, clientSecret: secret } });
    expect((await scene.api('POST', `${path}/test`)).json.ok).toBe(true);
  });

  it('never shows a secret again, stores it sealed, and keeps answers out of caches', async () => {
    const simulated = scene.world.instance('berlin');
    const secret = simulated.tokens.clients.get(simulated.clientId)!.clientSecret;
    const answer = await scene.api('GET', `/tenants/${tenantId}/instances`);
    expect(answer.text).not.toContain(secret);
    expect(answer.headers['cache-control']).toBe('no-store');
    const [row] = await scene.database.sql<
      { sealed: string }[]
    >`select api_secret_sealed as sealed from instances where tenant_id = ${tenantId}`;
    expect(row!.sealed).toMatch(/^v1\./);
    expect(row!.sealed).not.toContain(secret);
  });

  it('409 for a third live key of an instance; a revoked key is refused', async () => {
    const { json } = await scene.api('GET', `/tenants/${tenantId}/instances`);
    const instanceId = json.results[0].id;
    const keys = `/tenants/${tenantId}/instances/${instanceId}/keys`;
    const second = await scene.api('POST', keys, { name: 'second' });
    expect(second.status).toBe(201);
    expect(second.json.key).toMatch(/^esp_/);
    const third = await scene.api('POST', keys, { name: 'third' });
    expect([third.status, slugOf(third)]).toEqual([409, 'conflict']);
    const listed = await scene.api('GET', keys);
    expect(listed.json.totalCount).toBe(2);
    expect(listed.text).not.toContain(second.json.key);
    expect((await scene.api('DELETE', `${keys}/${second.json.id}`)).status).toBe(204);
    expect((await scene.api('GET', `${keys}/${second.json.id}`)).status).toBe(404);
  });

  it('409 for deleting a tenant with devices, a dry run says what would go', async () => {
    const [instance] = await scene.database.sql<
      { id: string }[]
    >`select instance_id as id from instances where tenant_id = ${tenantId}`;
    await scene.database
      .sql`insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
      values (${tenantId}, gen_random_uuid(), ${instance!.id}, 77, 'only-claim', 1)`;
    expect((await scene.api('DELETE', `/tenants/${tenantId}`)).status).toBe(409);
    const dry = await scene.api('DELETE', `/tenants/${tenantId}?force=true&dry-run=true`);
    expect(dry.json).toEqual({ dryRun: true, devices: 1, instances: 1, relay: null });
    expect((await scene.api('GET', `/tenants/${tenantId}`)).status).toBe(200);
  });

  it('405 with Allow, 404 for what does not exist, 415 and 413 for bodies it does not take', async () => {
    const wrong = await scene.api('PUT', '/tenants');
    expect([wrong.status, wrong.headers.allow]).toEqual([405, 'GET, HEAD, POST']);
    expect((await scene.api('GET', '/nothing')).status).toBe(404);
    const post = (type: string, body: string) =>
      call(`${scene.gateway.admin}/api/v1/tenants`, {
        method: 'POST',
        ca: scene.trust,
        headers: { authorization: `Bearer ${bootstrapKey}`, 'content-type': type },
        body,
      });
    expect((await post('text/plain', '{}')).status).toBe(415);
    expect((await post('application/json', '{"')).status).toBe(400);
    expect((await post('application/json', `"${'x'.repeat(1_100_000)}"`)).status).toBe(413);
  });

  it('serves the OpenAPI document of exactly the paths that exist', async () => {
    const { json } = await scene.api('GET', '/openapi.json');
    expect(json.openapi).toBe('3.1.0');
    for (const path of Object.keys(json.paths)) {
      const concrete = path.replaceAll(/\{[^}]+\}/g, () => crypto.randomUUID());
      const bare = await call(`${scene.gateway.admin}${concrete}`, { ca: scene.trust });
      expect(bare.status).toBe(401);
    }
  });

  it('shows consent declined, opened again and from another tenant as a page, and uses the state up', async () => {
    const thirdId = scene.world.tenants[2]!.tenantId;
    const settings = scene.world.cloud('public').settings.tenant(thirdId);
    settings.consent.behaviour = 'decline';
    const declined = await consent(scene, thirdId);
    expect(declined.status).toBe(400);
    expect(declined.text).toContain('was not given');
    settings.consent.behaviour = 'tamper-tenant';
    const tampered = await consent(scene, thirdId);
    expect(tampered.status).toBe(400);
    expect(tampered.text).toContain('Another tenant');
    settings.consent.behaviour = 'approve';
    const { json } = await scene.api('POST', `/tenants/${thirdId}/connect`);
    expect(json.consentUrls.map((one: { app: string }) => one.app)).toEqual([
      'connector',
      'user-registration',
    ]);
    const first = await browse(scene, json.consentUrls[0].url);
    expect(first.status).toBe(200);
    const again = await browse(scene, json.consentUrls[0].url);
    expect(again.status).toBe(200);
    expect(again.text).toContain('Consent given');
    expect((await scene.api('GET', `/tenants/${thirdId}`)).json.connectionState).toBe('consented');
    expect(first.headers['content-security-policy']).toContain("default-src 'none'");
  });

  it('lets the bootstrap key go when there is an admin key', async () => {
    const { json } = await scene.api('POST', '/keys', { name: 'first admin', role: 'admin' });
    expect((await scene.api('GET', '/version', undefined, json.key)).status).toBe(200);
    expect((await scene.api('GET', '/version')).status).toBe(401);
    expect((await scene.api('DELETE', `/keys/${json.id}`, undefined, json.key)).status).toBe(204);
    // Not even with the last admin key's end: whoever kept the bootstrap key must not come in again.
    expect((await scene.api('GET', '/version')).status).toBe(401);
  });
});
