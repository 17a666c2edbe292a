import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import { addInstance, connectTenant, consent, type Scene, startScene } from '../harness/gateway.ts';

/** What needs a person, as `/overview` tells it and the first page of the console shows it. */

const hostile = `<b hx-get="/x">"'&\u202e`;

interface Item {
  readonly kind: string;
  readonly tenantId: string | null;
  readonly cause: string;
  readonly count: number;
  readonly countIsLeast: boolean;
  readonly action: { readonly label: string; readonly href: string };
}

describe('the overview', () => {
  let scene: Scene;
  let contoso: string;
  let fabrikam: string;
  let instanceId: string;
  let admin: ConsoleVisit;
  const sql = () => scene.database.sql;

  /** Failed reports as the delivery leaves them. */
  const fail = (tenantId: string, reason: string, count: number) => sql()`
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, state, reason, detail, due_since,
      failed_at, next_try_at)
    select ${tenantId}, gen_random_uuid(), '{}', 'seeded', ${instanceId}, 'failed', ${reason}, ${hostile},
      now() - interval '2 hours', now() - interval '1 hour', null
    from generate_series(1, ${count}::int)`;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [{ name: 'berlin', macs: 1 }] },
          { displayName: `Fabrikam ${hostile.slice(0, -1)}`, instances: [{ name: 'munich', macs: 1 }] },
        ],
      },
    });
    [contoso, fabrikam] = scene.world.tenants.map(({ tenantId }) => tenantId) as [string, string];
    const instances = await connectTenant(scene, contoso);
    instanceId = instances.get('berlin')!.id;
    await consent(scene, fabrikam);
    await addInstance(scene, fabrikam, 'munich');
    admin = await visitConsole(scene);
  }, 120_000);
  afterAll(() => scene?.close());

  const keyOf = async (given: object): Promise<string> =>
    (await scene.api('POST', '/keys', { name: crypto.randomUUID(), ...given })).json.key;
  const itemsOf = async (key?: string, query = ''): Promise<Item[]> =>
    (await scene.api('GET', `/overview${query}`, undefined, key)).json.attention.results;
  /** Until the shared answer is old enough to be read again. */
  const soon = (kind: string, matches: (found: Item | undefined) => boolean): Promise<Item | undefined> =>
    eventually(async () => {
      const found = (await itemsOf()).find((one) => one.kind === kind);
      expect(matches(found), `${kind}: ${JSON.stringify(found)}`).toBe(true);
      return found;
    });

  it('tells of a connection that is not finished, with whose it is and where to go on', async () => {
    const found = await soon('connection-unfinished', (item) => item !== undefined);
    expect(found).toMatchObject({
      tenantId: fabrikam,
      cause: 'consented',
      owner: 'caller',
      remedy: expect.stringContaining('confirm'),
      action: { href: `/tenants/${fabrikam}` },
    });
  });

  it('tells of a paused tenant until it is resumed', async () => {
    await scene.api('POST', `/tenants/${contoso}/pause`);
    await soon('paused', (item) => item?.tenantId === contoso);
    await scene.api('POST', `/tenants/${contoso}/resume`);
    await soon('paused', (item) => item === undefined);
  });

  it('tells of a held tenant, permissions that changed, an instance that fails and keys that run out', async () => {
    const hold = { cause: 'no-intune', detail: hostile, remedy: 'add one', owner: 'configuration' };
    await sql()`
      update tenants set hold = ${sql().json({ ...hold, since: new Date().toISOString() })},
        permissions = ${sql().json({ ok: false, checkedAt: new Date().toISOString(), missing: ['Directory.Read.All'], extra: [] })},
        -- As if it was looked at now: the watch of permissions does not look again.
        permissions_checked_at = now()
      where tenant_id = ${contoso}`;
    await sql()`
      update instances set last_error = 'it does not answer', last_error_at = now() where instance_id = ${instanceId}`;
    await sql()`
      update instance_keys set expires_at = now() + interval '3 days' where instance_id = ${instanceId}`;
    await soon('tenant-held', (item) => item !== undefined);
    const items = await itemsOf();
    expect(
      items.filter(({ tenantId }) => tenantId === contoso).map(({ cause, kind }) => [kind, cause]),
    ).toEqual([
      ['tenant-held', 'no-intune'],
      ['instance-unreachable', 'instance-unreachable'],
      ['permission-drift', 'permission-missing'],
      ['credential-expiring', 'instance-key'],
    ]);
    expect(items.find(({ kind }) => kind === 'permission-drift')).toMatchObject({
      detail: 'Missing: Directory.Read.All.',
    });
    const { attention } = (await scene.api('GET', '/overview?kind=tenant-held')).json;
    expect([attention.totalCount, attention.results.length, attention.kinds.length > 3]).toEqual([
      1,
      1,
      true,
    ]);
  });

  it('counts failed reports by cause, the newest of a tenant and no more than a bound', async () => {
    await fail(contoso, 'user-not-assigned', 3);
    const few = await soon('reports-failed', (item) => item?.count === 3);
    expect(few).toMatchObject({ cause: 'user-not-assigned', countIsLeast: false, owner: 'configuration' });
    expect(few?.action.label).toBe('Show the reports');
    const page = (await admin.open(few?.action.href ?? '')).text;
    expect(page).toContain('3 match.');
    expect(page).toContain('name="reason" value="user-not-assigned"');
    await fail(contoso, 'user-not-assigned', 600);
    expect(await soon('reports-failed', (item) => item?.count === 500)).toMatchObject({ countIsLeast: true });
    await sql()`delete from reports where content_hash = 'seeded'`;
    await soon('reports-failed', (item) => item === undefined);
  });

  it('lists the tenants with what waits of each and since when', async () => {
    await sql()`
      insert into reports (tenant_id, device_id, content, content_hash, instance_id, state, due_since, next_try_at)
      select ${contoso}, gen_random_uuid(), '{}', 'seeded', ${instanceId}, 'held', '2026-01-02T03:04:05Z',
        now() + interval '1 day'
      from generate_series(1, 1200)`;
    const { results, totalCount } = await eventually(async () => {
      const { json } = await scene.api('GET', '/overview');
      expect(json.results[0]).toMatchObject({
        tenantId: contoso,
        connectionState: 'connected',
        instances: 1,
        backlog: { reports: 1_000, isLeast: true },
        oldestUndeliveredAt: '2026-01-02T03:04:05.000Z',
      });
      return json;
    });
    expect(totalCount).toBe(2);
    expect(results[1]).toMatchObject({ tenantId: fabrikam, backlog: { isLeast: false } });
    expect((await scene.api('GET', '/overview?page=1&page-size=1')).json.results[0].tenantId).toBe(fabrikam);
    await eventually(async () => expect((await admin.open('/')).text).toContain('1,000+ to tell'));
    await sql()`delete from reports where content_hash = 'seeded'`;
  });

  it('shows what waits for a second operator only to whom the tenant is shown', async () => {
    const approvalId = crypto.randomUUID();
    await sql()`
      insert into approvals (tenant_id, approval_id, action, summary, devices, method, target, requested_kind,
        requested_by, requested_role, expires_at)
      values (${fabrikam}, ${approvalId}, 'tenant.delete', ${hostile}, 120, 'DELETE', '/', 'key', 'key ann', 'admin',
        now() + interval '1 day')`;
    const found = await soon('approval-waiting', (item) => item !== undefined);
    expect(found).toMatchObject({
      tenantId: fabrikam,
      count: 120,
      action: { href: `/approvals/${approvalId}` },
    });
    const theirs = await itemsOf(await keyOf({ role: 'viewer', tenants: [contoso] }));
    expect(theirs.length).toBeGreaterThan(2);
    expect(theirs.every(({ tenantId }) => tenantId === contoso)).toBe(true);
  });

  it('shows keys of operators that run out to those who may see keys', async () => {
    const expiresAt = new Date(Date.now() + 5 * 86_400_000).toISOString();
    await scene.api('POST', '/keys', { name: 'pipeline', role: 'viewer', expiresAt });
    const isKey = ({ cause }: Item): boolean => cause === 'api-key';
    await eventually(async () => expect((await itemsOf()).some(isKey)).toBe(true));
    expect((await itemsOf(await keyOf({ role: 'viewer' }))).some(isKey)).toBe(false);
    expect((await itemsOf(await keyOf({ role: 'admin', tenants: [contoso] }))).some(isKey)).toBe(false);
  });

  it('is a page: each thing with its cause, remedy and button, narrowed by kind, every text escaped', async () => {
    const { text } = await admin.open('/');
    for (const part of [
      'Delivery held',
      'Add one.',
      'the administrator of Entra and Intune',
      'Permissions changed',
    ])
      expect(text).toContain(part);
    expect(text).toContain(
      `<a class="button" href="/tenants/${contoso}/instances/${instanceId}">Open the instance</a>`,
    );
    expect(text).toContain('hx-trigger="espalier:changed from:body"');
    expect(text).toContain('&lt;b hx-get=&quot;/x&quot;&gt;&quot;&#39;&amp;');
    expect(text).not.toContain('<b ');
    const held = (await admin.open('/?kind=tenant-held')).text;
    expect(held).toContain('href="/?kind=tenant-held" aria-current="true"');
    expect(held).not.toContain('Open the instance');
    const odd = await admin.open('/?kind=%22%3E%3Cb%3E');
    expect(odd.status).toBe(400);
    expect(odd.text).not.toContain('<b>');
  });

  it('shows a tenant-bound person nothing of another tenant, and a viewer no button that connects', async () => {
    const bound = await visitConsole(scene, await keyOf({ role: 'viewer', tenants: [contoso] }));
    const { text } = await bound.open('/');
    expect(text).toContain('Contoso');
    expect(text).not.toContain('Fabrikam');
    expect(text).not.toContain(fabrikam);
    const nobody = await visitConsole(scene, await keyOf({ role: 'viewer', tenants: [crypto.randomUUID()] }));
    const empty = (await nobody.open('/')).text;
    expect(empty).toContain('You see no tenant yet.');
    expect(empty).not.toContain('href="/connect"');
  });
});
