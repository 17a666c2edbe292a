import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordClaims } from '../../src/routing/claims.ts';
import { applyImport, type ImportMode } from '../../src/routing/imports/apply-import.ts';
import { createStage, sortRows, stageRows } from '../../src/routing/imports/staged-rows.ts';
import { placeDevice } from '../../src/routing/place-device.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/**
 * An import is PUT of each of its rows, but for what docs/import-export.md says: a row that says what is there leaves
 * the route as it is. Two tenants with the same past, one for each way, are compared.
 */

interface Past {
  /** Who claims the device, by instance: when the Mac enrolled there. */
  readonly claims: readonly { readonly instance: number; readonly day: number; readonly serial: boolean }[];
  readonly placed: { readonly instance: number; readonly computer: number; readonly pinned: boolean } | null;
}

interface Wanted {
  readonly instance: number;
  readonly computer: number;
  readonly pinned: boolean;
  readonly serial: boolean;
}

const by = { author: 'somebody', reason: 'because' };
const computers = [1, 2] as const;

describe('an import and the same rows by PUT', () => {
  let database: TestDatabase;
  let sql: Sql;
  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
    sql = database.sql;
  });
  afterAll(() => database?.drop());

  async function addTenant(): Promise<{ tenantId: string; instances: string[] }> {
    const tenantId = crypto.randomUUID();
    const instances = [crypto.randomUUID(), crypto.randomUUID()].sort();
    await sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'One', 'device-compliance', 'cloud-connector', '{"choice":"default"}')`;
    for (const instanceId of instances) {
      await sql`
        insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_ref, compliance)
        values (${tenantId}, ${instanceId}, ${instanceId}, 'https://jamf.example', 'id', 'env:X', '{"source":"jamf"}')`;
    }
    return { tenantId, instances };
  }

  const computerOf = (device: number, computer: number): number => device * 10 + computer;

  async function live(
    { instances, tenantId }: { tenantId: string; instances: string[] },
    devices: readonly string[],
    pasts: readonly Past[],
  ): Promise<void> {
    for (const [device, { claims, placed }] of pasts.entries()) {
      const deviceId = devices[device]!;
      if (placed) {
        const place = {
          instanceId: instances[placed.instance]!,
          jamfComputerId: computerOf(device, placed.computer),
          pinned: placed.pinned,
        };
        await placeDevice(sql, tenantId, deviceId, place, by, () => undefined);
      }
      for (const { day, instance, serial } of claims) {
        const at = new Date(Date.UTC(2025, 0, day));
        const claim = {
          instanceId: instances[instance]!,
          jamfComputerId: computerOf(device, 1),
          registrations: [{ deviceId, userId: null }],
          serialNumber: serial ? `S${device}` : null,
          ...{ udid: null, lastEnrolledAt: at, lastCheckInAt: at, reportAt: at },
        };
        await sql.begin((tx) => recordClaims(tx, tenantId, [claim], () => by));
      }
    }
  }

  /** Each tenant's instances by their place in the list: their ids are others. */
  async function table({ instances, tenantId }: { tenantId: string; instances: string[] }) {
    const rows = await sql<
      {
        deviceId: string;
        instanceId: string;
        jamfComputerId: number;
        pinned: boolean;
        rule: string;
        serialNumber: string | null;
        isPlaced: boolean;
      }[]
    >`
      select device_id as "deviceId", instance_id as "instanceId", jamf_computer_id as "jamfComputerId", pinned, rule,
        serial_number as "serialNumber", placed_at is not null as "isPlaced"
      from routes where tenant_id = ${tenantId} order by device_id`;
    return rows.map(({ instanceId, ...row }) => ({ ...row, instance: instances.indexOf(instanceId) }));
  }

  async function importRows(
    { instances, tenantId }: { tenantId: string; instances: string[] },
    devices: readonly string[],
    wanted: readonly (Wanted | null)[],
    mode: ImportMode,
  ) {
    const bulk = openDatabase(database.url, { connections: 1, applicationName: 'bulk' });
    try {
      await createStage(bulk);
      const rows = wanted.flatMap((one, device) =>
        one === null
          ? []
          : [
              {
                line: device + 2,
                deviceId: devices[device]!,
                instanceId: instances[one.instance]!,
                jamfComputerId: computerOf(device, one.computer),
                serialNumber: one.serial ? 'GIVEN' : null,
                udid: null,
                pinned: one.pinned,
              },
            ],
      );
      await stageRows(bulk, rows);
      await sortRows(bulk, 10);
      return await applyImport(bulk, {
        ...{ tenantId, mode, by, instanceIds: instances },
        record: async () => undefined,
        onCommit: () => undefined,
        onRows: () => undefined,
      });
    } finally {
      await bulk.end();
    }
  }

  async function putRows(
    tenant: { tenantId: string; instances: string[] },
    devices: readonly string[],
    wanted: readonly (Wanted | null)[],
  ): Promise<number> {
    let changed = 0;
    for (const [device, one] of wanted.entries()) {
      if (one === null) continue;
      const deviceId = devices[device]!;
      const before = (await table(tenant)).find((route) => route.deviceId === deviceId);
      const jamfComputerId = computerOf(device, one.computer);
      const isThere =
        before?.instance === one.instance &&
        before.jamfComputerId === jamfComputerId &&
        before.pinned === one.pinned;
      if (isThere) {
        if (one.serial)
          await sql`
            update routes set serial_number = 'GIVEN' where tenant_id = ${tenant.tenantId} and device_id = ${deviceId}`;
        continue;
      }
      const place = {
        ...{ instanceId: tenant.instances[one.instance]!, jamfComputerId, pinned: one.pinned },
        ...(one.serial ? { serialNumber: 'GIVEN' } : {}),
      };
      await placeDevice(sql, tenant.tenantId, deviceId, place, by, () => undefined);
      changed += 1;
    }
    return changed;
  }

  const instance = fc.integer({ min: 0, max: 1 });
  const computer = fc.constantFrom(...computers);
  const past: fc.Arbitrary<Past> = fc.record({
    claims: fc.uniqueArray(
      fc.record({ instance, day: fc.integer({ min: 1, max: 3 }), serial: fc.boolean() }),
      { selector: (one) => one.instance, maxLength: 2 },
    ),
    placed: fc.option(fc.record({ instance, computer, pinned: fc.boolean() })),
  });
  const wanted: fc.Arbitrary<Wanted | null> = fc.option(
    fc.record({ instance, computer, pinned: fc.boolean(), serial: fc.boolean() }),
    { freq: 10 },
  );

  it('leave the same routes behind, and say the same number of changes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(past, wanted), { minLength: 1, maxLength: 8 }),
        fc.constantFrom<ImportMode>('partial', 'atomic'),
        async (cases, mode) => {
          const pasts = cases.map(([one]) => one);
          const rows = cases.map(([, one]) => one);
          const devices = cases.map(() => crypto.randomUUID());
          const [imported, put] = [await addTenant(), await addTenant()];
          for (const tenant of [imported, put]) await live(tenant, devices, pasts);
          expect(await table(imported)).toEqual(await table(put));
          const { changed } = await importRows(imported, devices, rows, mode);
          expect(changed).toBe(await putRows(put, devices, rows));
          expect(await table(imported)).toEqual(await table(put));
        },
      ),
      {
        numRuns: 25,
        ...(process.env.ESPALIER_TEST_SEED ? { seed: Number(process.env.ESPALIER_TEST_SEED) } : {}),
      },
    );
  }, 180_000);
});
