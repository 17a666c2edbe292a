import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type GatewayProcess, startProcess } from '../harness/gateway.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** A database and a role without any right but those that a test grants. */
interface Place {
  readonly database: string;
  readonly role: string;
  readonly url: string;
  /** As a superuser, in the new database. */
  readonly admin: postgres.Sql;
}

let server: postgres.Sql;
const places: Place[] = [];

beforeAll(() => {
  server = postgres(inject('databaseServer'), { max: 1, onnotice: () => undefined });
});
afterEach(async () => {
  for (const { admin, database, role } of places.splice(0)) {
    await admin.end();
    await server.unsafe(`drop database ${database} with (force)`);
    await server.unsafe(`drop role ${role}`);
  }
});
afterAll(() => server.end());

async function makePlace(): Promise<Place> {
  const role = `app_${randomBytes(4).toString('hex')}`;
  const database = `place_${role}`;
  await server.unsafe(`create role ${role} login password 'simple'`);
  await server.unsafe(`create database ${database}`);
  await server.unsafe(`revoke create on database ${database} from public`);
  const url = new URL(inject('databaseServer'));
  url.pathname = `/${database}`;
  const admin = postgres(url.href, { max: 1, onnotice: () => undefined });
  url.username = role;
  url.password = 'simple';
  const place = { database, role, url: url.href, admin };
  places.push(place);
  return place;
}

const environmentOf = (url: string) => ({
  DATABASE_URL: url,
  ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
});

const migrate = (url: string) => runCommand(['migrate'], { environment: environmentOf(url) });

const tablesOf = async ({ admin }: Place): Promise<Record<string, number>> => {
  const rows = await admin<{ schema: string; tables: number }[]>`
    select schemaname as schema, count(*)::int as tables from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') group by schemaname order by schemaname`;
  return Object.fromEntries(rows.map(({ schema, tables }) => [schema, tables]));
};

async function serves(url: string): Promise<boolean> {
  let gateway: GatewayProcess | undefined;
  try {
    gateway = await startProcess({
      ...environmentOf(url),
      ESPALIER_DATA_LISTEN: '127.0.0.1:0',
      ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
      ESPALIER_OPS_LISTEN: '127.0.0.1:0',
      ESPALIER_DATA_DIR: `/tmp/espalier-${randomBytes(6).toString('hex')}`,
    });
    const answer = await fetch(`${gateway.ops}/health/ready`);
    return answer.status === 200 && !(await answer.text()).includes('degraded');
  } finally {
    await gateway?.stop();
  }
}

