import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, hostile, unescaped, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { deviceIdOf, enrolTwins, type Twin } from '../moves/twins.ts';

/** The console's pages of moves between instances. */
describe('moves in the console', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let twins: Twin[];
  let operator: ConsoleVisit;
  let viewer: ConsoleVisit;
  let stranger: ConsoleVisit;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'berlin', macs: 5 },
              { name: 'paris', macs: 0 },
            ],
          },
          { displayName: 'Fabrikam', instances: [] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    const instances = await connectTenant(scene, tenantId);
    berlin = instances.get('berlin')!;
    paris = instances.get('paris')!;
    await scene.api('POST', '/tenants', { tenantId: otherId, displayName: 'Fabrikam', cloud: 'public' });
    twins = enrolTwins(scene.world, 'berlin', 'paris', 1);
    for (const mac of scene.world.fleet.macs().filter(({ instanceName }) => instanceName === 'berlin'))
      await sendWebhook(scene, berlin, mac.computerId);
    for (const { to } of twins) await sendWebhook(scene, paris, to.id);
    await eventually(async () => {
      const [claims] = await scene.database.sql<{ count: number }[]>`select count(*) as count from claims`;
      expect(claims!.count).toBe(9);
    });
    const as = async (role: string, tenants: string[]) =>
      visitConsole(scene, (await scene.api('POST', '/keys', { name: role, role, tenants })).json.key);
    operator = await as('operator', [tenantId]);
    viewer = await as('viewer', [tenantId]);
    stranger = await as('admin', [otherId]);
  });
  afterAll(() => scene?.close());

  const base = () => `/tenants/${tenantId}/moves`;
  const asked = () => ({
    from: berlin.id,
    to: paris.id,
    percent: '50',
    shadow: 'on',
    unclaimed: 'off',
    threshold: '1',
  });
  const versionIn = (text: string): string =>
    (/name="version" value="([^"]*)"/.exec(text)?.[1] ?? '').replaceAll('&quot;', '"');
  /** What the page says that a step would do, and the page after its button. */
  const step = async (path: string, verb: string, query: Record<string, string> = {}) => {
    const preview = await operator.open(`${path}/${verb}?${new URLSearchParams(query)}`);
    expect(preview.status, preview.text).toBe(200);
    const done = await operator.post(`${path}/${verb}/start`, {
      ...query,
      version: versionIn(preview.text),
      reason: `${verb} it`,
    });
    expect(done.status, done.text).toBe(200);
    return { preview: preview.text, done: done.text };
  };
  const read = async (path: string) => (await scene.api('GET', path)).json;

  it('say that nothing was moved, and what takes two instances', async () => {
    expect((await operator.open(base())).text).toContain('No device of this tenant has been moved.');
    expect((await stranger.open(`/tenants/${otherId}/moves/new`)).text).toContain(
      'A move takes two instances',
    );
  });

  it('one is planned, shadowed, advanced, paused and taken back', async () => {
    const preview = (await operator.open(`${base()}/new?${new URLSearchParams(asked())}`)).text;
    expect(preview).toContain('<strong>4</strong> of 5 devices would go');
    expect(preview).toContain('The new instance does not claim them.');
    expect((await read(base())).totalCount).toBe(0);
    const planned = await operator.post(`${base()}/new/plan`, { ...asked(), reason: hostile });
    expect(planned.text).toContain('The move is planned. Nobody is moved yet.');
    expect(planned.text).toContain('&lt;b id=x&gt;');
    expect(planned.text).not.toMatch(unescaped);
    const path = new URL(planned.url).pathname;
    expect((await operator.open(base())).text).toContain(path);

    const shadow = await step(path, 'advance');
    expect(shadow.preview).toContain('are asked of both instances');
    expect(await read(path)).toMatchObject({ state: 'shadowing', percent: 0 });
    const refused = await operator.open(`${path}/advance?percent=50`);
    expect([refused.status, refused.text.includes('answers of both instances were compared')]).toEqual([
      409,
      true,
    ]);
    const token = await callerToken(scene, tenantId);
    for (const { to } of twins) scene.world.instance('paris').groups.compliance.members.delete(to.id);
    await eventually(async () => {
      for (const { deviceId } of twins)
        await scene.data(`/t/${tenantId}/devices/${deviceId}/compliance`, {
          headers: { authorization: `Bearer ${token}` },
        });
      expect((await read(path)).shadowing.compared).toBeGreaterThanOrEqual(4);
    });
    const compared = (await operator.open(path)).text;
    expect(compared).toContain('For example, old and new');
    expect(compared).toContain('compliant at the old instance, not-compliant at the new one');
    expect(compared).toContain(`/tenants/${tenantId}/devices/`);
    expect(compared).not.toMatch(unescaped);
    expect(compared).toContain('type="range"');

    const half = await step(path, 'advance', { percent: '60', force: 'on' });
    expect(half.preview).toContain('<strong>60 percent</strong>');
    expect(await read(path)).toMatchObject({ state: 'moving', percent: 60 });
    await step(path, 'pause');
    expect(await read(path)).toMatchObject({ paused: true });
    const all = await step(path, 'advance', { percent: '100', force: 'on' });
    expect(all.done).toContain('The step is taken.');
    expect(await read(path)).toMatchObject({ state: 'done', devices: { moved: 4 } });
    const back = await step(path, 'rollback');
    expect(back.preview).toContain('<strong>4</strong> devices go back');
    expect(back.done).toContain('The move is taken back.');
    expect(await read(path)).toMatchObject({ state: 'rolled-back', devices: { rolledBack: 4 } });
    const entries = (await scene.api('GET', '/history?filter=action==move.rollback')).json.results;
    expect(entries[0].reason).toBe('rollback it');
  });

  it('a viewer sees and does not press; another tenant finds nothing', async () => {
    const { results } = await read(base());
    const path = `${base()}/${results[0].id}`;
    const single = deviceIdOf(
      scene.world.fleet.macs().find(({ instanceName }) => instanceName === 'berlin')!,
    );
    expect((await scene.api('GET', `/tenants/${tenantId}/devices/${single}`)).json.instanceId).toBe(
      berlin.id,
    );
    expect((await viewer.open(path)).text).not.toMatch(/href="[^"]*\/(advance|rollback|pause)"/);
    expect((await viewer.open(base())).text).not.toContain('Plan a move');
    expect((await viewer.open(`${base()}/new`)).text).toContain('It takes the role operator');
    expect((await viewer.post(`${base()}/new/plan`, asked())).status).toBe(403);
    expect((await viewer.post(`${path}/rollback/start`)).status).toBe(403);
    for (const page of [base(), path, `${base()}/new`, `${path}/advance`])
      expect([page, (await stranger.open(page)).status]).toEqual([page, 404]);
    expect((await stranger.post(`${base()}/new/plan`, asked())).status).toBe(404);
    expect((await read(base())).totalCount).toBe(1);
  });

  it('those of all tenants are on one page, with names, and narrowed by state', async () => {
    const { results } = await read(base());
    const all = await scene.api('GET', `/moves?filter=tenantId==${tenantId}`);
    expect(all.json).toEqual({ totalCount: 1, results });
    const page = (await viewer.open('/moves')).text;
    expect(page).toContain(`href="${base()}/${results[0].id}">berlin to paris</a>`);
    expect(page).toContain('>Contoso</a>');
    expect(page).toMatch(/<a href="\/moves"[^>]*aria-current="page"/);
    expect(page).not.toMatch(unescaped);
    const [hit, miss] = [
      await viewer.open('/moves?state=rolled-back'),
      await viewer.open(`/moves?state=moving&tenant=${tenantId}`),
    ];
    expect([hit.text.includes('berlin to paris'), miss.text.includes('No move is like that.')]).toEqual([
      true,
      true,
    ]);
    const theirs = (await stranger.open('/moves')).text;
    expect(theirs).toContain('No device has been moved.');
    expect(theirs).not.toContain(results[0].id);
  });
});
