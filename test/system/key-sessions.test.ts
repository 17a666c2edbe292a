import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, createBrowser } from '../harness/browser.ts';
import { bootstrapKey, consent, type Scene, startScene } from '../harness/gateway.ts';
import type { Answer } from '../harness/http.ts';

/** A browser exchanges a key for a session, which is worth what the key is worth at each request (contract section 8). */
describe('a session for a key', () => {
  let scene: Scene;
  let admin: string;
  let tenantId: string;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [] }, { instances: [] }] },
      environment: { ESPALIER_OPERATOR_TENANTS: '' },
    });
    admin = `https://localhost:${new URL(scene.gateway.admin).port}`;
    tenantId = scene.world.tenants[0]!.tenantId;
    for (const tenant of scene.world.tenants) await consent(scene, tenant.tenantId);
  });
  afterAll(() => scene?.close());

  const browserOf = (language?: string): Browser => createBrowser([scene.trust], language);
  const enter = (browser: Browser, key: string, more: Record<string, string> = {}): Promise<Answer> =>
    browser.submit(`${admin}/sign-in/key`, { key, ...more });
  const session = (browser: Browser): Promise<Answer> =>
    browser.open(`${admin}/api/v1/session`, { accept: 'application/json' });
  const newKey = async (given: object): Promise<{ id: string; key: string }> => {
    const made = await scene.api('POST', '/keys', { name: crypto.randomUUID(), ...given });
    expect(made.status, made.text).toBe(201);
    return made.json;
  };

  it('is begun on the sign-in page, also where nobody signs in with Entra', async () => {
    const page = await browserOf().open(`${admin}/sign-in?returnTo=/a`);
    expect(page.status).toBe(200);
    expect(page.text).toContain('action="/sign-in/key"');
    expect(page.text).toContain('value="/a"');
    expect(page.text).not.toContain('/sign-in/start');
  });

  it('is begun in the language of the link, which stays while a key is wrong', async () => {
    const browser = browserOf();
    const english = await browser.open(`${admin}/sign-in?returnTo=/a&signed-out`);
    const link = /<a href="([^"]+)" lang="fr"/.exec(english.text)?.[1]?.replaceAll('&amp;', '&');
    const french = await browser.open(`${admin}${link}`);
    expect(french.headers['content-language']).toBe('fr');
    expect(french.text).toContain('value="/a"');
    const refused = await browser.submit(`${admin}/sign-in/key`, { key: 'esp_wrong' });
    expect([refused.status, refused.headers['content-language']]).toEqual([403, 'fr']);
  });

  it('has the role and tenants of the key, and nothing of the key is kept', async () => {
    const { id, key } = await newKey({ role: 'operator', tenants: [tenantId] });
    const browser = browserOf();
    const done = await enter(browser, ` ${key}\n`, { returnTo: '/api/v1/session?a=b' });
    expect([done.status, done.headers.location]).toEqual([303, '/api/v1/session?a=b']);
    expect((await session(browser)).json).toMatchObject({
      kind: 'key',
      id,
      role: 'operator',
      tenants: [tenantId],
    });
    const { results } = (await browser.open(`${admin}/api/v1/tenants`)).json;
    expect(results.map((one: { id: string }) => one.id)).toEqual([tenantId]);
    const rows = JSON.stringify(await scene.database.sql`select * from sessions`);
    expect(rows).not.toContain(key);
    expect(scene.gateway.output()).not.toContain(key);
    const history = (await scene.api('GET', '/history?sort=recordedAt:desc&page-size=50')).json.results;
    expect(history).toContainEqual(expect.objectContaining({ action: 'session.create' }));
  });

  it('ends with the key at the next request', async () => {
    const { id, key } = await newKey({ role: 'viewer' });
    const browser = browserOf();
    await enter(browser, key);
    expect((await session(browser)).status).toBe(200);
    expect((await scene.api('DELETE', `/keys/${id}`)).status).toBe(204);
    expect((await session(browser)).status).toBe(401);
    const [row] = await scene.database.sql<{ ended: boolean }[]>`
      select ended_at is not null as ended from sessions order by created_at desc limit 1`;
    expect(row?.ended).toBe(true);
  });

  it('writes need the token that only our pages read', async () => {
    const { key } = await newKey({ role: 'admin', tenants: [tenantId] });
    const browser = browserOf();
    await enter(browser, key);
    const { csrfToken } = (await session(browser)).json.session;
    const pause = (headers: Record<string, string>): Promise<Answer> =>
      browser.send('POST', `${admin}/api/v1/tenants/${tenantId}/pause`, { origin: admin, ...headers });
    expect((await pause({})).status).toBe(403);
    expect((await pause({ 'x-espalier-csrf': csrfToken })).status).toBeLessThan(300);
    const out = await browser.submit(`${admin}/sign-out`, { csrf: csrfToken });
    expect([out.status, out.headers.location]).toEqual([303, '/sign-in?signed-out']);
    expect((await session(browser)).status).toBe(401);
  });

  it('is not given to another site, nor for a wrong key, which is said in both languages', async () => {
    const { key } = await newKey({ role: 'viewer' });
    const forged: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'https://evil.example' },
    ];
    for (const headers of forged) {
      const browser = browserOf();
      const answer = await browser.submit(`${admin}/sign-in/key`, { key }, headers);
      expect(answer.status).toBe(403);
      expect(answer.text).toContain(`${admin}. If this gateway has another address`);
      expect(browser.cookies.size).toBe(0);
    }
    for (const [language, words] of [
      ['en', 'not known'],
      ['fr', 'inconnue'],
    ] as const) {
      const browser = browserOf(language);
      const answer = await enter(browser, 'esp_wrong');
      expect(answer.status).toBe(403);
      expect(answer.text).toContain(words);
      expect(answer.text).not.toContain('esp_wrong');
      expect(browser.cookies.size).toBe(0);
    }
  });

  it('of the bootstrap key ends when there is an admin key', async () => {
    const browser = browserOf();
    expect((await enter(browser, bootstrapKey)).status).toBe(303);
    expect((await session(browser)).json).toMatchObject({ kind: 'bootstrap', role: 'admin', tenants: null });
    await newKey({ role: 'admin' });
    expect((await session(browser)).status).toBe(401);
  });
});
