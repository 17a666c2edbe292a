import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unnoted } from '../../src/store/history.ts';
import { insertInstanceKey, removeInstanceKey } from '../../src/store/instance-keys.ts';
import { createInstanceDirectory, noteTest, readInstance } from '../../src/store/instances/instance.ts';
import { resealSecrets } from '../../src/store/instances/secret.ts';
import {
  changeInstance,
  enableInstance,
  insertInstance,
  pauseInstance,
  removeInstance,
} from '../../src/store/instances/settings.ts';
import { changesOf, nextVersion, writeRoutes } from '../../src/store/routes/routes.ts';
import { createServedReader, maxMoved, type ServedVersion } from '../../src/store/served.ts';
import { markLastInstance, moveConnection, recordProvisioned } from '../../src/store/tenants/connection.ts';
import {
  recordHeartbeat,
  retryHeartbeat,
  takeHeartbeat,
  takeResync,
} from '../../src/store/tenants/heartbeat.ts';
import { clearHold, holdTenant, pauseTenant, silenceTenant } from '../../src/store/tenants/hold.ts';
import {
  changeTenant,
  insertTenant,
  removeTenant,
  switchConnection,
} from '../../src/store/tenants/settings.ts';
import { createTenantDirectory, readTenant } from '../../src/store/tenants/tenant.ts';
import {
  suspectPermissions,
  takePartnerWatch,
  takePermissionWatch,
  writePartnerState,
  writePermissions,
} from '../../src/store/tenants/watches.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** Every verb that changes what is served of a tenant raises its version; upkeep, which is written all the time, does not. */

const tenantId = randomUUID();
const neighbourId = randomUUID();
const ids = { tenantId, instanceId: randomUUID() };
const keyId = randomUUID();
const settings = {
  name: 'berlin',
  url: 'https://berlin.example.test',
  apiClientId: 'client',
  apiSecretSealed: 'sealed',
  apiSecretRef: null,
  compliance: { source: 'jamf' as const },
  caCertificate: null,
  clientCertificateSha256: null,
};

