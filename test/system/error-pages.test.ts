import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminOrigin } from '../harness/console.ts';
import { openDoor } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { bootstrapKey, type Scene, startScene } from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';

/** A person's browser gets a problem as a page, a program as problem+json. */
describe('problems as pages', () => {
  let scene: Scene;
  let admin: string;
  let data: string;
  beforeAll(async () => {
    scene = await startScene({ world: { clouds: ['public'], tenants: [{ instances: [] }] } });
    admin = adminOrigin(scene);
    data = scene.world.publicUrl;
  });
  afterAll(() => scene?.close());

  const browsers = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
  const open = (url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
    call(url, { ca: scene.trust, method, headers: { accept: browsers, ...headers } });

  it('says in both languages that an address leads nowhere, with the id of the request and nothing of the address', async () => {
    for (const [origin, help] of [
      [admin, 'tell whoever runs this gateway'],
      [data, 'ask your IT help desk'],
    ] as const) {
      const page = await open(`${origin}/nothing-%3Cb%3Ex`);
      expect([page.status, page.headers['content-language']]).toEqual([404, 'en']);
      expect(page.headers['content-type']).toBe('text/html; charset=UTF-8');
      expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-/);
      expect(page.text).toContain('<h1>There is nothing here</h1>');
      expect(page.text).toContain(help);
      expect(page.text).toContain(String(page.headers['x-request-id']));
      expect(page.text).not.toMatch(/nothing-|<b>/);
      expect(page.text).toContain('<a href="?language=fr" lang="fr"');
      const french = await open(`${origin}/nothing?language=fr`);
      expect(french.text).toContain('<h1>Il n’y a rien ici</h1>');
      const wished = await open(`${origin}/nothing`, { 'accept-language': 'fr' });
      expect(wished.headers['content-language']).toBe('fr');
    }
  });

  it('says so on the ops listener too, where there is no console to open', async () => {
    const headers = { accept: browsers, 'accept-language': 'fr' };
    const page = await fetch(`${scene.gateway.ops}/nothing`, { headers });
    expect([page.status, page.headers.get('content-language')]).toEqual([404, 'fr']);
    const text = await page.text();
    expect(text).toContain('<h1>Il n’y a rien ici</h1>');
    expect(text).not.toContain('href="/"');
    const probe = await fetch(`${scene.gateway.ops}/metrics/x`, { headers });
    expect([probe.status, probe.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
  });

  it('has no link to the other language where the address holds more, and says which methods there are', async () => {
    const secret = await open(`${data}/nothing?code=secret`);
    expect([secret.status, secret.text.includes('secret'), secret.text.includes('?language')]).toEqual([
      404,
      false,
      false,
    ]);
    const posted = await open(`${data}/microsoft/consent`, {}, 'POST');
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD']);
    expect(posted.text).toContain('This request cannot be carried out');
  });

  it('is problem+json for programs, whatever they take', async () => {
    const id = crypto.randomUUID();
    for (const path of [
      `/jamf/${id}/webhooks`,
      `/t/${id}/devices/${id}/compliance`,
      `/t/${id}/notifications`,
    ])
      expect([path, (await open(data + path)).headers['content-type']]).toEqual([
        path,
        'application/problem+json',
      ]);
    const asked = [
      open(`${admin}/api/v1/nothing`, { authorization: `Bearer ${bootstrapKey}` }),
      open(`${admin}/api/v1/tenants`),
      open(`${admin}/console/nothing.js`),
      open(`${admin}/nothing`, { accept: '*/*' }),
      open(`${data}/nothing`, { accept: 'application/json' }),
    ];
    for (const answer of await Promise.all(asked)) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.headers['content-type']).toBe('application/problem+json');
    }
  });

  it('says to come again while the database is away, also at the console', async () => {
    const door = await openDoor();
    await door.leadTo(scene.database.url);
    const url = new URL(scene.database.url);
    url.port = String(door.port);
    const away = await scene.another({ DATABASE_URL: url.href });
    try {
      await door.close();
      const console = `${adminOrigin({ gateway: away })}/tenants`;
      const page = await eventually(async () => {
        const found = await open(console, { cookie: `__Host-espalier=${'A'.repeat(43)}` });
        expect(found.status).toBe(503);
        return found;
      });
      expect(page.text).toContain('<h1>The database is away</h1>');
      expect(Number(page.headers['retry-after'])).toBeGreaterThan(0);
    } finally {
      await away.stop();
      await door.close();
    }
  });
});
