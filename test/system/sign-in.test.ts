import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tidySignIns } from '../../src/store/sign-ins.ts';
import { type Browser, createBrowser, signIn } from '../harness/browser.ts';
import { type Scene, startScene } from '../harness/gateway.ts';
import type { Answer } from '../harness/http.ts';

let scene: Scene;
let admin: string;
const account = (name: string): string => `${name}@operators.simulated.test`;
const browserOf = (language?: string): Browser =>
  createBrowser([scene.trust, scene.world.authority.certificatePem], language);
const session = (browser: Browser, base = admin): Promise<Answer> =>
  browser.open(`${base}/api/v1/session`, { accept: 'application/json' });
const microsoftSettings = () => scene.world.cloud(scene.world.operators.cloud).settings;

async function signedIn(name = 'ada'): Promise<Browser> {
  const browser = browserOf();
  expect((await signIn(browser, admin, account(name))).status).toBe(200);
  return browser;
}

/** The request that the gateway sent the browser to Microsoft with. */
async function begin(browser: Browser, query = ''): Promise<URL> {
  const begun = await browser.open(`${admin}/sign-in/start${query}`);
  expect(begun.status, begun.text).toBe(303);
  return new URL(String(begun.headers.location));
}

/** Up to the redirect that brings the code, which is not followed. */
async function untilCallback(browser: Browser, name = 'ada'): Promise<URL> {
  const microsoft = await begin(browser);
  const chosen = await browser.submit(microsoft.href, { username: account(name) });
  return new URL(String(chosen.headers.location));
}

beforeAll(async () => {
  scene = await startScene({ world: { tenants: [{ instances: [] }], clouds: ['public'] } });
  admin = `https://localhost:${new URL(scene.gateway.admin).port}`;
});
afterAll(() => scene.close());

describe('signing in', () => {
  test('leads to Microsoft with PKCE, state and nonce, and back to a session with the app role', async () => {
    const browser = browserOf();
    const page = await browser.open(`${admin}/sign-in`);
    expect(page.status).toBe(200);
    expect(page.text).toContain('href="/sign-in/start"');
    const request = await begin(browser);
    const query = Object.fromEntries(request.searchParams);
    expect(query).toMatchObject({
      response_type: 'code',
      response_mode: 'query',
      redirect_uri: `${admin}/sign-in/callback`,
      scope: 'openid profile',
      code_challenge_method: 'S256',
    });
    for (const name of ['state', 'nonce', 'code_challenge']) expect(query[name]).toMatch(/^[\w-]{43}$/);
    expect(request.pathname).toBe(`/${scene.world.operators.tenantId}/oauth2/v2.0/authorize`);

    const done = await signIn(browser, admin, account('ada'), '?returnTo=/api/v1/session%3Fa%3Db');
    expect(done.url).toBe(`${admin}/api/v1/session?a=b`);
    const [ada] = scene.world.operators.people;
    expect(done.json).toMatchObject({
      kind: 'user',
      id: ada?.userId,
      name: account('ada'),
      role: 'admin',
      tenants: null,
      session: { csrfToken: expect.stringMatching(/^[\w-]{86}$/) },
    });
  });

  test('gives each person the role of the assignment, and the API goes by it', async () => {
    for (const [name, role, status] of [
      ['otto', 'operator', 403],
      ['vera', 'viewer', 403],
    ] as const) {
      const browser = await signedIn(name);
      const me = await session(browser);
      expect(me.json).toMatchObject({ name: account(name), role });
      const keys = await browser.open(`${admin}/api/v1/keys`);
      expect(keys.status).toBe(status);
      expect((await browser.open(`${admin}/api/v1/tenants`)).status).toBe(200);
    }
  });

  test('sets cookies that only this host can set and no script can read', async () => {
    const browser = await signedIn();
    const line = browser.set.find((one) => one.startsWith('__Host-espalier='));
    expect(
      line
        ?.split('; ')
        .slice(1)
        .map((part) => part.toLowerCase())
        .sort(),
    ).toEqual(['httponly', 'path=/', 'samesite=lax', 'secure'].sort());
    const before = browser.set.find((one) => one.startsWith('__Host-espalier-sign-in='));
    expect(before).toMatch(/Max-Age=600/);
    for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/'])
      expect(before).toContain(attribute);
    expect([...browser.cookies.keys()]).toEqual(['__Host-espalier']);
  });

  test('keeps no secret of it in the database: hashes, and the verifier sealed', async () => {
    const browser = browserOf();
    const request = await begin(browser);
    const state = request.searchParams.get('state');
    const rows = await scene.database.sql`select * from sign_ins`;
    expect(rows.length).toBeGreaterThan(0);
    const text = JSON.stringify(rows);
    expect(text).not.toContain(state);
    expect(text).not.toContain(browser.cookies.get('__Host-espalier-sign-in'));
    expect(rows[0]?.verifierSealed ?? rows[0]?.verifier_sealed).toMatch(/^v1\./);
    const done = await signedIn();
    expect(JSON.stringify(await scene.database.sql`select * from sessions`)).not.toContain(
      done.cookies.get('__Host-espalier'),
    );
  });

  test('is in the history, with name, role and where from', async () => {
    await signedIn('otto');
    const [row] = await scene.database.sql`
      select author_kind as kind, author, action, after, source from history
      where action = 'session.create' order by recorded_at desc limit 1`;
    expect(row).toMatchObject({ kind: 'user', author: account('otto'), source: '127.0.0.1' });
    expect(JSON.parse(row?.after)).toMatchObject({ role: 'operator' });
  });

  test('says what it is asked for in the language of the browser', async () => {
    const page = await browserOf('fr-CA,fr;q=0.8').open(`${admin}/sign-in`);
    expect(page.headers['content-language']).toBe('fr');
    expect(page.text).toContain('Se connecter avec Microsoft');
  });

  test('goes straight on with ?start', async () => {
    const answer = await browserOf().open(`${admin}/sign-in?start&returnTo=/api/v1/version`);
    expect(answer.status).toBe(303);
    expect(answer.headers.location).toBe('/sign-in/start?returnTo=%2Fapi%2Fv1%2Fversion');
  });
});

