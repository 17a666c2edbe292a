import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { importedReadBatch, importPage } from '../../src/limits.ts';
import { applyImport } from '../../src/routing/imports/apply-import.ts';
import { readImported } from '../../src/routing/imports/read-imported.ts';
import { createStage, sortRows, stageRows } from '../../src/routing/imports/staged-rows.ts';
import { placeDevice } from '../../src/routing/place-device.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** What follows an import of many devices, and what holds without a foreign key for each of their rows. */

const by = { author: 'somebody', reason: 'because' };
const devices = 2 * importedReadBatch + 7;

describe('the computers of imported devices', () => {
  let database: TestDatabase;
  let sql: Sql;
  let tenantId: string;
  let instances: string[];
  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
    sql = database.sql;
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    tenantId = crypto.randomUUID();
    instances = [crypto.randomUUID(), crypto.randomUUID()];
    await sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'One', 'device-compliance', 'cloud-connector', '{"choice":"default"}')`;
    for (const instanceId of instances) {
      await sql`
        insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_ref, compliance)
        values (${tenantId}, ${instanceId}, ${instanceId}, 'https://jamf.example', 'id', 'env:X', '{"source":"jamf"}')`;
    }
  });

  async function bring(
    deviceIds: readonly string[],
    mode: 'partial' | 'atomic',
    onRows: () => void = () => undefined,
  ): Promise<void> {
    const bulk = openDatabase(database.url, { connections: 1, applicationName: 'bulk', lasting: true });
    try {
      await createStage(bulk);
      const instanceId = instances[0]!;
      await stageRows(
        bulk,
        deviceIds.map((deviceId, at) => ({
          ...{ line: at + 1, deviceId, instanceId, jamfComputerId: at + 1 },
          ...{ serialNumber: null, udid: null, pinned: false },
        })),
      );
      await sortRows(bulk, 10);
      const nothing = async (): Promise<void> => undefined;
      await applyImport(bulk, {
        ...{ tenantId, mode, by, instanceIds: [instanceId], record: nothing },
        ...{ onCommit: () => undefined, onRows },
      });
    } finally {
      await bulk.end({ timeout: 1 });
    }
  }

  const ids = (count: number): string[] => Array.from({ length: count }, () => crypto.randomUUID());
  const computers = async (): Promise<number[]> =>
    (
      await sql`select jamf_computer_id as id from computers
        where tenant_id = ${tenantId} and wanted_revision > done_revision order by 1`
    ).map(({ id }) => id);
  /** As if the time had passed that the batch before takes to be read. */
  const hurry = () => sql`update route_reads set next_at = now() where tenant_id = ${tenantId}`;
  const left = async (): Promise<number> =>
    (await sql`select 1 from route_reads where tenant_id = ${tenantId}`).length;

  it.each(['partial', 'atomic'] as const)(
    'become due batch by batch, every one of them once (%s)',
    async (mode) => {
      await bring(ids(devices), mode);
      expect(await computers()).toHaveLength(0);
      await readImported(sql);
      expect(await computers()).toHaveLength(importedReadBatch);
      await readImported(sql);
      expect(await computers(), 'the batch before takes its time').toHaveLength(importedReadBatch);
      await hurry();
      await readImported(sql);
      await hurry();
      await readImported(sql);
      expect(await computers()).toEqual(Array.from({ length: devices }, (_, at) => at + 1));
      expect(await left()).toBe(0);
      const [revision] = await sql`
      select max(wanted_revision) as most from computers where tenant_id = ${tenantId}`;
      expect(revision!.most).toBe(1);
    },
  );

  it('an analysis in the middle of an import that is not committed does not make it look at every route', async () => {
    const reads = async (): Promise<number> =>
      (
        await sql`select idx_tup_read as n from pg_stat_user_indexes where indexrelname = 'routes_instance'`
      )[0]!.n;
    await sql`truncate routes`;
    const before = Number(await reads());
    const analyses: Promise<unknown>[] = [];
    await bring(ids(4 * importPage), 'atomic', () => {
      analyses.push(sql`analyze routes`.execute());
    });
    await Promise.all(analyses);
    // The statistics come a moment after the commit; the connection has ended, so they have come.
    expect(Number(await reads()) - before).toBeLessThan(importPage);
  });

  it('a second import while the first one waits leaves none of either out', async () => {
    await bring(ids(devices), 'partial');
    await readImported(sql);
    await bring(ids(devices + 20), 'atomic');
    for (let turn = 0; (await left()) > 0 && turn < 20; turn += 1) {
      await hurry();
      await readImported(sql);
    }
    expect(await computers()).toHaveLength(devices + 20);
  });

  it('two processes at once make the same batch due once', async () => {
    await bring(ids(devices), 'atomic');
    await Promise.all([readImported(sql), readImported(sql), readImported(sql)]);
    expect(await computers()).toHaveLength(importedReadBatch);
  });

  it('a device that was placed elsewhere since counts with the computer that it has', async () => {
    const [device = ''] = ids(1);
    await bring([device], 'partial');
    const elsewhere = { instanceId: instances[1]!, jamfComputerId: 77, pinned: false };
    await placeDevice(sql, tenantId, device, elsewhere, by, () => undefined);
    await readImported(sql);
    expect(await computers()).toEqual([77]);
    expect(await left()).toBe(0);
  });

  it('a route to an instance that is not there is refused, and an instance with routes stays', async () => {
    const [device = ''] = ids(1);
    await bring([device], 'partial');
    await expect(sql`delete from instances where tenant_id = ${tenantId} and instance_id = ${instances[0]!}`)
      .rejects //
      .toMatchObject({ code: '23503' });
    await expect(sql`update routes set instance_id = ${crypto.randomUUID()} where tenant_id = ${tenantId}`)
      .rejects //
      .toMatchObject({ code: '23503' });
    await expect(sql`
      insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
      values (${tenantId}, ${crypto.randomUUID()}, ${crypto.randomUUID()}, 1, 'placed', 1)`)
      .rejects //
      .toMatchObject({ code: '23503' });
    await sql`delete from instances where tenant_id = ${tenantId} and instance_id = ${instances[1]!}`;
  });

  it('an instance that is removed while a route to it is written: one of the two fails', async () => {
    const instanceId = instances[1]!;
    const written = Promise.withResolvers<void>();
    const mayEnd = Promise.withResolvers<void>();
    const writing = sql.begin(async (tx) => {
      await tx`
        insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
        values (${tenantId}, ${crypto.randomUUID()}, ${instanceId}, 1, 'placed', 1)`;
      written.resolve();
      await mayEnd.promise;
    });
    await written.promise;
    const removing =
      sql`delete from instances where tenant_id = ${tenantId} and instance_id = ${instanceId}`.then(
        () => 'removed',
        (error: { code?: string }) => error.code,
      );
    mayEnd.resolve();
    await writing;
    expect(await removing).toBe('23503');
  });

  it('a tenant takes its versions and their lines along, and begins anew when it comes back', async () => {
    await bring(ids(3), 'partial');
    await sql`delete from routes where tenant_id = ${tenantId}`;
    await sql`delete from tenants where tenant_id = ${tenantId}`;
    for (const table of ['route_changes', 'route_versions', 'route_reads']) {
      expect(await sql`select 1 from ${sql(table)} where tenant_id = ${tenantId}`, table).toHaveLength(0);
    }
  });
});
