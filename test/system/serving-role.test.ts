/** The gateway of every scene serves as a role that owns nothing; here is what that role may not do, and how it gets its rights. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import { type GatewayProcess, startProcess } from '../harness/gateway.ts';
import { runCommand } from '../harness/run-espalier.ts';

const environmentOf = (url: string) => ({
  DATABASE_URL: url,
  ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
});

describe('the role that serves', () => {
  let database: TestDatabase;
  let sql: postgres.Sql;
  beforeAll(async () => {
    database = await createTestDatabase();
    sql = postgres(database.servingUrl!, { max: 1, onnotice: () => undefined });
  });
  afterAll(async () => {
    await sql?.end();
    await database?.drop();
  });

  it.each([
    'create table of_its_own (one int)',
    'alter table reports add column more text',
    'drop table reports',
    'create index more on reports (state)',
    'truncate reports',
    'alter table history disable trigger all',
    'create or replace function espalier_feed_tenant() returns trigger language plpgsql as $$ begin return null; end $$',
    'create schema of_its_own',
    'update drizzle.__drizzle_migrations set created_at = 0',
    "insert into served_versions (tenant_id, version) values (gen_random_uuid(), setval('served_version', 1))",
    'set session_replication_role = replica',
  ])('is refused: %s', async (statement) => {
    await expect(sql.unsafe(statement)).rejects.toMatchObject({ code: '42501' });
  });

  it('has more than reading on a table only where a statement writes it', async () => {
    const rows = await sql<{ name: string; rights: string[] }[]>`
      select c.relname as name, array(select r from unnest(array['insert', 'update', 'delete', 'truncate']) r
        where has_table_privilege(c.oid, r)) as rights
      from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace`;
    const of = Object.fromEntries(rows.map(({ name, rights }) => [name, rights]));
    expect(of.timeline_upkeep).toEqual(['update']);
    expect(of.served_versions).toEqual(['insert', 'update']);
    expect(of.claim_history).toEqual(['insert', 'delete']);
    expect(of.timeline_0).toEqual(['insert', 'truncate']);
  });
});

describe('espalier migrate --grant-to', () => {
  const role = `serve_${randomBytes(4).toString('hex')}`;
  const dir = mkdtempSync(join(tmpdir(), 'espalier-serving-'));
  let database: TestDatabase;
  let servingUrl: string;
  let gateway: GatewayProcess | undefined;
  beforeAll(async () => {
    database = await createEmptyDatabase();
    await database.sql.unsafe(`create role ${role} login password 'simple'`);
    const url = new URL(database.url);
    url.username = role;
    url.password = 'simple';
    servingUrl = url.href;
  });
  afterAll(async () => {
    await gateway?.stop();
    await database?.drop();
    const server = postgres(inject('databaseServer'), { max: 1, onnotice: () => undefined });
    await server.unsafe(`drop role ${role}`);
    await server.end();
    rmSync(dir, { recursive: true, force: true });
  });

  it('a process whose role lacks rights waits and says what to do; with them it serves', async () => {
    expect(await runCommand(['migrate'], { environment: environmentOf(database.url) })).toMatchObject({
      code: 0,
    });
    await database.sql.unsafe(`grant usage on schema drizzle to ${role}`);
    await database.sql.unsafe(`grant select on all tables in schema public, drizzle to ${role}`);
    const environment = {
      ...environmentOf(servingUrl),
      ESPALIER_MIGRATE: 'off',
      ESPALIER_DATA_DIR: dir,
      ESPALIER_DATA_LISTEN: '127.0.0.1:0',
      ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
      ESPALIER_OPS_LISTEN: '127.0.0.1:0',
    };
    let waits = '';
    const starting = startProcess(environment, 'serve', undefined, (output) => {
      waits = /"event":"start.waits-for-the-database".*/.exec(output)?.[0] ?? waits;
    });
    await eventually(() => expect(waits).not.toBe(''));
    expect(waits).toMatch(
      new RegExp(`the role ${role} lacks \\w+ on \\w+ and \\d+ more: espalier migrate --grant-to ${role}`),
    );
    const granted = await runCommand(['migrate', '--grant-to', role], {
      environment: environmentOf(database.url),
    });
    expect(granted).toMatchObject({ code: 0, stderr: '' });
    gateway = await starting;
    const ready = await fetch(`${gateway.ops}/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }]);
  }, 60_000);

  it('names a role that is not there, and grants nothing', async () => {
    const { code, stderr } = await runCommand(['migrate', '--grant-to', 'no"body'], {
      environment: environmentOf(database.url),
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/role "no"body" does not exist/);
  });

  it('the role itself cannot migrate, and is told what it lacks', async () => {
    await database.sql`delete from drizzle.__drizzle_migrations where created_at = (
      select max(created_at) from drizzle.__drizzle_migrations)`;
    const { code, stderr } = await runCommand(['migrate'], { environment: environmentOf(servingUrl) });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/DATABASE_URL .*(permission denied|must be owner).*What is missing: GRANT/),
    ]);
  });
});
