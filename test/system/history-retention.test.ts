import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import {
  gatewayOrigin,
  type HistoryRow,
  historyHash,
  noTenant,
  recorded,
  trimHistory,
} from '../../src/store/history.ts';
import { verifyHistory } from '../../src/store/verify-history.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** `ESPALIER_HISTORY_DAYS`: what is older goes, and what is left is verified still. */
describe('retention of the history', () => {
  let database: TestDatabase;
  const log = createLog({ level: 'info', format: 'json', write: () => undefined });
  const dayMs = 86_400_000;
  const [long, short, young] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];

  /** A chain whose entries are so many days old, as Espalier would have written it. */
  async function writeChain(tenantId: string, days: readonly number[]): Promise<void> {
    let hash = '';
    const rows: (HistoryRow & { previousHash: string; hash: string })[] = [];
    for (const [at, age] of days.entries()) {
      const row: HistoryRow = {
        tenantId,
        sequence: at + 1,
        recordedAt: new Date(Date.now() - age * dayMs),
        authorKind: 'gateway',
        authorId: null,
        author: 'espalier',
        action: 'connection.hold',
        objectKind: 'connection',
        objectId: tenantId,
        objectName: null,
        before: null,
        after: '{"hold":null}',
        reason: null,
        requestId: null,
        source: null,
        approvedBy: null,
      };
      const next = await historyHash(hash, row);
      rows.push({ ...row, previousHash: hash, hash: next });
      hash = next;
    }
    const { sql } = database;
    for (let from = 0; from < rows.length; from += 1_000) {
      const some = rows.slice(from, from + 1_000);
      await sql`
        insert into history (tenant_id, sequence, recorded_at, author_kind, author, action, object_kind, object_id, after,
          previous_hash, hash)
        select ${tenantId}, n, at, 'gateway', 'espalier', 'connection.hold', 'connection', ${tenantId}, '{"hold":null}', p, h
        from unnest(${some.map((row) => row.sequence)}::int8[],
          ${some.map((row) => row.recordedAt.toISOString())}::timestamptz[],
          ${some.map((row) => row.previousHash)}::text[], ${some.map((row) => row.hash)}::text[]) as rows(n, at, p, h)`;
    }
    await sql`insert into history_heads (tenant_id, sequence, hash) values (${tenantId}, ${rows.length}, ${hash})`;
  }
  const left = async (tenantId: string): Promise<number[]> =>
    (
      await database.sql<{ sequence: number }[]>`
      select sequence from history where tenant_id = ${tenantId} order by sequence`
    ).map((row) => row.sequence);

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
    await writeChain(long, [...Array.from({ length: 2_500 }, () => 40), 10, 50, 5]);
    await writeChain(short, [40, 35, 31]);
    await writeChain(young, [3, 2]);
    await writeChain(noTenant, [60, 1]);
  });
  afterAll(() => database?.drop());

  it('keeps everything with 0', async () => {
    await trimHistory(database.sql, 0, log);
    expect(await verifyHistory(database.sql, undefined)).toEqual({ entries: 2_510, brokenAt: undefined });
  });

  it('takes the beginning of each chain, whichever process does it, and what is left is whole', async () => {
    const trims = [1, 2].map(() => trimHistory(database.sql, 30, log));
    const verified = verifyHistory(database.sql, undefined);
    await Promise.all(trims);
    expect((await verified).brokenAt).toBeUndefined();
    // An entry that seems older than the one before it stays until that one goes.
    expect(await left(long)).toEqual([2_501, 2_502, 2_503]);
    expect(await left(short)).toEqual([]);
    expect(await left(young)).toEqual([1, 2]);
    expect(await left(noTenant)).toEqual([2]);
    expect(await verifyHistory(database.sql, undefined)).toEqual({ entries: 6, brokenAt: undefined });
  });

  it('goes on with a chain of which nothing is left', async () => {
    await recorded(database.sql, gatewayOrigin, async (_tx, note) =>
      note({ tenantId: short, action: 'connection.release', object: { kind: 'connection', id: short } }),
    );
    expect(await left(short)).toEqual([4]);
    expect(await verifyHistory(database.sql, [short])).toEqual({ entries: 1, brokenAt: undefined });
  });

  it('does not hide what was taken away beside it', async () => {
    const { sql } = database;
    await sql`delete from history where tenant_id = ${long} and sequence = 2501`;
    expect((await verifyHistory(sql, [long])).brokenAt).toEqual({
      tenantId: long,
      sequence: 2_501,
      fault: 'missing',
    });
    expect((await verifyHistory(sql, [young])).brokenAt).toBeUndefined();
  });
});
