import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { servingRole, templateDatabase } from './template.ts';

export interface TestDatabase {
  /** As the owner of the tables, a superuser. */
  readonly url: string;
  /** As the role that only serves; undefined where there were no tables yet to grant rights on. */
  readonly servingUrl?: string;
  readonly sql: Sql;
  drop(): Promise<void>;
}

/** With this build's schema and nothing in it (postgres.setup.ts): a server finds it current when it starts. */
export const createTestDatabase = (): Promise<TestDatabase> => createFrom(templateDatabase);

/** Without a schema, as an operator's first start finds it. */
export const createEmptyDatabase = (): Promise<TestDatabase> => createFrom(undefined);

/**
 * Copies a database as a dump and its restoring do. The embedded server has no `pg_dump`,
 * so its own copy stands for both; whoever is connected to the other one is thrown out for it.
 */
export const copyTestDatabase = (source: TestDatabase): Promise<TestDatabase> =>
  createFrom(new URL(source.url).pathname.slice(1));

async function createFrom(template: string | undefined): Promise<TestDatabase> {
  const server = inject('databaseServer');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = postgres(server, { max: 1, onnotice: () => undefined });
  if (template === undefined) await admin.unsafe(`create database ${name}`);
  else {
    if (template !== templateDatabase)
      await admin`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${template}`;
    await admin.unsafe(`create database ${name} template ${template}`);
  }
  await admin.end();
  const url = new URL(server);
  url.pathname = `/${name}`;
  const serving = new URL(url);
  serving.username = servingRole.name;
  serving.password = servingRole.password;
  const sql = openDatabase(url.href, { connections: 2, applicationName: 'test' });
  return {
    url: url.href,
    ...(template === undefined ? {} : { servingUrl: serving.href }),
    sql,
    drop: async () => {
      await sql.end({ timeout: 2 });
      const dropper = postgres(server, { max: 1, onnotice: () => undefined });
      await dropper.unsafe(`drop database if exists ${name} with (force)`);
      await dropper.end();
    },
  };
}
