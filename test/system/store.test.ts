import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** What `.ci/mend-postgres.mjs` mends: a database that restarts must neither end the process nor mix transactions. */
describe('the database client', () => {
  let database: TestDatabase;
  let sql: Sql;
  beforeAll(async () => {
    database = await createTestDatabase();
    sql = openDatabase(database.url, { connections: 1, applicationName: 'store-test' });
    await sql`create table written (what text)`;
  });
  afterAll(async () => {
    await sql.end({ timeout: 1 });
    await database.drop();
  });

  /** What is asked while the connection is dying may fail once; it must not hang or fail for ever. */
  const again = async <T>(query: () => PromiseLike<T>): Promise<T> => {
    for (let turn = 0; ; turn += 1) {
      try {
        return await query();
      } catch (error) {
        if (turn >= 20) throw error;
      }
    }
  };
  const cut = (): Promise<unknown> => database.sql`
    select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'store-test'`;

  it('runs nothing of a transaction whose connection was lost on the connection that follows', async () => {
    let rest: Promise<unknown> = Promise.resolve();
    const lost = sql.begin((tx) => {
      rest = (async () => {
        await tx`insert into written values ('before')`;
        await cut();
        await tx`select 1`.catch(() => undefined);
        // The one connection of this client is a new one by now, and another's.
        await again(() => sql`insert into written values ('another')`);
        await tx`insert into written values ('after')`;
      })();
      return rest;
    });
    await expect(lost).rejects.toThrow(/CONNECTION_CLOSED|terminating/);
    await expect(rest).rejects.toThrow(/CONNECTION_CLOSED|terminating/);
    expect(await sql`select what from written order by what`).toEqual([{ what: 'another' }]);
  });

  it('writes again after a connection that was lost while it was about to write', async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      const queries = Promise.allSettled(Array.from({ length: 5 }, () => sql`select 1`));
      await cut();
      await queries;
    }
    expect(await again(() => sql`select 1 as one`)).toEqual([{ one: 1 }]);
  });

  it('answers an error, and lives on, when a lost connection is asked', async () => {
    const reserved = await sql.reserve();
    await cut();
    await expect(reserved`select pg_sleep(0.2)`).rejects.toThrow();
    await expect(reserved`select 1`).rejects.toThrow();
    reserved.release();
    await Promise.all([1, 2, 3].map(() => again(() => sql`select 1`)));
    expect(await again(() => sql`select 1 as one`)).toEqual([{ one: 1 }]);
  });
});
