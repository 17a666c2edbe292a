import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newestMigration } from '../../src/runtime/node-migrate.ts';
import { connectorRoles, type RegisteredApplication } from '../../src/simulator/microsoft/applications.ts';
import { grantApplication } from '../../src/simulator/microsoft/grants.ts';
import { beginConnection } from '../../src/simulator/microsoft/partner-lifecycle.ts';
import type { World } from '../../src/simulator/world.ts';
import { appliedMigration } from '../../src/store/migration-journal.ts';
import { createEmptyDatabase, type TestDatabase } from '../harness/database.ts';
import { unscheduled } from '../harness/due-rows.ts';
import { eventually } from '../harness/eventually.ts';
import { callerToken, type Scene, sendWebhook, startScene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** Ids of the dump, and keys that the older gateway gave out: the dump holds their hashes. */
const berlinId = '124370d0-5b17-4349-8446-5dc72b54c8da';
const paris = {
  id: '5065fcf6-664b-4e7a-936c-52dd39e9057e',
  key: 'esp_Gl1is16TkgLz3hYguAwTG7Peh-5anNgFW7FvLm8pPzI',
};
const operatorKey = 'esp_AYz8huYTObFvSIDI9NuyrYug2u1bg564HlwPW6nNyig';
const cookie = '__Host-espalier=KywQGczK-bNfe0DGa6J6VbwHiCDpG7sjORi1_12yLCY';
const tailspinApplication = {
  appId: 'b3f0c0de-0000-4000-8000-000000000001',
  clientSecret: 'the-secret-of-tailspin',
};
const entriesThen = 46;

const idsOf = (world: World): Record<string, string> =>
  Object.fromEntries(world.tenants.map(({ displayName, tenantId }) => [displayName, tenantId]));

/** As it was at Microsoft when the older gateway ended. */
function connectAtMicrosoft(world: World): void {
  const { applications, context, intune, settings } = world.cloud('public');
  const { clock, random } = context.world;
  const { Contoso, Fabrikam, Tailspin } = idsOf(world) as Record<string, string>;
  const connect = (tenantId: string, application: RegisteredApplication): void => {
    grantApplication(world.directory.tenant(tenantId)!, {
      application,
      effectiveAt: clock.now(),
      withRoles: true,
      newObjectId: random.guid,
    });
    const tenant = intune.tenant(tenantId);
    beginConnection(tenant, clock.now(), null);
    tenant.provisionedBy = application.appId;
  };
  const connector = applications.get(world.applications.get('public')!.connector.clientId)!;
  connect(Contoso!, connector);
  connect(Fabrikam!, connector);
  const { appId, clientSecret } = tailspinApplication;
  const own = applications.register({
    appId,
    displayName: 'Jamf of the tenant',
    secrets: [{ value: clientSecret }],
    requestedRoles: connectorRoles('device-compliance'),
  });
  connect(Tailspin!, own);
  settings.tenant(Tailspin!).intune.configuredAppId = appId;
}

async function loadDump(world: World): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  const dump = new URL('../fixtures/upgrade/before-owners.sql', import.meta.url);
  await database.sql.unsafe(readFileSync(dump, 'utf8')).simple();
  for (const [name, { url }] of world.instances)
    await database.sql`update instances set url = ${url} where name = ${name}`;
  // An upgrade takes moments: what waited is delivered and not read again.
  await database.sql`update watch set watched_at = now()`;
  return database;
}

/**
 * Today's gateway on the database of an older one (fixtures/upgrade/), which was left with work under way: a report due,
 * one held, one failed, a disconnect whose retraction was not told. Its world is the one of the same seed.
 */
