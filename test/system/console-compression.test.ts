import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { consent, type Scene, startScene } from '../harness/gateway.ts';
import { bodyOf, rawCall } from '../harness/raw-call.ts';

/** Pages and files are compressed, except where the size of an answer could tell an attacker something. */
describe('compression on the admin listener', () => {
  let scene: Scene;
  let visit: ConsoleVisit;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ displayName: 'Contoso', instances: [] }] },
    });
    for (const { tenantId } of scene.world.tenants) await consent(scene, tenantId);
    visit = await visitConsole(scene);
  });
  afterAll(() => scene?.close());

  const ask = async (path: string, headers: Record<string, string>) => {
    const cookie = [...visit.browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const call = { origin: visit.origin, ca: scene.trust, path, headers: { cookie, ...headers } };
    const { incoming } = await rawCall(call, (request) => request.end());
    const { bytes } = await bodyOf(incoming);
    const coding = incoming.headers['content-encoding'];
    const text = (coding === 'gzip' ? gunzipSync(bytes) : bytes).toString('utf8');
    return { status: incoming.statusCode, headers: incoming.headers, coding, bytes, text };
  };
  const gzip = { 'accept-encoding': 'gzip, deflate, br' };

  it.each(['same-origin', 'none'])('compresses a page that %s asked for', async (site) => {
    const plain = await ask('/', { 'sec-fetch-site': site });
    const packed = await ask('/', { ...gzip, 'sec-fetch-site': site });
    expect([plain.coding, packed.coding]).toEqual([undefined, 'gzip']);
    expect(packed.bytes.length).toBeLessThan(plain.bytes.length / 2);
    expect(packed.headers['content-length']).toBe(String(packed.bytes.length));
    expect(packed.headers.vary).toContain('accept-encoding');
    expect(packed.headers['content-security-policy']).toBe(plain.headers['content-security-policy']);
    expect(packed.text).toContain('</html>');
    expect(packed.text).toContain('Contoso');
  });

  it.each(['cross-site', 'same-site', ''])(
    'does not compress what %j with a session asks for',
    async (site) => {
      const page = await ask('/tenants', { ...gzip, ...(site === '' ? {} : { 'sec-fetch-site': site }) });
      expect([page.status, page.coding]).toEqual([200, undefined]);
    },
  );

  it('compresses a page that comes without a session, and leaves JSON and events as they are', async () => {
    const signIn = await ask('/sign-in', { ...gzip, cookie: 'theme=dark' });
    expect(signIn.coding).toBeUndefined();
    const { incoming } = await rawCall(
      { origin: visit.origin, ca: scene.trust, path: '/sign-in', headers: gzip },
      (request) => request.end(),
    );
    expect(incoming.headers['content-encoding']).toBe('gzip');
    incoming.resume();
    for (const path of ['/api/v1/overview', '/api/v1/events?seconds=1']) {
      const answer = await ask(path, { ...gzip, 'sec-fetch-site': 'same-origin' });
      expect([path, answer.status, answer.coding]).toEqual([path, 200, undefined]);
    }
  });

  it('shows a token that is another one in every page', async () => {
    const tokenOf = async () =>
      /name="csrf" value="([^"]*)"/.exec((await ask('/', { 'sec-fetch-site': 'none' })).text)?.[1];
    const [first, second] = [await tokenOf(), await tokenOf()];
    expect(first).toMatch(/^[\w-]{86}$/);
    expect(second).not.toBe(first);
  });

  it('answers a part that asks for itself without the frame, and the same text for the same state', async () => {
    const headers = { 'hx-request': 'true', 'sec-fetch-site': 'same-origin' };
    const first = await ask('/', headers);
    expect(first.text).toContain('id="live"');
    expect(first.text).not.toMatch(/<html|<nav aria-label="Main"|name="csrf"/);
    expect((await ask('/', headers)).text).toBe(first.text);
  });

  it('keeps files compressed, each form under a strong tag of its own', async () => {
    const page = await ask('/', {});
    const paths = [...page.text.matchAll(/"(\/console\/[^"]+)"/g)].map(([, path]) => path ?? '');
    for (const path of new Set(paths)) {
      const [plain, packed] = [await ask(path, {}), await ask(path, gzip)];
      expect([plain.coding, packed.coding]).toEqual([undefined, 'gzip']);
      expect(packed.text).toBe(plain.text);
      expect(packed.headers['content-type']).toBe(plain.headers['content-type']);
      const tags = [plain, packed].map(({ headers }) => headers.etag ?? '');
      expect(new Set(tags).size).toBe(2);
      for (const tag of tags) expect(tag).toMatch(/^"[\w-]+"$/);
      const again = await ask(path, { ...gzip, 'if-none-match': `"other", ${tags[1]}` });
      expect([again.status, again.text, again.headers.etag]).toEqual([304, '', tags[1]]);
      expect((await ask(path, { ...gzip, 'if-none-match': tags[0] ?? '' })).status).toBe(200);
    }
  });
});