describe('the version of what is served of a tenant', () => {
  let database: TestDatabase;
  let sql: TestDatabase['sql'];
  let read: ReturnType<typeof createServedReader>;

  const versionOf = async (of: string, routesFrom?: number): Promise<ServedVersion> => {
    const { tenants } = await read([{ tenantId: of, routesFrom }]);
    return tenants[0]!;
  };
  const insert = (of: string) =>
    sql.begin((tx) =>
      insertTenant(tx, {
        tenantId: of,
        cloud: 'public',
        displayName: 'Contoso',
        mode: 'device-compliance',
        connectionType: 'cloud-connector',
        landing: { choice: 'default' },
        partnerGroup: null,
        tags: [],
        application: null,
      }),
    );
  /** What a verb does to the version of its tenant; the neighbour's must stay. */
  async function raises(verb: () => PromiseLike<unknown>): Promise<boolean> {
    const [before, beside] = [await versionOf(tenantId), await versionOf(neighbourId)];
    await verb();
    const after = await versionOf(tenantId);
    expect(after.served).toBeGreaterThanOrEqual(before.served);
    expect((await versionOf(neighbourId)).served).toBe(beside.served);
    return after.served > before.served;
  }
  const tenant = async () => (await readTenant(sql, tenantId))!;
  const instance = async () => (await readInstance(sql, ids.tenantId, ids.instanceId))!;

  beforeAll(async () => {
    database = await createTestDatabase();
    ({ sql } = database);
    read = createServedReader(sql);
    await insert(neighbourId);
  });
  afterAll(async () => database?.drop());

  it('is 0 before there is such a tenant', async () => {
    expect(await versionOf(tenantId)).toEqual({ tenantId, served: 0, routes: 0, moved: undefined });
    expect(await read([])).toMatchObject({ tenants: [] });
  });

  it.each<[string, () => PromiseLike<unknown>]>([
    ['insertTenant', () => insert(tenantId)],
    [
      'changeTenant',
      async () => sql.begin(async (tx) => changeTenant(tx, await tenant(), { displayName: 'C' })),
    ],
    [
      'changeTenant',
      async () =>
        sql.begin(async (tx) => changeTenant(tx, await tenant(), { landing: { choice: 'denied' } })),
    ],
    [
      'switchConnection',
      () =>
        sql.begin((tx) =>
          switchConnection(tx, tenantId, { mode: 'conditional-access', connectionType: 'manual' }),
        ),
    ],
    ['moveConnection', () => sql.begin((tx) => moveConnection(tx, tenantId, () => 'connected'))],
    ['recordProvisioned', () => sql.begin((tx) => recordProvisioned(tx, tenantId, 5))],
    ['pauseTenant', () => sql.begin((tx) => pauseTenant(tx, tenantId, true))],
    ['insertInstance', () => sql.begin((tx) => insertInstance(tx, { ...ids, ...settings }))],
    [
      'changeInstance',
      async () =>
        sql.begin(async (tx) => changeInstance(tx, await instance(), { url: 'https://b.example.test' })),
    ],
    ['pauseInstance', () => sql.begin((tx) => pauseInstance(tx, ids, true))],
    ['enableInstance', () => sql.begin((tx) => enableInstance(tx, ids, false))],
    ['noteTest of another version', () => noteTest(sql, ids, { error: null, version: '11.0.0' })],
    ['resealSecrets', () => resealSecrets(sql, [{ ...ids, sealed: 'sealed', anew: 'anew' }])],
    [
      'insertInstanceKey',
      () => insertInstanceKey(sql, { ...ids, keyId, name: 'k', keyHash: 'h', prefix: 'esp_k' }),
    ],
    ['removeInstanceKey', () => sql.begin((tx) => removeInstanceKey(tx, ids, keyId))],
    [
      'a new move',
      () => sql`
        insert into moves (tenant_id, move_id, from_instance_id, to_instance_id, step_percent, shadow, author, reason)
        values (${tenantId}, gen_random_uuid(), ${ids.instanceId}, gen_random_uuid(), 10, true, 'a', 'r')`,
    ],
    [
      'a move whose calls are compared',
      () => sql`update moves set state = 'shadowing' where tenant_id = ${tenantId}`,
    ],
    ['a move that is paused', () => sql`update moves set paused = true where tenant_id = ${tenantId}`],
  ])('is raised by %s', async (_name, verb) => {
    expect(await raises(verb)).toBe(true);
  });

  it.each<[string, () => PromiseLike<unknown>]>([
    ['noteTest of the same version', () => noteTest(sql, ids, { error: 'no answer', version: '11.0.0' })],
    [
      'recordExchange',
      () => createInstanceDirectory(sql).recordExchange(ids.tenantId, ids.instanceId, 'down'),
    ],
    ['takeHeartbeat', () => takeHeartbeat(sql, tenantId, 5)],
    ['retryHeartbeat', () => retryHeartbeat(sql, tenantId, 5)],
    ['recordHeartbeat', () => recordHeartbeat(sql, tenantId, ['an error'])],
    ['takeResync', () => sql.begin((tx) => takeResync(tx, tenantId, 'once'))],
    ['markLastInstance', () => sql.begin((tx) => markLastInstance(tx, tenantId))],
    ['silenceTenant', () => silenceTenant(sql, tenantId, new Date(Date.now() + 60_000))],
    [
      'holdTenant',
      async () =>
        holdTenant(sql, createTenantDirectory(sql), await tenant(), {
          cause: 'c',
          detail: 'd',
          remedy: 'r',
          owner: 'customer',
        }),
    ],
    ['clearHold', () => sql.begin((tx) => clearHold(tx, tenantId, unnoted))],
    ['takePartnerWatch', () => takePartnerWatch(sql, { everySeconds: 0, limit: 9 })],
    ['takePermissionWatch', () => takePermissionWatch(sql, { everySeconds: 0, limit: 9 })],
    ['writePartnerState', () => writePartnerState(sql, tenantId, { state: 'activated' } as never)],
    ['writePermissions', () => writePermissions(sql, tenantId, { missing: [], extra: [] } as never)],
    ['suspectPermissions', () => suspectPermissions(sql, tenantId)],
    [
      'how far a move is',
      () => sql`update moves set percent = 5, compared = 3, updated_at = now() where tenant_id = ${tenantId}`,
    ],
  ])('is left by %s', async (_name, verb) => {
    expect(await raises(verb)).toBe(false);
  });

  it('is left by the use of a key, and raised by its end with its instance', async () => {
    await insertInstanceKey(sql, { ...ids, keyId, name: 'k', keyHash: 'h', prefix: 'esp_k' });
    const use = () => sql`update instance_keys set last_used_at = now() where key_id = ${keyId}`;
    expect(await raises(use)).toBe(false);
    expect(await raises(() => sql.begin((tx) => removeInstance(tx, ids)))).toBe(true);
  });

  it('names the devices whose routes changed since a version of the routes', async () => {
    const place = (deviceIds: readonly string[]) =>
      sql.begin(async (tx) => {
        const version = await nextVersion(tx, tenantId);
        const writes = deviceIds.map((deviceId) => ({ deviceId, before: undefined, to: undefined }));
        await writeRoutes(
          tx,
          tenantId,
          version,
          changesOf(tx, writes, () => ({ author: 'test', reason: 'test' })),
        );
      });
    const [first, second] = [randomUUID(), randomUUID()];
    const { served } = await versionOf(tenantId);
    await place([first]);
    await place([second]);
    expect(await versionOf(tenantId)).toEqual({ tenantId, served, routes: 2, moved: undefined });
    expect((await versionOf(tenantId, 0)).moved).toEqual([first, second]);
    expect((await versionOf(tenantId, 1)).moved).toEqual([second]);
    expect((await versionOf(tenantId, 2)).moved).toEqual([]);
    expect((await versionOf(tenantId, 3)).moved).toBeUndefined();
    await place(Array.from({ length: maxMoved + 1 }, () => randomUUID()));
    expect((await versionOf(tenantId, 2)).moved).toBeUndefined();
    expect((await versionOf(neighbourId, 0)).moved).toEqual([]);
  });

  it('never comes again for a tenant that is deleted and made again, and is one that commits in order', async () => {
    const before = await versionOf(tenantId);
    await sql.begin((tx) => removeTenant(tx, tenantId));
    const gone = await versionOf(tenantId);
    expect(gone.served).toBeGreaterThan(before.served);
    await insert(tenantId);
    const again = await versionOf(tenantId);
    expect(again.served).toBeGreaterThan(gone.served);
    expect(again.routes).toBe(0);
    // Two writers at a time: the second waits for the first, and draws its version after it.
    const rename = async (): Promise<number> =>
      sql.begin(async (tx) => {
        await tx`update tenants set display_name = display_name || 'x' where tenant_id = ${tenantId}`;
        const [row] = await tx<{ version: number }[]>`
          select version from served_versions where tenant_id = ${tenantId}`;
        return row!.version;
      });
    const versions = await Promise.all([rename(), rename()]);
    expect(Math.max(...versions)).toBe((await versionOf(tenantId)).served);
  });
});
