import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pages } from '../../src/console/pages/all.ts';
import { createBrowser } from '../harness/browser.ts';
import { adminOrigin, type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { consent, type Scene, startScene } from '../harness/gateway.ts';

/** What all pages of the console have in common (docs/console.md). */
describe('the console', () => {
  let scene: Scene;
  let visit: ConsoleVisit;
  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [] },
          { displayName: 'Fabrikam', instances: [] },
        ],
      },
    });
    for (const { tenantId } of scene.world.tenants) await consent(scene, tenantId);
    visit = await visitConsole(scene);
  });
  afterAll(() => scene?.close());

  const fixed = pages.map(({ path }) => path).filter((path) => !path.includes(':'));
  const keyOf = async (given: object): Promise<string> =>
    (await scene.api('POST', '/keys', { name: crypto.randomUUID(), ...given })).json.key;

  it('sends who is not signed in to do so, and back', async () => {
    const browser = createBrowser([scene.trust]);
    const answer = await browser.open(`${adminOrigin(scene)}/tenants?page=1`);
    expect([answer.status, answer.headers.location]).toEqual([
      303,
      '/sign-in?returnTo=%2Ftenants%3Fpage%3D1',
    ]);
    const part = await browser.open(`${adminOrigin(scene)}/tenants`, { 'hx-request': 'true' });
    expect([part.status, part.headers['hx-redirect']]).toEqual([401, '/sign-in?returnTo=%2Ftenants']);
  });

  it.each(fixed)('%s is a whole page with one heading, a strict policy, and nothing inline', async (path) => {
    const page = await visit.open(path);
    expect(page.status, page.text).toBe(200);
    expect(page.headers['content-security-policy']).toContain(
      "default-src 'none'; script-src 'self'; style-src 'self'",
    );
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect(page.headers['cache-control']).toBe('no-store');
    expect(page.text.match(/<h1>/g)).toHaveLength(1);
    expect(page.text).not.toMatch(
      /\sstyle=|<style|\son\w+=|hx-on|javascript:|<script(?![^>]*\ssrc="\/console\/)/i,
    );
    for (const [, address] of page.text.matchAll(/(?:href|src|action)="([^"]*)"/g))
      expect(address).toMatch(/^(?:\/(?!\/)|[?#]|https:\/\/(?:intune|entra|portal)\.|$)/);
  });

  it('serves its files with the digest of what they are', async () => {
    const page = await visit.open('/');
    const files = [...page.text.matchAll(/"(\/console\/[^"]+)"/g)].map(([, path]) => path ?? '');
    expect(files.length).toBeGreaterThan(3);
    for (const path of files) {
      const file = await visit.open(path);
      expect([path, file.status, file.headers['cache-control']]).toEqual([
        path,
        200,
        'public, max-age=31536000, immutable',
      ]);
    }
    expect((await visit.open('/console/..%2Fconsole.ts')).status).toBe(400);
  });

  it('shows a tenant-bound person that tenant alone, and of another only that it is not there', async () => {
    const [contoso, fabrikam] = scene.world.tenants.map(({ tenantId }) => tenantId);
    const bound = await visitConsole(scene, await keyOf({ role: 'operator', tenants: [contoso] }));
    const list = (await bound.open('/tenants')).text;
    expect(list).toContain('Contoso');
    expect(list).not.toContain('Fabrikam');
    expect(list).not.toContain(fabrikam);
  });

  it("shows a tenant's tags, which lead to all tenants that have them", async () => {
    const [contoso] = scene.world.tenants.map(({ tenantId }) => tenantId);
    await scene.api('PATCH', `/tenants/${contoso}`, { tags: ['eu', 'team-a'] });
    const visit = await visitConsole(scene, await keyOf({ role: 'viewer' }));
    for (const path of [`/tenants/${contoso}`, '/tenants'])
      expect((await visit.open(path)).text).toContain('<a href="/tenants?tag=team-a">');
    const list = (await visit.open('/tenants?tag=team-a')).text;
    expect(list).toContain('Contoso');
    expect(list).not.toContain('Fabrikam');
    expect((await visit.open('/tenants?tag=team-b')).text).toContain('No tenant has this tag.');
    const found = async (filter: string): Promise<string[]> => {
      const { json } = await scene.api('GET', `/tenants?filter=${encodeURIComponent(filter)}`);
      return json.results.map(({ displayName }: { displayName: string }) => displayName);
    };
    expect(await found('tags=in=(us,eu)')).toEqual(['Contoso']);
    expect(await found('tags!=eu')).toEqual(['Fabrikam']);
    expect((await scene.api('GET', '/tenants?filter=tags==e*')).status).toBe(400);
  });
});