describe('what a stranger may not do with it', () => {
  test('returnTo leads nowhere but to this gateway', async () => {
    for (const returnTo of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      '\\\\evil.example',
      '/\t/evil.example',
      '/..//evil.example',
      'evil',
      '',
      '/a\nb',
      `/${'x'.repeat(2_000)}`,
    ]) {
      const answer = await browserOf().open(`${admin}/sign-in/start?${new URLSearchParams({ returnTo })}`);
      expect(answer.status, JSON.stringify(returnTo)).toBe(400);
      expect(answer.text).toContain('returnTo');
      expect(answer.headers.location).toBeUndefined();
    }
  });

  test('a sign-in that another browser began is not finished, and is used up', async () => {
    const attacker = browserOf();
    const callback = await untilCallback(attacker);
    const victim = browserOf();
    await begin(victim);
    const answer = await victim.open(callback.href);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('cannot be matched');
    expect(victim.cookies.has('__Host-espalier')).toBe(false);
    expect((await attacker.open(callback.href)).status).toBe(400);
  });

  test('the address that brought the code is good for one time', async () => {
    const browser = browserOf();
    const callback = await untilCallback(browser);
    expect((await browser.open(callback.href)).status).toBe(303);
    const again = await browser.open(callback.href);
    expect(again.status).toBe(400);
    expect(again.headers['set-cookie']).toBeUndefined();
  });

  test('a sign-in ends after ten minutes', async () => {
    const browser = browserOf();
    const callback = await untilCallback(browser);
    await scene.database.sql`update sign_ins set expires_at = now() - interval '1 second'`;
    expect((await browser.open(callback.href)).status).toBe(400);
  });

  test('a code of another sign-in is refused, for its verifier and nonce are others', async () => {
    const browser = browserOf();
    const [own, other] = [await untilCallback(browser), await untilCallback(browser)];
    own.searchParams.set('code', other.searchParams.get('code') ?? '');
    const answer = await browser.open(own.href);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('AADSTS501481');
    expect(browser.cookies.has('__Host-espalier')).toBe(false);
  });

  test('nothing of the address is shown unless the state is ours, and then escaped', async () => {
    const evil = '<script>alert(1)</script>';
    const query = new URLSearchParams({ error: evil, error_description: `${evil} AADSTS65004`, state: 'x' });
    const foreign = await browserOf().open(`${admin}/sign-in/callback?${query}`);
    expect(foreign.status).toBe(400);
    expect(foreign.text).not.toContain('alert');
    const browser = browserOf();
    const request = await begin(browser);
    query.set('state', request.searchParams.get('state') ?? '');
    const own = await browser.open(`${admin}/sign-in/callback?${query}`);
    expect(own.status).toBe(403);
    expect(own.text).toContain('&lt;script&gt;');
    expect(own.text).not.toContain('<script');
  });

  test('a parameter that is given twice, or a code that is missing, is refused', async () => {
    for (const change of [
      (url: URL) => url.searchParams.append('state', 'x'),
      (url: URL) => url.searchParams.append('code', 'x'),
      (url: URL) => url.searchParams.delete('code'),
    ]) {
      const browser = browserOf();
      const callback = await untilCallback(browser);
      change(callback);
      const answer = await browser.open(callback.href);
      expect(answer.status).toBe(400);
      expect(browser.cookies.has('__Host-espalier')).toBe(false);
    }
  });

  test('a session cookie that was planted before is not the one after', async () => {
    const browser = browserOf();
    browser.cookies.set('__Host-espalier', 'A'.repeat(43));
    await signIn(browser, admin, account('ada'));
    expect(browser.cookies.get('__Host-espalier')).not.toBe('A'.repeat(43));
    const first = browser.cookies.get('__Host-espalier') ?? '';
    await signIn(browser, admin, account('ada'));
    const second = browser.cookies.get('__Host-espalier') ?? '';
    expect(second).not.toBe(first);
    browser.cookies.set('__Host-espalier', first);
    expect((await session(browser)).status).toBe(401);
    const ended = await scene.database.sql`
      select 1 from history h join sessions s on s.session_id::text = h.object_id
      where h.action = 'session.end' and s.session_hash = ${createHash('sha256').update(first).digest('base64url')}`;
    expect(ended).toHaveLength(1);
  });

  test('no page may be framed, kept or scripted', async () => {
    const browser = await signedIn();
    for (const path of ['/sign-in', '/sign-in?signed-out', '/sign-in/start', '/sign-in/callback']) {
      const { headers } = await browser.open(`${admin}${path}`);
      const policy = String(headers['content-security-policy']);
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
      });
    }
  });
});

