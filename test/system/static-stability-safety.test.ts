import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { addOperator, type EntraPerson, operatorsTenant, tokenOf } from '../harness/entra-operator.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  bootstrapKey,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startProcess,
  startScene,
} from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';
import { type OwnPostgres, startOwnPostgres } from '../harness/own-postgres.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** What the snapshot must not serve, whom it lets in, and how a start ends that it must not hide (docs/snapshot.md). */

describe('a snapshot that serves', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-static-safety-'));
  let scene: Scene;
  let database: OwnPostgres;
  let sql: Sql;
  let tenantId: string;
  let otherTenantId: string;
  let goneTenantId: string;
  let instances: Map<string, AddedInstance>;
  const tokens = new Map<string, string>();
  let admin: EntraPerson;
  let bound: EntraPerson;
  /** Written at the end of the process that knew all of it. */
  let writtenAtMs = 0;

  beforeAll(async () => {
    database = await startOwnPostgres(dir);
    sql = openDatabase(database.url, { connections: 1, applicationName: 'test' });
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'berlin', macs: 2 },
              { name: 'paris', macs: 1 },
            ],
          },
          { displayName: 'Fabrikam', instances: [{ name: 'oslo', macs: 1 }] },
          { displayName: 'Gone', instances: [{ name: 'rome', macs: 1 }] },
        ],
      },
      environment: { ESPALIER_LOG_LEVEL: 'info', ESPALIER_OPERATOR_TENANTS: operatorsTenant },
    });
    await scene.startOn({ url: database.url, sql, drop: () => sql.end() });
    const ids = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string, string];
    [tenantId, otherTenantId, goneTenantId] = ids;
    instances = new Map();
    for (const id of ids) {
      for (const [name, added] of await connectTenant(scene, id)) instances.set(name, added);
      tokens.set(id, await callerToken(scene, id));
    }
    for (const mac of scene.world.fleet.truth())
      await sendWebhook(scene, instances.get(mac.instance)!, mac.jamfComputerId);
    for (const mac of scene.world.fleet.truth())
      await eventually(
        async () => expect((await device(mac.tenantId, mac.deviceId)).status).toBe(200),
        20_000,
      );
    admin = addOperator(scene, operatorsTenant, 'ada', 'Espalier.Admin');
    bound = addOperator(scene, operatorsTenant, 'bob', 'Espalier.Viewer');
    const assigned = await scene.api('PUT', `/operators/${bound.entraTenantId}:${bound.objectId}`, {
      tenants: [otherTenantId],
    });
    expect(assigned.status, assigned.text).toBe(200);
    // What is ended before the snapshot is written.
    expect(
      (await scene.api('POST', `/tenants/${tenantId}/instances/${instances.get('paris')!.id}/pause`)).status,
    ).toBe(200);
    expect((await scene.api('DELETE', `/tenants/${goneTenantId}?force=true`)).status).toBe(200);
    await scene.gateway.stop();
    writtenAtMs = Date.now();
  }, 120_000);
  afterAll(async () => {
    await database?.start();
    await scene?.close();
    await sql?.end({ timeout: 2 });
    await database?.stop('fast');
    rmSync(dir, { recursive: true, force: true });
  }, 120_000);

  const macOf = (name: string) => scene.world.fleet.truth().find(({ instance }) => instance === name)!;
  const device = (of: string, id: string) =>
    scene.data(`/t/${of}/devices/${id}/compliance`, {
      headers: { authorization: `Bearer ${tokens.get(of)}` },
    });
  const api = async (person: EntraPerson, role: string, path: string, agoSeconds = 0): Promise<Answer> =>
    scene.api('GET', path, undefined, await tokenOf(scene, person, role, agoSeconds));
  const lines = (event: string): { readonly [field: string]: unknown }[] =>
    scene.gateway
      .output()
      .split('\n')
      .filter((line) => line.includes(`"event":"${event}"`))
      .map((line) => JSON.parse(line));
  const killed = async (): Promise<void> => {
    if (scene.gateway.process.exitCode === null && scene.gateway.process.signalCode === null)
      await scene.gateway.kill();
  };
  /** What a start writes that has to end by itself, beside its log. */
  const failedStart = async (environment: Record<string, string>) => {
    const { code, stderr } = await runCommand(['serve'], {
      environment: { ...scene.environment, ...environment },
    });
    return { code, stderr: stderr.trim().split('\n') };
  };
  const wrongPassword = (): string => {
    const url = new URL(database.url);
    url.password = 'wrong';
    return url.href;
  };

  it('does not serve where the database refuses: the start ends in one line', async () => {
    expect(await failedStart({ DATABASE_URL: wrongPassword() })).toEqual({
      code: 1,
      stderr: [expect.stringMatching(/^DATABASE_URL .*password is refused/)],
    });
    const absent = new URL(database.url);
    absent.pathname = '/absent';
    expect(await failedStart({ DATABASE_URL: absent.href })).toEqual({
      code: 1,
      stderr: [expect.stringMatching(/^DATABASE_URL .*no such database/)],
    });
  }, 60_000);

  it('keeps what was ended before it was written: a paused instance, a deleted tenant', async () => {
    await database.stop('fast');
    await scene.start();
    expect(lines('snapshot.serves')).toHaveLength(1);
    const berlin = macOf('berlin');
    expect((await device(tenantId, berlin.deviceId)).status).toBe(200);
    const paused = await device(tenantId, macOf('paris').deviceId);
    expect([paused.status, paused.json.type]).toEqual([503, expect.stringMatching(/instance-paused$/)]);
    const gone = await device(goneTenantId, macOf('rome').deviceId);
    expect([gone.status, gone.json.type]).toEqual([503, expect.stringMatching(/store-unavailable$/)]);
    expect((await scene.data(`/t/${goneTenantId}/enroll`)).status).toBe(503);
  }, 60_000);

  it('lets operators of Entra read what is in memory, and says that and how old it is', async () => {
    const degraded = /^database; age=\d+$/;
    const berlin = instances.get('berlin')!;
    const tenants = await api(admin, 'Espalier.Admin', '/tenants');
    expect(tenants.headers['x-espalier-degraded']).toMatch(degraded);
    expect([tenants.status, tenants.json.totalCount]).toEqual([200, 2]);
    expect(tenants.json.results.map((one: { displayName: string }) => one.displayName)).toEqual([
      'Contoso',
      'Fabrikam',
    ]);
    const page = await api(admin, 'Espalier.Viewer', '/tenants?page=1&page-size=1');
    expect(page.json).toMatchObject({ totalCount: 2, results: [{ tenantId: otherTenantId }] });
    const tenant = await api(admin, 'Espalier.Viewer', `/tenants/${tenantId}`);
    expect(tenant.json).toMatchObject({ tenantId, connectionState: 'connected' });
    expect(tenant.json).not.toHaveProperty('application');
    const list = await api(admin, 'Espalier.Viewer', `/tenants/${tenantId}/instances`);
    expect(
      list.json.results.map(({ name, paused }: { name: string; paused: boolean }) => [name, paused]),
    ).toEqual([
      ['berlin', false],
      ['paris', true],
    ]);
    const one = await api(admin, 'Espalier.Viewer', `/tenants/${tenantId}/instances/${berlin.id}`);
    expect(one.json).toMatchObject({ id: berlin.id, enabled: true });
    expect(JSON.stringify([list.json, one.json])).not.toMatch(/secretSealed|v1\./);
    const { deviceId, jamfComputerId } = macOf('berlin');
    const route = await api(admin, 'Espalier.Viewer', `/tenants/${tenantId}/devices/${deviceId}`);
    expect(route.json).toEqual({
      ...{ id: deviceId, deviceId, tenantId },
      ...{ instanceId: berlin.id, jamfComputerId: String(jamfComputerId) },
    });
    for (const path of ['/version', '/clouds', '/settings']) {
      const answer = await api(admin, 'Espalier.Viewer', path);
      expect([path, answer.status]).toEqual([path, 200]);
      expect(answer.headers['x-espalier-degraded']).toMatch(degraded);
    }
  });

  it('has the command line say beside the answer that it is from memory', async () => {
    writeFileSync(join(dir, 'trust.pem'), scene.trust);
    const environment = {
      ESPALIER_URL: scene.gateway.admin,
      ESPALIER_API_KEY: await tokenOf(scene, admin, 'Espalier.Viewer'),
      ESPALIER_CA_FILE: join(dir, 'trust.pem'),
    };
    for (const [args, word] of [
      [['tenants', 'list'], 'Contoso'],
      [['instances', 'list', '--tenant', tenantId], 'berlin'],
    ] as const) {
      const { code, stderr, stdout } = await runCommand(args, { environment });
      expect([code, stdout], stderr).toEqual([0, expect.stringContaining(word)]);
      expect(stderr).toMatch(
        /^espalier: the server's database is away: this is from its memory, \d+ seconds old/,
      );
    }
  }, 60_000);

  it('answers 503 to everything else of the admin API, to keys, and to tokens older than fifteen minutes', async () => {
    const refused = [
      () => api(admin, 'Espalier.Admin', '/tenants?filter=displayName==Contoso'),
      () => api(admin, 'Espalier.Admin', '/tenants?sort=displayName:desc'),
      () => api(admin, 'Espalier.Admin', `/tenants/${tenantId}/devices`),
      () => api(admin, 'Espalier.Admin', '/reports'),
      () => api(admin, 'Espalier.Admin', `/tenants/${crypto.randomUUID()}`),
      async () =>
        scene.api(
          'PATCH',
          `/tenants/${tenantId}`,
          { displayName: 'x' },
          await tokenOf(scene, admin, 'Espalier.Admin'),
        ),
      () => scene.api('GET', '/tenants', undefined, bootstrapKey),
      () => scene.api('GET', '/version', undefined, `esp_${'x'.repeat(43)}`),
      () => api(admin, 'Espalier.Admin', '/tenants', 15 * 60),
      () => api(admin, 'Espalier.Admin', '/version', 15 * 60),
    ];
    for (const ask of refused) {
      const answer = await ask();
      expect([answer.status, answer.json.type], answer.text).toEqual([
        503,
        expect.stringMatching(/store-unavailable$/),
      ]);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    expect((await api(admin, 'Espalier.Admin', '/tenants', 15 * 60)).json.detail).toContain('15 minutes');
    expect((await api(admin, 'Espalier.Admin', '/tenants', 14 * 60)).status).toBe(200);
  });

  it('binds operators as they were bound when it was written', async () => {
    const seen = await api(bound, 'Espalier.Viewer', '/tenants');
    expect(seen.json).toMatchObject({ totalCount: 1, results: [{ tenantId: otherTenantId }] });
    expect((await api(bound, 'Espalier.Viewer', `/tenants/${otherTenantId}`)).status).toBe(200);
    for (const path of ['', '/instances', `/devices/${macOf('berlin').deviceId}`])
      expect((await api(bound, 'Espalier.Viewer', `/tenants/${tenantId}${path}`)).status).toBe(404);
    expect((await api(bound, 'Espalier.Viewer', '/settings')).status).toBe(403);
  });

  it('has the console say in words that the database is away', async () => {
    const page = (path: string, headers: Record<string, string>) =>
      call(`${scene.gateway.admin}${path}`, {
        ca: scene.trust,
        headers: { accept: 'text/html', ...headers },
      });
    const cookie = `__Host-espalier=${'x'.repeat(43)}`;
    for (const path of ['/', '/tenants', `/tenants/${tenantId}`]) {
      const english = await page(path, { cookie });
      expect([english.status, english.text], path).toEqual([
        503,
        expect.stringContaining('The database is away'),
      ]);
      expect(Number(english.headers['retry-after'])).toBeGreaterThan(0);
    }
    const french = await page('/', { cookie, 'accept-language': 'fr' });
    expect(french.text).toContain('La base de données est inaccessible');
    // People at a Mac are told less.
    const own = await scene.data(`/t/${crypto.randomUUID()}/enroll`, { headers: { accept: 'text/html' } });
    expect([own.status, own.text]).toEqual([503, expect.not.stringContaining('database')]);
  });

  it('ends with the process when the database comes back and refuses, or is another deployment’s', async () => {
    await killed();
    await scene.start({ DATABASE_URL: wrongPassword() });
    expect((await device(tenantId, macOf('berlin').deviceId)).status).toBe(200);
    const refused = new Promise<number | null>((resolve) => scene.gateway.process.on('exit', resolve));
    await database.start();
    expect(await refused).toBe(1);
    expect(scene.gateway.output()).toMatch(/^DATABASE_URL .*password is refused/m);

    const kept = await sql<{ id: string; sealed: string }[]>`
      update instances i set api_secret_sealed = regexp_replace(i.api_secret_sealed, '^v1\\.[^.]+', 'v1.another0')
      from instances o where o.instance_id = i.instance_id
      returning i.instance_id as id, o.api_secret_sealed as sealed`;
    await database.stop('fast');
    await scene.start({ DATABASE_URL: database.url });
    const foreign = new Promise<number | null>((resolve) => scene.gateway.process.on('exit', resolve));
    await database.start();
    expect(await foreign).toBe(1);
    expect(scene.gateway.output()).toMatch(/^DATABASE_URL .*another deployment's/m);
    for (const { id, sealed } of kept)
      await sql`update instances set api_secret_sealed = ${sealed} where instance_id = ${id}`;
  }, 120_000);

  it('is of no use to a process that only delivers', async () => {
    await database.stop('fast');
    const worker = startProcess({ ...scene.environment }, 'worker');
    let isReady = false;
    const ready = worker.then((found) => {
      isReady = true;
      return found;
    });
    await wait(3_000);
    expect(isReady).toBe(false);
    await database.start();
    const found = await ready;
    expect(found.output()).not.toContain('snapshot.');
    expect(await found.stop()).toBe(0);
  }, 60_000);

  it('serves no longer than allowed, and is not loaded when it is older', async () => {
    await database.stop('fast');
    const age = () => (Date.now() - writtenAtMs) / 1_000;
    const maxAge = Math.max(60, Math.ceil(age()) + 8);
    await scene.start({ ESPALIER_SNAPSHOT_MAX_AGE_SECONDS: String(maxAge) });
    const { deviceId } = macOf('berlin');
    expect((await device(tenantId, deviceId)).status).toBe(200);
    await eventually(async () => expect((await device(tenantId, deviceId)).status).toBe(503), 90_000);
    expect(age()).toBeGreaterThan(maxAge - 2);
    const answer = await device(tenantId, deviceId);
    expect(answer.json.type).toMatch(/store-unavailable$/);
    expect((await scene.data(`/t/${tenantId}/enroll?deviceId=${deviceId}`)).status).toBe(503);
    expect((await api(admin, 'Espalier.Admin', '/tenants')).status).toBe(503);
    expect((await fetch(`${scene.gateway.ops}/health/ready`)).status).toBe(503);
    expect((await fetch(`${scene.gateway.ops}/health/live`)).status).toBe(200);

    await scene.gateway.kill();
    const started = scene.start();
    await eventually(async () => expect((await device(tenantId, deviceId)).status).toBe(503), 20_000);
    await wait(2_000);
    await database.start();
    await started;
    expect(lines('snapshot.not-used')).toEqual([expect.objectContaining({ cause: 'too-old' })]);
    expect(lines('ready')[0]).not.toHaveProperty('degraded');
    expect((await device(tenantId, deviceId)).status).toBe(200);
  }, 240_000);
});
