import { afterAll, beforeAll, it } from 'vitest';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { reportStoreConformance } from './report-store.conformance.ts';
import { sameRowsInBoth } from './report-store.model.ts';
import { memorySubject, postgresSubject } from './report-store-subjects.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await migrateDatabase(database.url);
});
afterAll(() => database?.drop());

reportStoreConformance('memory', async () => memorySubject());
reportStoreConformance('PostgreSQL', async () => postgresSubject(database.sql));

it('reports in memory and in PostgreSQL are the same after the same calls', { timeout: 120_000 }, () =>
  sameRowsInBoth(memorySubject(), postgresSubject(database.sql)),
);