describe('refusals', () => {
  const refusedAs = async (name: string): Promise<Answer> => {
    const browser = browserOf();
    const answer = await signIn(browser, admin, account(name));
    expect(browser.cookies.has('__Host-espalier')).toBe(false);
    return answer;
  };

  test('someone who is not assigned is told by whom that is done', async () => {
    const answer = await refusedAs('nora');
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('AADSTS50105');
    expect(answer.text).toContain('Espalier.Viewer');
  });

  test('someone without an app role is told which there are', async () => {
    const { operators, directory } = scene.world;
    const nora = operators.people.at(-1)?.userId ?? '';
    const path = `/control/microsoft/tenants/${operators.tenantId}/service-principals/${operators.clientId}/assignments/${nora}`;
    const { createControl } = await import('../../src/simulator/control.ts');
    const control = createControl(scene.world);
    await control.request(path, { method: 'PUT', body: '{"roles":[]}' });
    const answer = await refusedAs('nora');
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('has none of the app roles');
    expect(answer.text).toContain('choose=true');
    await control.request(path, { method: 'DELETE' });
    expect(directory.tenant(operators.tenantId)?.users.size).toBe(4);
  });

  test('whoever declines is told so', async () => {
    const browser = browserOf();
    const request = await begin(browser);
    const declined = await browser.submit(request.href, { cancel: 'true' });
    const answer = await browser.follow(declined, request.href);
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('You declined');
    expect(answer.text).toContain('AADSTS65004');
  });

  test.each([
    [53003, 403, 'A policy of your organisation blocks this', 'access_denied'],
    [90094, 403, 'has no consent', 'consent_required'],
    [90033, 503, 'Microsoft does not answer', 'temporarily_unavailable'],
    [99999, 502, 'Microsoft did not let you in', 'something_new'],
  ])('AADSTS%s comes with cause and remedy', async (code, status, title, error) => {
    microsoftSettings().entraError = { code, at: 'sign-in', times: 1, error };
    const answer = await refusedAs('ada');
    expect(answer.text).toContain(`AADSTS${code}`);
    expect(answer.text).toContain(title);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(String(answer.headers['x-request-id']));
  });

  /** The same page by the link at its foot. */
  const inFrench = (browser: Browser, { text }: Answer): Promise<Answer> => {
    const link = /<a href="([^"]+)" lang="fr"/.exec(text)?.[1] ?? expect.fail('no link to French');
    expect(link).not.toMatch(/code=|state=/);
    return browser.open(`${admin}${link.replaceAll('&amp;', '&')}`);
  };

  test('have the same page in the other language, with what Microsoft said, and the language stays', async () => {
    microsoftSettings().entraError = { code: 53003, at: 'sign-in', times: 1, error: 'access_denied' };
    const browser = browserOf();
    const refused = await signIn(browser, admin, account('ada'));
    const french = await inFrench(browser, refused);
    expect([french.status, french.headers['content-language']]).toEqual([403, 'fr']);
    expect(french.text).toContain('Une stratégie de votre organisation l’empêche');
    expect(french.text).toContain('AADSTS53003');
    expect(french.text).toContain(String(refused.headers['x-request-id']));
    expect(await browser.open(`${admin}/sign-in`)).toMatchObject({ headers: { 'content-language': 'fr' } });
    const again = await signIn(browser, admin, account('nora'));
    expect([again.status, again.headers['content-language']]).toEqual([403, 'fr']);
  });

  test('that need no words of Microsoft have it too, and no page shows what a stranger puts into it', async () => {
    const refused = await browserOf().open(`${admin}/sign-in/callback?code=secret&state=x`);
    const french = await inFrench(browserOf(), refused);
    expect(french.status).toBe(400);
    expect(french.text).toContain('Cette connexion ne correspond à aucune demande');
    expect(french.text).toContain(String(refused.headers['x-request-id']));
    for (const query of [
      '',
      '?reason=<b>x&request=<b>x',
      '?reason=constructor',
      '?reason=forged&request=call+us',
    ]) {
      const answer = await browserOf().open(`${admin}/sign-in/refused${query}`);
      expect([query, answer.status]).toEqual([query, query.includes('forged') ? 403 : 400]);
      expect(answer.text).not.toMatch(/<b>x|call us/);
    }
    const stranger = browserOf();
    stranger.cookies.set('__Host-espalier-refusal', 'v1.x.y.z');
    expect((await stranger.open(`${admin}/sign-in/refused`)).text).toContain('cannot be matched');
  });

  test('a refused credential of the gateway is named as that, in French too', async () => {
    microsoftSettings().entraError = { code: 7000222, at: 'token', times: 1 };
    const browser = browserOf('fr');
    const answer = await signIn(browser, admin, account('ada'));
    expect(answer.status).toBe(502);
    expect(answer.text).toContain('AADSTS7000222');
    expect(answer.text).toContain('ESPALIER_OPERATOR_CLIENT_SECRET');
    expect(answer.headers['content-language']).toBe('fr');
  });

  test('while the database does not answer the person gets a page, and when to come again', async () => {
    const lock = scene.database.sql.begin(async (tx) => {
      await tx`lock table sign_ins in access exclusive mode`;
      return browserOf().open(`${admin}/sign-in/start`);
    });
    const answer = await lock;
    expect(answer.status).toBe(503);
    expect(answer.text).toContain('The database of the gateway does not answer');
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('a session', () => {
  test('ends after 30 minutes without a request, and is seen at most once a minute', async () => {
    const { sql } = scene.database;
    const browser = await signedIn();
    const seen = async () =>
      (await sql`select last_seen_at as at from sessions order by created_at desc limit 1`)[0]?.at.getTime();
    const first = await seen();
    expect((await session(browser)).status).toBe(200);
    expect(await seen()).toBe(first);
    await sql`update sessions set last_seen_at = now() - interval '29 minutes' where ended_at is null`;
    expect((await session(browser)).status).toBe(200);
    expect(await seen()).toBeGreaterThanOrEqual(first);
    await sql`update sessions set last_seen_at = now() - interval '31 minutes' where ended_at is null`;
    const ended = await session(browser);
    expect(ended.status).toBe(401);
    expect(ended.json.detail).toContain('ended');
  });

  test('ends after eight hours, however busy', async () => {
    const { sql } = scene.database;
    const browser = await signedIn();
    const [row] = await sql`
      select extract(epoch from expires_at - created_at)::int as seconds from sessions order by created_at desc limit 1`;
    expect(row?.seconds).toBe(8 * 3_600);
    await sql`update sessions set expires_at = now() - interval '1 second' where ended_at is null`;
    expect((await session(browser)).status).toBe(401);
  });

  test('ends on every process at once when the person signs out', async () => {
    const other = await scene.another();
    try {
      const browser = await signedIn();
      const elsewhere = `https://localhost:${new URL(other.admin).port}`;
      expect((await session(browser, elsewhere)).status).toBe(200);
      const cookie = browser.cookies.get('__Host-espalier') ?? '';
      const csrf = (await session(browser)).json.session.csrfToken;
      const out = await browser.submit(`${admin}/sign-out`, { csrf });
      expect(out.status).toBe(303);
      expect(browser.cookies.has('__Host-espalier')).toBe(false);
      browser.cookies.set('__Host-espalier', cookie);
      expect((await session(browser)).status).toBe(401);
      expect((await session(browser, elsewhere)).status).toBe(401);
      const page = await browser.follow(out, `${admin}/sign-out`);
      expect(page.text).toContain('You are signed out here');
      expect(page.text).toContain('choose=true');
    } finally {
      await other.stop();
    }
  });

  test('shows who is signed in, with a form that signs out', async () => {
    const browser = await signedIn('vera');
    const page = await browser.open(`${admin}/sign-in`);
    expect(page.text).toContain(`You are signed in as ${account('vera')}`);
    const csrf = /name="csrf" value="([\w-]+)"/.exec(page.text)?.[1] ?? '';
    expect((await browser.submit(`${admin}/sign-out`, { csrf })).status).toBe(303);
    expect((await session(browser)).status).toBe(401);
  });

  test('is not ended by another site, nor without the token of the page', async () => {
    const browser = await signedIn();
    const csrf = (await session(browser)).json.session.csrfToken;
    const forged = [
      browser.submit(`${admin}/sign-out`, { csrf }, { 'sec-fetch-site': 'cross-site' }),
      browser.submit(`${admin}/sign-out`, { csrf }, { origin: 'https://evil.example' }),
      browser.submit(`${admin}/sign-out`, { csrf: 'x' }),
      browser.submit(`${admin}/sign-out`, {}),
    ];
    for (const answer of await Promise.all(forged)) expect(answer.status).toBe(403);
    expect((await session(browser)).status).toBe(200);
    // A browser sends no Lax cookie with a form of another site; the answer must not take ours away.
    const without = await browserOf().submit(`${admin}/sign-out`, {}, { 'sec-fetch-site': 'cross-site' });
    expect(without.status).toBe(403);
    expect(without.headers['set-cookie']).toBeUndefined();
  });

  test('writes only with the header and from our own pages', async () => {
    const browser = await signedIn();
    const csrf = (await session(browser)).json.session.csrfToken;
    const write = (headers: Record<string, string>) =>
      browser.send(
        'POST',
        `${admin}/api/v1/keys`,
        { 'content-type': 'application/json', ...headers },
        JSON.stringify({ name: 'made with a session', role: 'viewer' }),
      );
    const own = { 'sec-fetch-site': 'same-origin', origin: admin };
    const refusedHeaders: Record<string, string>[] = [
      own,
      { ...own, 'x-espalier-csrf': 'x' },
      { 'x-espalier-csrf': csrf },
      { 'x-espalier-csrf': csrf, 'sec-fetch-site': 'cross-site' },
      { 'x-espalier-csrf': csrf, 'sec-fetch-site': 'same-site' },
      { 'x-espalier-csrf': csrf, 'sec-fetch-site': 'none' },
      { 'x-espalier-csrf': csrf, origin: 'https://evil.example' },
      { 'x-espalier-csrf': csrf, origin: 'null' },
      { 'x-espalier-csrf': csrf, ...own, origin: 'https://evil.example' },
    ];
    for (const headers of refusedHeaders) {
      const answer = await write(headers);
      expect(answer.status, JSON.stringify(headers)).toBe(403);
      expect(answer.json.type).toMatch(/forbidden$/);
    }
    expect((await write({ ...own, 'x-espalier-csrf': csrf })).status).toBe(201);
    expect((await write({ origin: admin, 'x-espalier-csrf': csrf })).status).toBe(201);
    const [row] = await scene.database.sql`
      select author_kind as kind, author from history where action = 'key.create' order by recorded_at desc limit 1`;
    expect(row).toEqual({ kind: 'user', author: account('ada') });
  });

  test('counts for nothing beside a key that is shown', async () => {
    const browser = await signedIn();
    const answer = await browser.open(`${admin}/api/v1/session`, { authorization: 'Bearer esp_wrong' });
    expect(answer.status).toBe(401);
  });

  test('a changed assignment counts at the next sign-in', async () => {
    const { assignmentsOf } = await import('../../src/simulator/microsoft/user-assignments.ts');
    const { clientId, people, tenantId } = scene.world.operators;
    const principal = scene.world.directory.tenant(tenantId)!.servicePrincipals.get(clientId)!;
    const vera = people[2]!.userId;
    const browser = await signedIn('vera');
    assignmentsOf(principal).byUser.set(vera, ['Espalier.Viewer', 'Espalier.Operator']);
    expect((await session(browser)).json.role).toBe('viewer');
    await signIn(browser, admin, account('vera'));
    expect((await session(browser)).json.role).toBe('operator');
    assignmentsOf(principal).byUser.set(vera, ['Espalier.Viewer']);
  });
});

test('what has run out is cleared away: sign-ins at once, sessions a day after their end', async () => {
  const { sql } = scene.database;
  const { tenantId } = scene.world.operators;
  await sql`delete from sign_ins`;
  await sql`delete from sessions`;
  const [late, live, ended, foreign] = [browserOf(), browserOf(), browserOf(), browserOf()];
  await begin(late);
  await sql`update sign_ins set expires_at = now() - interval '1 second'`;
  await begin(live);
  for (const browser of [ended, foreign, live]) await signIn(browser, admin, account('ada'));
  const ids = (await sql`select session_id as id from sessions order by created_at`).map(({ id }) => id);
  await sql`update sessions set ended_at = now() - interval '25 hours' where session_id = ${ids[0]}`;
  await sql`update sessions set entra_tenant_id = ${ids[1]} where session_id = ${ids[1]}`;
  await tidySignIns(sql, [tenantId]);
  expect(await sql`select 1 from sign_ins`).toHaveLength(1);
  const left =
    await sql`select session_id as id, ended_at is not null as ended from sessions order by created_at`;
  expect(left.map(({ id, ended: over }) => [id, over])).toEqual([
    [ids[1], true],
    [ids[2], false],
  ]);
  expect((await session(live)).status).toBe(200);
});

test('where TLS ends at a load balancer, cookies and the redirect address are those of the public side', async () => {
  const behind = await scene.another({
    ESPALIER_TLS: 'off',
    ESPALIER_ADMIN_URL: 'https://admin.example.com',
  });
  try {
    expect(behind.admin).toMatch(/^http:/);
    const answer = await fetch(`${behind.admin}/sign-in/start`, { redirect: 'manual' });
    expect(answer.headers.get('set-cookie')).toContain('Secure');
    const location = new URL(answer.headers.get('location') ?? '');
    expect(location.searchParams.get('redirect_uri')).toBe('https://admin.example.com/sign-in/callback');
  } finally {
    await behind.stop();
  }
});

test('too many sign-ins from one address wait', async () => {
  const answers: Answer[] = [];
  for (let round = 0; round < 20 && answers.at(-1)?.status !== 429; round += 1) {
    const some = Array.from({ length: 10 }, () => browserOf().open(`${admin}/sign-in/start`));
    answers.push(...(await Promise.all(some)));
  }
  const late = answers.find(({ status }) => status === 429);
  expect(Number(late?.headers['retry-after'])).toBeGreaterThan(0);
  expect(answers.every(({ status }) => [303, 429].includes(status))).toBe(true);
});
