import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, hostile, unescaped, visitConsole } from '../harness/console.ts';
import { type DatabaseDoor, leadingTo, openDoor } from '../harness/database-door.ts';
import { type Scene, startScene } from '../harness/gateway.ts';

/** Browsers that are signed in, in the admin API and in the console. */
describe('sessions', () => {
  let scene: Scene;
  let admin: ConsoleVisit;
  let viewer: ConsoleVisit;
  let bound: ConsoleVisit;
  let door: DatabaseDoor;
  /** Statements so far that read sessions. */
  let looks = 0;

  beforeAll(async () => {
    scene = await startScene({ world: { clouds: ['public'], tenants: [{ instances: [] }] } });
    door = await openDoor();
    const lead = leadingTo(scene.database.url);
    await door.meetBy((socket) => {
      const names = new Set<string>();
      socket.on('data', (chunk: Buffer) => {
        const text = chunk.toString('latin1');
        // Parse has a name and the text, Bind only the name (PostgreSQL, 55.7).
        for (const [, name = ''] of text.matchAll(/(\w+)\0[^\0]*from sessions/g)) names.add(name);
        for (const [, name = ''] of text.matchAll(/B[\s\S]{4}\0(\w+)\0/g)) if (names.has(name)) looks += 1;
      });
      lead(socket);
    });
    const url = new URL(scene.database.servingUrl!);
    url.host = `127.0.0.1:${door.port}`;
    await scene.startOn({ ...scene.database, servingUrl: url.href });
    const tenants = [scene.world.tenants[0]!.tenantId];
    const as = async (name: string, given: object) =>
      visitConsole(scene, (await scene.api('POST', '/keys', { name, ...given })).json.key);
    admin = await visitConsole(scene);
    viewer = await as(hostile, { role: 'viewer' });
    bound = await as('bound', { role: 'admin', tenants });
  });
  afterAll(async () => {
    await scene?.close();
    await door?.close();
  });

  const own = async (visit: ConsoleVisit) =>
    (await visit.browser.open(`${visit.origin}/api/v1/sessions`, { accept: 'application/json' })).json;

  it('an admin of all tenants sees everybody, anybody else his own', async () => {
    expect((await own(admin)).totalCount).toBe(3);
    for (const visit of [viewer, bound])
      expect(await own(visit)).toMatchObject({ totalCount: 1, results: [{ current: true }] });
    const [mine] = (await own(viewer)).results;
    expect(mine).toMatchObject({ name: expect.stringContaining(hostile), role: 'viewer', objectId: null });
    expect(JSON.stringify(mine)).not.toMatch(/hash/i);
    expect(
      (await scene.api('GET', '/sessions')).json.results.filter((one: { current: boolean }) => one.current),
    ).toEqual([]);
  });

  it('the page marks which one is yours, and shows names as text', async () => {
    const page = (await admin.open('/sessions')).text;
    expect(page.match(/this browser/g)).toHaveLength(1);
    expect(page).toContain('&lt;b id=x&gt;');
    expect(page).not.toMatch(unescaped);
    expect((await admin.open('/')).text).toContain('href="/sessions"');
  });

  it('is looked for once for a page, however often the page asks the API', async () => {
    await admin.open('/tenants');
    const before = looks;
    await admin.open('/tenants');
    expect(looks - before).toBe(1);
  });

  it('of another is not found, and stays', async () => {
    const [theirs] = (await own(bound)).results;
    expect((await viewer.post('/sessions/end', { session: theirs.id })).status).toBe(404);
    expect((await viewer.post('/sessions/end', { session: 'nobody' })).status).toBe(404);
    expect((await viewer.post('/sessions/end', { session: theirs.id, csrf: 'forged' })).status).toBe(403);
    expect((await own(bound)).totalCount).toBe(1);
  });

  it('one that is ended is thrown out at its next request, and the history has it', async () => {
    const [theirs] = (await own(bound)).results;
    const done = await admin.post('/sessions/end', { session: theirs.id });
    expect(done.text).toContain('The session ended.');
    expect((await bound.open('/sessions')).status).toBe(303);
    expect((await own(admin)).totalCount).toBe(2);
    const [entry] = (await scene.api('GET', '/history?filter=action==session.end')).json.results;
    expect(entry).toMatchObject({ tenantId: null, objectKind: 'session', objectId: theirs.id });
    expect(
      (await viewer.post('/sessions/end', { session: (await own(viewer)).results[0].id })).text,
    ).toContain('<form');
    expect((await viewer.open('/sessions')).status).toBe(303);
  });
});
