/** `espalier/client` against a gateway. */

import { Agent, fetch as undiciFetch } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, createClient, EspalierError } from '../../src/client/client.ts';
import { bootstrapKey, type Scene, startScene } from '../harness/gateway.ts';

const tenantId = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const path = { tenantId };

let scene: Scene;
let agent: Agent;
let client: Client;

const connect = (apiKey: string, more: { url?: string; reason?: string } = {}): Client =>
  createClient({
    url: `${scene.gateway.admin}/`,
    apiKey,
    fetch: async (url, request) => {
      const answer = await undiciFetch(url, { ...request, dispatcher: agent });
      return new Response(answer.status === 204 ? null : await answer.text(), {
        status: answer.status,
        headers: [...answer.headers],
      });
    },
    ...more,
  });
const failureOf = async (refused: Promise<unknown>): Promise<EspalierError> => {
  const failure = await refused.then(() => undefined).catch((error: unknown) => error);
  if (!(failure instanceof EspalierError)) throw new Error(`no refusal: ${String(failure)}`);
  return failure;
};

beforeAll(async () => {
  scene = await startScene({ world: { clouds: ['public'], tenants: [] } });
  agent = new Agent({ connect: { ca: scene.trust } });
  client = connect(bootstrapKey, { reason: 'Größe der Flotte' });
});
afterAll(async () => {
  await agent?.close();
  await scene?.close();
});

it('makes, reads, changes and lists, with a reason for the history that may have any letters', async () => {
  const made = await client.request('POST /tenants', { body: { tenantId, displayName: 'Contoso' } });
  expect(made.id).toBe(tenantId);
  const { versionLock } = await client.request('GET /tenants/{tenantId}', { path });
  const changed = await client.request('PATCH /tenants/{tenantId}', {
    path,
    body: { displayName: 'Fabrikam', tags: ['eu'] },
    ifMatch: versionLock,
    reason: 'renamed — 合併',
  });
  expect(changed).toMatchObject({ displayName: 'Fabrikam', tags: ['eu'] });
  const { results, totalCount } = await client.request('GET /tenants', {
    query: { filter: 'displayName==Fab*', 'page-size': 1 },
  });
  expect([totalCount, results[0]?.tenantId]).toEqual([1, tenantId]);
  const history = await client.request('GET /history', { query: { filter: 'action==tenant.*' } });
  expect(history.results.map(({ reason }) => reason).sort()).toEqual(['Größe der Flotte', 'renamed — 合併']);
});

it('rejects with the problem, and with what has to be changed', async () => {
  const unknown = await failureOf(
    client.request('GET /tenants/{tenantId}', { path: { tenantId: '6738f80f-8a0c-4cce-ba0a-7f892b284361' } }),
  );
  expect(unknown.status).toBe(404);
  const stale = await failureOf(
    client.request('PATCH /tenants/{tenantId}', { path, body: { displayName: 'x' }, ifMatch: 1 }),
  );
  expect([stale.status, stale.problem?.owner]).toEqual([412, 'caller']);
  const wrong = await failureOf(
    client.request('PATCH /tenants/{tenantId}', { path, body: { tags: ['a b'] } }),
  );
  expect(wrong.problem?.errors[0]?.field).toBe('tags.0');
  expect(wrong.message).toBe(`HTTP 400: ${wrong.problem?.detail}`);
  const refused = await failureOf(connect('esp_wrong').request('GET /tenants'));
  expect(refused.status).toBe(401);
});

it('says that an answer is none of a gateway', async () => {
  const elsewhere = createClient({
    url: 'https://proxy.example',
    apiKey: 'esp_key',
    fetch: async () => new Response('<html>', { status: 200, headers: { 'content-type': 'text/html' } }),
  });
  const failure = await failureOf(elsewhere.request('GET /version'));
  expect([failure.problem, failure.message]).toEqual([undefined, 'HTTP 200: no Espalier answer']);
});

it('sends a POST with a key of its own, the same again where it is given, and does it once', async () => {
  const ask = (idempotencyKey?: string) =>
    client.request('POST /keys', { body: { name: 'ops', role: 'viewer' }, idempotencyKey });
  const [first, other] = [await ask(), await ask()];
  expect(other.id).not.toBe(first.id);
  const [once, again] = [await ask('deploy-7'), await ask('deploy-7')];
  expect(again).toEqual(once);
  expect(await client.request('DELETE /keys/{keyId}', { path: { keyId: first.id } })).toBeUndefined();
});
