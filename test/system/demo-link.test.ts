import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomToken } from '../../src/entra/authorization-code.ts';
import { hashKey } from '../../src/secrets/keys.ts';
import { type Browser, createBrowser } from '../harness/browser.ts';
import { demoGateway, type GatewayWithChannel, startWithChannel } from '../harness/demo-gateway.ts';
import { type Scene, startScene } from '../harness/gateway.ts';
import type { Answer } from '../harness/http.ts';
import { ownEnvironment } from '../harness/own-environment.ts';
import { program } from '../harness/program.ts';

/** The link that `espalier demo` prints signs in once, on this machine alone; `serve` cannot make one (docs/console.md). */

const sources = join(import.meta.dirname, '../../src');

describe('the one-time link of the demo', () => {
  let scene: Scene;
  let demo: GatewayWithChannel;
  /** Of one process: the data directory is the scene's, its ports are not. */
  const settings = (more: Record<string, string> = {}): Record<string, string> => {
    const { ESPALIER_ADMIN_URL: _, ...rest } = scene.environment;
    return {
      ...rest,
      ESPALIER_DATA_LISTEN: '127.0.0.1:0',
      ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
      ESPALIER_OPERATOR_TENANTS: '',
      ...more,
    };
  };
  beforeAll(async () => {
    scene = await startScene({ world: { clouds: ['public'], tenants: [{ instances: [] }] } });
    demo = await startWithChannel([demoGateway], settings());
  });
  afterAll(async () => {
    await demo?.end();
    await scene?.close();
  });

  const browserOf = (language?: string): Browser => createBrowser([scene.trust], language);
  const newLink = async (): Promise<string> => {
    const token = randomToken();
    expect(await demo.offer(await hashKey(token))).toBe(true);
    return token;
  };
  const look = (token: string, headers: Record<string, string> = {}): Promise<Answer> =>
    browserOf().open(`${demo.origin}/sign-in/once?token=${token}`, headers);
  const press = (token: string, headers: Record<string, string> = {}): Promise<Answer> =>
    browserOf().submit(`${demo.origin}/sign-in/once`, { token }, headers);

  it('shows a button however often it is opened, and signs in as the first key when it is pressed, once', async () => {
    const token = await newLink();
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    const browser = browserOf();
    for (let time = 0; time < 3; time += 1) {
      const page = await browser.open(`${demo.origin}/sign-in/once?token=${token}`);
      expect(page.status).toBe(200);
      expect(page.text).toContain(`value="${token}"`);
      expect(page.text).toContain('<button');
      expect(page.headers['cache-control']).toBe('no-store');
    }
    expect(browser.cookies.size).toBe(0);
    const done = await browser.submit(`${demo.origin}/sign-in/once`, { token });
    expect([done.status, done.headers.location]).toEqual([303, '/']);
    expect((await browser.open(`${demo.origin}/api/v1/session`)).json).toMatchObject({
      kind: 'bootstrap',
      role: 'admin',
      tenants: null,
    });
    expect((await browser.open(`${demo.origin}/`)).status).toBe(200);

    const again = browserOf();
    const second = await again.submit(`${demo.origin}/sign-in/once`, { token });
    expect([second.status, again.cookies.size]).toEqual([404, 0]);
    expect(second.text).toContain('does not work any more');
    expect((await look(token)).status).toBe(404);
    const [entry] = (await scene.api('GET', '/history?sort=recordedAt:desc&page-size=1')).json.results;
    expect(entry).toMatchObject({ action: 'session.create' });
  });

  it('is shown in the other language by a form, which uses nothing up and carries no token in an address', async () => {
    const token = await newLink();
    const page = await look(token);
    expect(page.text).not.toMatch(new RegExp(`(?:href|action)="[^"]*${token}`));
    const action = /<form method="post" action="([^"]+)">(?:(?!<\/form>).)*lang="fr"/.exec(page.text)?.[1];
    expect(action).toBe('/sign-in/once?language=fr');
    const browser = browserOf();
    const french = await browser.submit(`${demo.origin}${action}`, { token, show: 'page' });
    expect([french.status, french.headers['content-language']]).toEqual([200, 'fr']);
    expect(french.text).toContain('Ouvrir la console de la démonstration');
    expect(browser.cookies.has('__Host-espalier')).toBe(false);
    expect((await press(token)).status).toBe(303);
    const gone = await browser.submit(`${demo.origin}${action}`, { token, show: 'page' });
    expect([gone.status, gone.text.includes('Ce lien ne fonctionne plus')]).toEqual([404, true]);
  });

  it('of two that press at the same time lets one in', async () => {
    const token = await newLink();
    const both = await Promise.all([press(token), press(token)]);
    expect(both.map(({ status }) => status).sort()).toEqual([303, 404]);
  });

  it('is in no log and no table, and neither is its hash', async () => {
    const token = await newLink();
    await look(token);
    await press(token);
    await press(token);
    for (const secret of [token, await hashKey(token)]) {
      expect(demo.output()).not.toContain(secret);
      for (const table of ['sessions', 'history', 'sign_ins']) {
        const rows = JSON.stringify(await scene.database.sql`select * from ${scene.database.sql(table)}`);
        expect(rows).not.toContain(secret);
      }
    }
  });

  it('is nothing for other names, proxies and other sites, and stays good', async () => {
    const token = await newLink();
    const elsewhere: Record<string, string>[] = [
      { host: 'evil.example' },
      { host: 'localhost.evil.example' },
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
      { via: '1.1 proxy' },
    ];
    for (const headers of elsewhere) {
      expect([headers, (await look(token, headers)).status]).toEqual([headers, 404]);
      expect([headers, (await press(token, headers)).status]).toEqual([headers, 404]);
    }
    const forged: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'https://evil.example' },
    ];
    for (const headers of forged) expect((await press(token, headers)).status).toBe(403);
    const { port } = new URL(demo.origin);
    for (const host of [`127.0.0.1:${port}`, `[::1]:${port}`])
      expect((await look(token, { host })).status).toBe(200);
    const host = `127.0.0.1:${port}`;
    expect((await press(token, { host, origin: `https://${host}` })).status).toBe(303);
  });

  it('is refused in French as well', async () => {
    const page = await browserOf('fr').open(`${demo.origin}/sign-in/once?token=${'A'.repeat(43)}`);
    expect([page.status, page.headers['content-language']]).toEqual([404, 'fr']);
    expect(page.text).toContain('Ce lien ne fonctionne plus');
  });

  it('is not there on a listener that others can reach', async () => {
    const open = await startWithChannel([demoGateway], settings({ ESPALIER_ADMIN_LISTEN: '0.0.0.0:0' }));
    const token = randomToken();
    expect(await open.offer(await hashKey(token))).toBe(true);
    const page = await browserOf().open(`${open.origin}/sign-in/once?token=${token}`);
    expect([page.status, page.text.includes('<h1>There is nothing here</h1>')]).toEqual([404, true]);
    expect(page.text).not.toContain(token);
    await open.end();
  });

  it('cannot be made for serve, whatever its environment and its parent say', async () => {
    const token = randomToken();
    const hash = await hashKey(token);
    const serve = await startWithChannel(
      [program(), 'serve'],
      settings({
        ONE_TIME_LINK_HASH: hash,
        ESPALIER_ONE_TIME_LINK_HASH: hash,
        ESPALIER_ONE_TIME_LINK: token,
      }),
    );
    let said = false;
    serve.process.on('message', () => {
      said = true;
    });
    serve.process.send({ oneTimeLinkHash: hash });
    const browser = browserOf();
    for (let time = 0; time < 3; time += 1) {
      const page = await browser.open(`${serve.origin}/sign-in/once?token=${token}`);
      expect([page.status, page.text.includes('<h1>There is nothing here</h1>')]).toEqual([404, true]);
      const pressed = await browser.submit(`${serve.origin}/sign-in/once`, { token });
      expect([pressed.status, browser.cookies.size]).toEqual([404, 0]);
    }
    expect(said).toBe(false);
    await serve.end();
  });

  it('is made in one place, which no command leads to', () => {
    const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
    );
    const holding = (text: string): string[] =>
      files.filter((file) => readFileSync(join(sources, file), 'utf8').includes(text)).sort();
    expect(holding('createOneTimeLink')).toEqual(['admin/sign-in/one-time-link.ts', 'cli/demo-gateway.ts']);
    expect(holding("'demo-gateway'")).toEqual(['cli/demo-children.ts', 'cli/demo-start.ts']);
    expect(holding('demo-gateway.ts').filter((file) => !file.startsWith('runtime/'))).not.toContain(
      'cli/serve.ts',
    );
    expect(readFileSync(join(sources, 'cli/serve.ts'), 'utf8')).not.toContain('oneTimeLink');
  });

  it('ends at once without a parent that speaks to it', async () => {
    const child = spawn(process.execPath, [demoGateway], {
      env: { ...ownEnvironment(), ...settings() },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, said]).toEqual([2, 'espalier: this file is started by "espalier demo" alone\n']);
  });
});
