/** What the script of one operator can take of the admin listener, and what the others and the console have beside it. */

import type { ClientRequest } from 'node:http';
import { request } from 'node:https';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, newKey, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import { consent, type Scene, startScene } from '../harness/gateway.ts';
import type { Answer } from '../harness/http.ts';

describe('beside the script of one operator', () => {
  let scene: Scene;
  let tenantId: string;
  let noisy: string;
  let quiet: string;
  const hanging: ClientRequest[] = [];

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [] }] },
      // More for operators than lists may keep.
      environment: { ESPALIER_DATABASE_CONNECTIONS: '60' },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    await consent(scene, tenantId);
    noisy = (await newKey(scene, 'admin')).key;
    quiet = (await newKey(scene, 'admin', noisy)).key;
  }, 60_000);
  afterEach(() => {
    for (const one of hanging.splice(0)) one.destroy();
  });
  afterAll(() => scene?.close(), 60_000);

  const devices = () => `/tenants/${tenantId}/devices`;
  const get = (path: string, key: string): Promise<Answer> => scene.api('GET', path, undefined, key);
  const isRefused = ({ headers, json, status }: Answer): void => {
    expect([status, json?.type]).toEqual([429, 'https://espalier.dev/problems/rate-limited']);
    expect(json.detail).toContain('of this credential');
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
  };

  /** A request whose body does not come. */
  const hang = (headers: Record<string, string>): void => {
    const one = request(`${scene.gateway.admin}/api/v1/tenants`, {
      method: 'POST',
      agent: false,
      ca: scene.trust,
      headers: { 'content-type': 'application/json', 'content-length': '100', ...headers },
    });
    one.on('error', () => undefined);
    one.write('{');
    hanging.push(one);
  };
  /** Until none has a place any more, as `check` tells, which may have one itself when the last comes. */
  const hangAll = async (headers: Record<string, string>, check: () => Promise<void>): Promise<void> => {
    for (let nth = 0; nth < 127; nth += 1) hang(headers);
    await eventually(async () => {
      hang(headers);
      await check();
    });
  };
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const shownBy = async ({ browser, open }: ConsoleVisit): Promise<Record<string, string>> => {
    const session = await open('/api/v1/session', { accept: 'application/json' });
    return {
      cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      'sec-fetch-site': 'same-origin',
      'x-espalier-csrf': session.json.session.csrfToken,
    };
  };

  it('the seventeenth list of one credential is refused, and another operator is answered', async () => {
    let lists: Promise<Answer>[] = [];
    await scene.database.sql.begin(async (tx) => {
      await tx`lock table routes in access exclusive mode`;
      lists = Array.from({ length: 17 }, () => get(devices(), noisy));
      isRefused(await Promise.race(lists));
      isRefused(await get(`${devices()}/export`, noisy));
      isRefused(await get('/session', noisy));
      expect((await get('/session', quiet)).status).toBe(200);
      expect((await get(`/tenants/${tenantId}`, quiet)).status).toBe(200);
      expect((await scene.api('PATCH', `/tenants/${tenantId}`, { displayName: 'a' }, quiet)).status).toBe(
        200,
      );
    });
    const answered = (await Promise.all(lists)).map(({ status }) => status);
    expect(answered.toSorted()).toEqual([...Array(16).fill(200), 429]);
    expect((await get(devices(), noisy)).status).toBe(200);
  });

  it('requests under way are bounded, and their places come back when they end', async () => {
    for (let round = 0; round < 2; round += 1) {
      await hangAll(bearer(noisy), async () => isRefused(await get('/session', noisy)));
      expect((await get('/session', quiet)).status).toBe(200);
      for (const one of hanging.splice(0)) one.destroy();
      await eventually(async () => expect((await get('/session', noisy)).status).toBe(200));
    }
  });

  it('the console of the same operator goes on, with a page as one request', async () => {
    const visit = await visitConsole(scene, noisy);
    const shown = await shownBy(visit);
    await hangAll(bearer(noisy), async () => isRefused(await get('/session', noisy)));
    expect((await visit.open('/')).status).toBe(200);
    await hangAll(shown, async () => {
      const page = await visit.open(`/tenants/${tenantId}`);
      expect([page.status, page.headers['content-type']]).toEqual([429, 'text/html; charset=UTF-8']);
      expect(Number(page.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    });
    expect((await visit.open('/sign-in')).status).toBe(200);
    // One place is left, and the page asks for four things at once.
    await eventually(async () => {
      hanging.pop()?.destroy();
      expect((await visit.open(`/tenants/${tenantId}`)).status).toBe(200);
    });
  });

  it('whoever asks faster than a credential may waits, and is answered', async () => {
    // Twice what may come at once, eight at a time, as a script does.
    let left = 800;
    const ask = async (): Promise<void> => {
      for (; left > 0; left -= 1) expect((await get('/session', noisy)).status).toBe(200);
    };
    await Promise.all(Array.from({ length: 8 }, ask));
  }, 60_000);
});
