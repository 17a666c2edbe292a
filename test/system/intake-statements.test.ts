/** What one statement of the intake takes, told by the transaction that wrote a row, on a real database. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createIntake, type Intake, type PushedRecord } from '../../src/delivery/intake.ts';
import { mebibyte, recordBytesTogether, recordsTogether } from '../../src/limits.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

interface Statement {
  readonly rows: number;
  readonly characters: number;
}

describe.each([
  { where: 'on Node', sharing: 'process' },
  { where: 'on Workers', sharing: 'request' },
] as const)('a statement that keeps pushed records $where', ({ sharing }) => {
  let database: TestDatabase;
  let intake: Intake;
  let origin = { tenantId: '', instanceId: '', traceparent: null };
  let lastId = 0;

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    const { sql } = database;
    const [tenantId, instanceId] = [crypto.randomUUID(), crypto.randomUUID()];
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}')`;
    await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${tenantId}, ${instanceId}, 'x', 'https://jamf.example', 'x', '{}')`;
    origin = { tenantId, instanceId, traceparent: null };
    lastId = 0;
    intake = createIntake({ sql, onDue: () => undefined, sharing });
  });

  /** A record of so many characters. */
  const recordOf = (characters: number): PushedRecord => ({
    jamfComputerId: ++lastId,
    text: JSON.stringify({ x: 'x'.repeat(characters - 8) }),
    reportAt: null,
  });
  const lot = (records: number, characters: number): PushedRecord[] =>
    Array.from({ length: records }, () => recordOf(characters));
  const push = async (lots: readonly (readonly PushedRecord[])[]): Promise<Statement[]> => {
    await Promise.all(lots.map((records) => intake.storeRecords(origin, records)));
    return database.sql<Statement[]>`
      select count(*)::int as rows, sum(length(pushed_record))::int as characters from computers
      where tenant_id = ${origin.tenantId} group by xmin::text`;
  };
  const rowsOf = (statements: readonly Statement[]): number =>
    statements.reduce((sum, { rows }) => sum + rows, 0);

  it('takes one record of 1 MiB, however many come at the same time', async () => {
    const statements = await push(Array.from({ length: 10 }, () => lot(1, mebibyte)));
    expect(statements).toEqual(Array.from({ length: 10 }, () => ({ rows: 1, characters: mebibyte })));
  });

  it('takes no more than its bound of rows and of text, in whatever lots they come', async () => {
    const lots = [
      [...lot(127, 4_000), recordOf(mebibyte)],
      lot(20, 100_000),
      lot(1_800, 20),
      lot(3, recordBytesTogether - 1),
      ...Array.from({ length: 40 }, () => lot(4, 30_000)),
    ];
    const statements = await push(lots);
    expect(rowsOf(statements)).toBe(lots.flat().length);
    expect(Math.max(...statements.map(({ rows }) => rows))).toBeLessThanOrEqual(recordsTogether);
    const several = statements.filter(({ rows }) => rows > 1);
    expect(Math.max(...several.map(({ characters }) => characters))).toBeLessThanOrEqual(recordBytesTogether);
  });

  it.runIf(sharing === 'process')('is shared by ordinary records that come together', async () => {
    const statements = await push(Array.from({ length: 256 }, () => lot(1, 4_000)));
    expect(rowsOf(statements)).toBe(256);
    expect(statements.length).toBeLessThanOrEqual(6);
  });
});