describe('a database of an older version', () => {
  let scene: Scene;
  let tenants: Record<string, string>;

  const one = (name: string, count: number) => ({ name, macs: count, compliantShare: 1 });
  const cloud = () => scene.world.cloud('public');
  const told = (tenant: string, deviceId: string) =>
    cloud().intune.tenant(tenants[tenant]!).devices.get(deviceId)?.history.at(-1);
  const macOf = (instance: string, place: number) =>
    scene.world.fleet.truth().filter((mac) => mac.instance === instance)[place]!;
  const reportOf = async ({ deviceId }: { deviceId: string }) =>
    (
      await scene.database.sql`
        select state, reason, retracted, content_hash = '' as unhashed, content::jsonb -> 'managed' as managed
        from reports where device_id = ${deviceId}`
    )[0]!;
  beforeAll(async () => {
    scene = await startScene({
      world: {
        seed: 13,
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [one('berlin', 4), one('paris', 2)] },
          { displayName: 'Fabrikam', instances: [one('boston', 1)] },
          { displayName: 'Tailspin', instances: [one('tokyo', 1)] },
          { displayName: 'Wingtip', instances: [one('rome', 1)] },
          { displayName: 'Northwind', instances: [] },
          { displayName: 'Litware', instances: [] },
        ],
      },
      database: async (world) => {
        connectAtMicrosoft(world);
        return loadDump(world);
      },
      // The dump grows older with every day.
      environment: { ESPALIER_HISTORY_DAYS: '0', ESPALIER_ROUTE_HISTORY_DAYS: '0' },
    });
    tenants = idsOf(scene.world);
  });
  afterAll(() => scene?.close());

  it('has every migration applied, and every tenant in the state that it was in', async () => {
    expect(await appliedMigration(scene.database.sql)).toBe(await newestMigration());
    const listed = await scene.api('GET', '/tenants?page-size=10');
    const states = listed.json.results.map(
      (tenant: { displayName: string; connectionState: string }) =>
        [tenant.displayName, tenant.connectionState] as const,
    );
    expect(Object.fromEntries(states)).toMatchObject({
      Contoso: 'connected',
      Tailspin: 'connected',
      Wingtip: 'terminated',
      Northwind: 'new',
      Litware: 'disabled',
    });
  });

  it('has an entry for each schedule of what waits', async () => {
    expect(await unscheduled(scene.database.sql)).toBe(0);
  });

  it('has a history whose chains are whole', async () => {
    const { json } = await scene.api('GET', '/history/verify');
    expect(json).toMatchObject({ ok: true });
    expect(json.entries).toBeGreaterThanOrEqual(entriesThen);
  });

  it('lets in the keys and the session that were given out', async () => {
    const listed = await scene.api('GET', '/tenants', undefined, operatorKey);
    expect(listed.json.results).toMatchObject([{ tenantId: tenants.Contoso }]);
    const session = await call(`${scene.gateway.admin}/api/v1/session`, {
      ca: scene.trust,
      headers: { cookie, accept: 'application/json' },
    });
    expect(session.json).toMatchObject({ kind: 'user', role: 'admin' });
  });

  it('delivers what was due, and leaves what was held, failed or told', async () => {
    const due = macOf('berlin', 1);
    await eventually(async () => expect((await reportOf(due)).state).toBe('verified'));
    expect(told('Contoso', due.deviceId)).toMatchObject({
      deviceManagementState: 'managed',
      complianceStatus: 'compliant',
    });
    expect(await reportOf(macOf('berlin', 0))).toMatchObject({ state: 'verified', retracted: false });
    expect(await reportOf(macOf('berlin', 2))).toMatchObject({ state: 'held', reason: 'verdict-unknown' });
    expect(await reportOf(macOf('berlin', 3))).toMatchObject({ state: 'failed', reason: 'refused' });
    expect(told('Contoso', macOf('berlin', 0).deviceId)).toBeUndefined();
  });

  it('knows what was retracted, tells what was not told of it, and ends the disconnect that waited for that', async () => {
    for (const mac of [macOf('paris', 0), macOf('paris', 1), macOf('boston', 0)])
      expect(await reportOf(mac)).toMatchObject({ retracted: true, unhashed: true, managed: false });
    const others = await scene.database.sql`
      select 1 from reports where not retracted and (content_hash in ('', 'retracted') or not (content::jsonb -> 'managed')::bool)`;
    expect(others).toHaveLength(0);
    for (const [tenant, mac] of [
      ['Contoso', macOf('paris', 1)],
      ['Fabrikam', macOf('boston', 0)],
    ] as const) {
      await eventually(() =>
        expect(told(tenant, mac.deviceId)).toMatchObject({ deviceManagementState: 'notManaged' }),
      );
    }
    expect(told('Contoso', macOf('paris', 0).deviceId)).toBeUndefined();
    await eventually(async () => {
      const { json } = await scene.api('GET', `/tenants/${tenants.Fabrikam}`);
      expect(json.connectionState).toBe('disconnected');
    });
  });

  it('opens sealed secrets: of a tenant for Entra, of instances for Jamf Pro', async () => {
    const confirmed = await scene.api('POST', `/tenants/${tenants.Tailspin}/confirm`);
    expect(confirmed.json, confirmed.text).toMatchObject({ ok: true });
    const back = macOf('paris', 0);
    expect((await sendWebhook(scene, paris, back.jamfComputerId)).status).toBe(202);
    await eventually(async () =>
      expect(await reportOf(back)).toMatchObject({ state: 'verified', retracted: false, managed: true }),
    );
    expect(told('Contoso', back.deviceId)).toMatchObject({ deviceManagementState: 'managed' });
  });

  it('answers for a route', async () => {
    const { deviceId } = macOf('berlin', 0);
    const answer = await scene.data(`/t/${tenants.Contoso}/devices/${deviceId}/compliance`, {
      headers: { authorization: `Bearer ${await callerToken(scene, tenants.Contoso!)}` },
    });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json).toBeDefined();
    const explained = await scene.api('GET', `/tenants/${tenants.Contoso}/devices/${deviceId}/explain`);
    expect(explained.json).toMatchObject({
      instanceId: berlinId,
      rule: 'only-claim',
      previousDeviceIds: [expect.any(String)],
    });
  });

  it('goes on with the move and the approval', async () => {
    const moves = await scene.api('GET', `/tenants/${tenants.Contoso}/moves`);
    expect(moves.json.results).toMatchObject([{ state: 'planned', from: berlinId, to: paris.id }]);
    const approvals = await scene.api('GET', '/approvals');
    expect(approvals.json.results).toMatchObject([{ state: 'waiting', action: 'connection.resync' }]);
  });
});
