import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DocumentedOperation, fillPath, operationsOf, readDocument } from '../harness/api-document.ts';
import { type ApiScene, startApiScene } from '../harness/api-scene.ts';
import { type Answer, call } from '../harness/http.ts';

/** What requests of the admin API are told before anything is done: roles, methods, texts. */

let api: ApiScene;
let operations: readonly DocumentedOperation[];
beforeAll(async () => {
  api = await startApiScene();
  operations = operationsOf(await readDocument(api.scene.gateway.admin, api.scene.trust));
}, 120_000);
afterAll(() => api?.scene.close());

const send = (
  method: string,
  path: string,
  body?: string | Uint8Array,
  key = api.unbound.admin,
  type = 'application/json',
): Promise<Answer> =>
  call(`${api.scene.gateway.admin}${path}`, {
    method,
    ca: api.scene.trust,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': type }) },
    ...(body === undefined ? {} : { body }),
  });
/** Of the scene's own objects; what it has none of is named by an id that nothing has. */
const ids = () => ({ approvalId: crypto.randomUUID(), ...api.own });
const slugOf = ({ json }: Answer): string => json?.type?.split('/').at(-1);
const fieldOf = ({ json }: Answer): string => json?.errors?.[0]?.field;

describe('who may not do it', () => {
  it('is told so for every write, whatever the body is', async () => {
    const writes = operations.filter(({ operation }) => operation['x-espalier-role'] !== 'viewer');
    expect(writes.length).toBeGreaterThan(20);
    for (const { method, name, path } of writes) {
      const target = fillPath(path, ids());
      for (const body of ['{', '[]', '{"nonsense":true}', undefined]) {
        if (method.toUpperCase() === 'GET' && body !== undefined) continue;
        const answer = await send(method.toUpperCase(), target, body, api.unbound.viewer);
        expect({ name, body, status: answer.status, slug: slugOf(answer) }).toEqual({
          name,
          body,
          status: 403,
          slug: 'forbidden',
        });
      }
    }
  });

  it('an admin with the same bodies is told what is wrong with them', async () => {
    const answer = await send('POST', '/api/v1/tenants', '{"nonsense":true}');
    expect([answer.status, slugOf(answer)]).toEqual([400, 'invalid-request']);
  });
});

describe('a method that a path does not take', () => {
  it('is 405 with what it takes, for every path of the document', async () => {
    const paths = Map.groupBy(operations, ({ path }) => path);
    for (const [path, taken] of paths) {
      const methods = taken.map(({ method }) => method.toUpperCase());
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        if (methods.includes(method)) continue;
        const body = method === 'GET' ? undefined : '{}';
        const answer = await send(method, fillPath(path, ids()), body);
        expect({ path, method, status: answer.status, slug: slugOf(answer) }).toEqual({
          path,
          method,
          status: 405,
          slug: 'method-not-allowed',
        });
        const allow = String(answer.headers.allow).split(', ');
        expect(allow.filter((one) => one !== 'HEAD').sort()).toEqual([...methods].sort());
      }
    }
  });
});

describe('texts', () => {
  const tenant = (displayName: string): string =>
    JSON.stringify({ tenantId: crypto.randomUUID(), cloud: 'public', displayName });
  const patchName = (name: string) =>
    send(
      'PATCH',
      `/api/v1/tenants/${api.own.tenantId}/instances/${api.own.instanceId}`,
      JSON.stringify({ name }),
    );

  it.each([
    ['a line end', 'a\nb'],
    ['an escape', 'a\u001b[31mb'],
    ['DEL', 'a\u007fb'],
    ['a control character of Latin-1', 'a\u0085b'],
    ['a line separator', 'a\u2028b'],
    ['a right-to-left override', 'a\u202Egnp.exe'],
    ['an isolate', 'a\u2066b\u2069'],
    ['a right-to-left mark', 'a\u200Fb'],
    ['half of a character', 'a\ud800b'],
  ])('with %s are no names', async (_, name) => {
    for (const answer of [
      await send('POST', '/api/v1/tenants', tenant(name)),
      await patchName(name),
      await send('POST', '/api/v1/keys', JSON.stringify({ name, role: 'viewer' })),
      await send(
        'POST',
        `/api/v1/tenants/${api.own.tenantId}/instances/${api.own.instanceId}/keys`,
        JSON.stringify({ name }),
      ),
    ]) {
      expect([answer.status, slugOf(answer)], answer.text).toEqual([400, 'invalid-request']);
      expect(fieldOf(answer)).toMatch(/^(name|displayName)$/);
    }
  });

  it('that are no UTF-8 are refused, and not stored with other characters', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"name":"a'),
      Buffer.from([0xe9]),
      Buffer.from('","role":"viewer"}'),
    ]);
    const answer = await send('POST', '/api/v1/keys', bytes);
    expect([answer.status, answer.json.errors[0].code]).toEqual([400, 'INVALID_ENCODING']);
    const query = await send('GET', '/api/v1/keys?filter=name==%E9');
    expect([query.status, query.json.errors[0].code]).toEqual([400, 'INVALID_ENCODING']);
  });

  it.each([
    'https://a.example\t.test',
    'https://a.example.test/\n',
    '\u0001https://a.example.test',
    'https://a\r.test',
  ])('%j is no URL of an instance and of no landing page', async (url) => {
    const made = await send(
      'POST',
      `/api/v1/tenants/${api.own.tenantId}/instances`,
      JSON.stringify({ name: 'x', url, apiClient: { clientId: 'a', clientSecret: 'b' } }),
    );
    expect([made.status, fieldOf(made)]).toEqual([400, 'url']);
    const landing = await send(
      'PATCH',
      `/api/v1/tenants/${api.own.tenantId}`,
      JSON.stringify({ landing: { choice: 'custom', customUrl: url } }),
    );
    expect([landing.status, fieldOf(landing)]).toEqual([400, 'landing.customUrl']);
  });

  it('of other scripts and with emoji are names as any', async () => {
    for (const name of ['Zürich', 'القاهرة', '東京', 'Café ☕️', '👩‍👩‍👧']) {
      const made = await send('POST', '/api/v1/keys', JSON.stringify({ name, role: 'viewer' }));
      expect(made.status, made.text).toBe(201);
      await send('DELETE', made.json.href);
    }
  });
});