describe('migrations and the schema', () => {
  it("go into the role's own schema, which search_path names first, and serve from there", async () => {
    const place = await makePlace();
    await place.admin.unsafe(`create schema ${place.role} authorization ${place.role}`);
    expect(await migrate(place.url)).toMatchObject({ code: 0, stderr: '' });
    expect(Object.keys(await tablesOf(place))).toEqual([place.role]);
    const foreign = await place.admin`
      select conname from pg_constraint c join pg_class t on t.oid = c.confrelid
      where contype = 'f' and t.relnamespace::regnamespace::text <> ${place.role}`;
    expect(foreign).toEqual([]);
    expect(await migrate(place.url)).toMatchObject({ code: 0, stderr: '' });
    expect(await serves(place.url)).toBe(true);
  }, 60_000);

  it('go into a schema that options= names', async () => {
    const place = await makePlace();
    await place.admin.unsafe(`create schema "The Schema" authorization ${place.role}`);
    const url = new URL(place.url);
    const search = '&options=-c%20search_path%3D%22The%5C%20Schema%22';
    expect(await migrate(`${url.href}${search}`)).toMatchObject({ code: 0, stderr: '' });
    expect(Object.keys(await tablesOf(place))).toEqual(['The Schema']);
  }, 60_000);

  it('need no CREATE on the database', async () => {
    const place = await makePlace();
    await place.admin.unsafe(`grant all on schema public to ${place.role}`);
    expect(await migrate(place.url)).toMatchObject({ code: 0, stderr: '' });
    expect(Object.keys(await tablesOf(place))).toEqual(['public']);
    expect(await serves(place.url)).toBe(true);
  }, 60_000);

  it('keep their journal in the schema drizzle where they have it', async () => {
    const place = await makePlace();
    await place.admin.unsafe(`grant create on database ${place.database} to ${place.role}`);
    await place.admin.unsafe(`grant all on schema public to ${place.role}`);
    expect(await migrate(place.url)).toMatchObject({ code: 0 });
    const before = await tablesOf(place);
    expect(before.drizzle).toBe(1);
    // An administrator's new schema of the role's name comes first in search_path from now on.
    await place.admin.unsafe(`create schema ${place.role} authorization ${place.role}`);
    expect(await migrate(place.url)).toMatchObject({ code: 0, stderr: '' });
    expect(await tablesOf(place)).toEqual(before);
    expect(await serves(place.url)).toBe(true);
  }, 60_000);

  it('of two deployments in one database do not see each other', async () => {
    const first = await makePlace();
    await first.admin.unsafe(`grant create on database ${first.database} to ${first.role}`);
    await first.admin.unsafe(`grant all on schema public to ${first.role}`);
    expect(await migrate(first.url)).toMatchObject({ code: 0 });
    const second = await makePlace();
    await first.admin.unsafe(`create schema ${second.role} authorization ${second.role}`);
    const url = new URL(second.url);
    url.pathname = `/${first.database}`;
    expect(await migrate(url.href)).toMatchObject({ code: 0, stderr: '' });
    const { drizzle = 0, public: shared = 0, ...own } = await tablesOf(first);
    // Beside its own journal.
    expect(own).toEqual({ [second.role]: shared + drizzle });
    await first.admin.unsafe(`drop owned by ${second.role}`);
  }, 60_000);

  it('that lack a grant name it, with what the server says', async () => {
    const place = await makePlace();
    const { code, stderr } = await migrate(place.url);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^espalier: DATABASE_URL \S+: migrating failed at its journal: permission denied/);
    expect(stderr).toContain(
      `permission denied for schema public. What is missing: GRANT USAGE, CREATE ON SCHEMA public TO ${place.role} (42501)\n`,
    );
  }, 60_000);

  it('of tables that belong to another role name it', async () => {
    const place = await makePlace();
    const owner = await makePlace();
    await place.admin.unsafe(`grant all on schema public to ${owner.role}, ${place.role}`);
    const url = new URL(owner.url);
    url.pathname = `/${place.database}`;
    expect(await migrate(url.href)).toMatchObject({ code: 0 });
    await place.admin.unsafe(`grant all on all tables in schema public to ${place.role}`);
    await place.admin`delete from __drizzle_migrations where id = (select max(id) from __drizzle_migrations)`;
    const { code, stderr } = await migrate(place.url);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^espalier: DATABASE_URL \S+ migrating failed at \d{4}_\w+: .* \(42\w+\)/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    await place.admin.unsafe(`drop owned by ${owner.role}`);
  }, 60_000);

  it('with a search_path that leads nowhere say so', async () => {
    const place = await makePlace();
    await server.unsafe(`alter role ${place.role} set search_path = nowhere`);
    const { code, stderr } = await migrate(place.url);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^espalier: DATABASE_URL \S+ the search_path of this role names no schema/);
  }, 60_000);

  it('that fail leave nothing behind', async () => {
    const place = await makePlace();
    await place.admin.unsafe(`grant all on schema public to ${place.role}`);
    await place.admin`create table instances (id int)`;
    const { code, stderr } = await migrate(place.url);
    expect(code).toBe(1);
    expect(stderr).toContain('migrating failed at 0000_begin: relation "instances" already exists (42P07)');
    expect(await tablesOf(place)).toEqual({ public: 1 });
  }, 60_000);
});
