import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import { connectTenant, type Scene, sendWebhook, startScene } from '../harness/gateway.ts';

/** One field for everything: tenants, instances and devices by any name or id, among those that an operator sees. */
describe('search', () => {
  let scene: Scene;
  let contoso: string;
  let fabrikam: string;
  let berlin: string;
  let admin: ConsoleVisit;
  const macOf = (name: string) => scene.world.fleet.truth().find((device) => device.instance === name)!;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso 100%', instances: [{ name: 'berlin', macs: 1 }] },
          { displayName: 'Fabrikam <b>"\'&', instances: [{ name: 'munich', macs: 1 }] },
        ],
      },
    });
    [contoso, fabrikam] = scene.world.tenants.map(({ tenantId }) => tenantId) as [string, string];
    for (const [tenantId, name] of [
      [contoso, 'berlin'],
      [fabrikam, 'munich'],
    ] as const) {
      const added = (await connectTenant(scene, tenantId)).get(name)!;
      if (name === 'berlin') berlin = added.id;
      await sendWebhook(scene, added, macOf(name).jamfComputerId);
    }
    await eventually(async () => {
      const [row] = await scene.database.sql<{ count: number }[]>`select count(*) as count from reports`;
      expect(row?.count).toBe(2);
    });
    admin = await visitConsole(scene);
  }, 120_000);
  afterAll(() => scene?.close());

  const find = async (q: string, key?: string) =>
    (await scene.api('GET', `/search?${new URLSearchParams({ q })}`, undefined, key)).json;
  const stored = async (name: string) => {
    const [row] = await scene.database.sql<
      { deviceId: string; serialNumber: string; udid: string; userId: string; name: string }[]
    >`
      select c.device_id as "deviceId", c.serial_number as "serialNumber", c.udid, c.user_id as "userId",
        r.content::jsonb ->> 'deviceName' as name
      from claims c join reports r on r.tenant_id = c.tenant_id and r.device_id = c.device_id
      where c.device_id = ${macOf(name).deviceId}`;
    return row!;
  };
  const boundKey = async (): Promise<string> =>
    (await scene.api('POST', '/keys', { name: 'bound', role: 'viewer', tenants: [contoso] })).json.key;

  it('finds tenants and instances by a part of their name, and by id', async () => {
    expect((await find('contoso')).tenants.results).toEqual([
      { tenantId: contoso, displayName: 'Contoso 100%', connectionState: 'connected' },
    ]);
    expect((await find(contoso.toUpperCase())).tenants.results).toHaveLength(1);
    for (const q of ['ERLI', berlin])
      expect((await find(q)).instances.results).toMatchObject([{ instanceId: berlin, tenantId: contoso }]);
    // `%` and `_` are what they are.
    expect((await find('%')).tenants.results).toHaveLength(1);
    expect((await find('_')).tenants.results).toEqual([]);
  });

  it('finds a device by serial number, device id, user, UDID and name of the computer', async () => {
    const mac = await stored('berlin');
    const asked: readonly (readonly [q: string, matched: string])[] = [
      [mac.serialNumber.toLowerCase(), 'serial-number'],
      [mac.deviceId, 'device-id'],
      [mac.userId, 'user'],
      [mac.udid, 'udid'],
      [mac.name.toUpperCase(), 'computer-name'],
    ];
    for (const [q, matched] of asked) {
      const { results } = (await find(q)).devices;
      expect({
        q,
        found: results.find(({ deviceId }: { deviceId: string }) => deviceId === mac.deviceId),
      }).toMatchObject({
        q,
        found: { tenantId: contoso, matched, serialNumber: mac.serialNumber, instanceId: berlin },
      });
    }
  });

  it('shows a tenant-bound operator nothing of another tenant', async () => {
    const key = await boundKey();
    const theirs = await stored('munich');
    for (const q of [
      fabrikam,
      'Fabrikam',
      'munich',
      theirs.deviceId,
      theirs.serialNumber,
      theirs.udid,
      theirs.name,
    ])
      expect({ q, found: await find(q, key) }).toEqual({
        q,
        found: await find('nothing is called that', key),
      });
  });

  it('shows at most 20 of a kind and says that there are more, and refuses what is too long', async () => {
    await scene.database.sql`
      insert into claims (tenant_id, device_id, instance_id, jamf_computer_id, serial_number)
      select ${contoso}, gen_random_uuid(), ${berlin}, 1000 + n, 'CLONE' from generate_series(1, 30) n`;
    const { devices } = await find('clone');
    expect([devices.results.length, devices.more]).toEqual([20, true]);
    const answer = await scene.api('GET', `/search?q=${'a'.repeat(201)}`);
    expect([answer.status, answer.json.errors[0].field]).toEqual([400, 'q']);
    expect((await scene.api('GET', '/search?q=+')).status).toBe(400);
  });

  it('asks indexes alone for devices, however many there are', async () => {
    const { sql } = scene.database;
    await sql`
      insert into reports (tenant_id, device_id, content, content_hash, instance_id, state, due_since, next_try_at)
      select ${contoso}, gen_random_uuid(), json_build_object('deviceName', 'Seeded ' || n)::text, 'seeded', ${berlin},
        'completed', null, null
      from generate_series(1, 3000) n`;
    await sql`analyze reports`;
    const plan = await sql`
      explain select device_id from reports where tenant_id = ${contoso}
        and lower(content::jsonb ->> 'deviceName') like lower('Seeded 29%')
      order by lower(content::jsonb ->> 'deviceName') using ~<~ limit 21`;
    const { devices } = await find('seeded 2999');
    expect(devices.results).toMatchObject([{ computerName: 'Seeded 2999', matched: 'computer-name' }]);
    expect(JSON.stringify(plan)).toContain('reports_device_name');
    expect(JSON.stringify(plan)).toContain("~>=~ 'seeded 29'");
  });

  it('is a page with links to what was found, every text escaped', async () => {
    const mac = await stored('berlin');
    const page = (await admin.open(`/search?q=${mac.serialNumber}`)).text;
    expect(page).toContain(`href="/tenants/${contoso}/devices/${mac.deviceId}"`);
    expect(page).toContain(`href="/tenants/${contoso}/instances/${berlin}"`);
    const hostile = (await admin.open(`/search?${new URLSearchParams({ q: '<b> "\'&' })}`)).text;
    expect(hostile).toContain('Search for &lt;b&gt; &quot;&#39;&amp;');
    expect(hostile).not.toContain('<b>');
    const theirs = (await admin.open('/search?q=Fabrikam')).text;
    expect(theirs).toContain('Fabrikam &lt;b&gt;&quot;&#39;&amp;');
    const long = await admin.open(`/search?q=${'a'.repeat(300)}`);
    expect([long.status, long.text.includes('longer than any name')]).toEqual([200, true]);
    expect((await admin.open('/search')).text).toContain('Search by a part of the name');
    const bound = await visitConsole(scene, await boundKey());
    expect((await bound.open('/search?q=munich')).text).toContain('Nothing that you may see is called that.');
  });
});
