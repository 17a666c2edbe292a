import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { databaseUrlProblem } from '../../src/store/database-url.ts';
import { type OwnServer, startOwnServer } from '../harness/own-server.ts';
import { freePort } from '../harness/ports.ts';
import { runCommand } from '../harness/run-espalier.ts';

const run = promisify(execFile);

let server: OwnServer;
let foreignCa: string;
let ca: string;
let nowhere: number;
/** Beyond what every service hands out: characters that only percent-encoding carries. */
const password = 'p@ss/w#rd?+% ü';
const oddName = 'my db/ü+&#%';

beforeAll(async () => {
  server = await startOwnServer();
  nowhere = await freePort();
  const { sql } = server;
  await sql.unsafe(`create role app login password '${password}'`);
  await sql.unsafe(`create role "odd user" login password 'simple'`);
  for (const name of ['app', oddName, 'odd user']) await sql.unsafe(`create database "${name}"`);
  for (const role of ['tlsonly', 'clearonly']) {
    await sql.unsafe(`create role ${role} login password 'simple'`);
    await sql.unsafe(`create database ${role}`);
  }
  await server.allow([
    'hostssl tlsonly tlsonly all scram-sha-256',
    'hostnossl clearonly clearonly all scram-sha-256',
    'host tlsonly,clearonly all all reject',
  ]);
  ca = join(server.socketDir, 'ca.pem');
  writeFileSync(ca, server.authority.certificatePem);
  foreignCa = join(server.socketDir, 'foreign.pem');
  const { createAuthority } = await import('../../src/simulator/authority.ts');
  writeFileSync(foreignCa, (await createAuthority()).certificatePem);
}, 60_000);
afterAll(() => server.close());

interface Connected {
  readonly database: string;
  readonly user: string;
  readonly tls: boolean;
}

const question = `select current_database() as database, session_user::text as user,
  (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as tls`;

async function withEspalier(
  url: string,
  environment: Record<string, string>,
): Promise<Connected | 'refused'> {
  const saved = { ...process.env };
  Object.assign(process.env, environment);
  try {
    const sql = openDatabase(url, { connections: 1, applicationName: 'espalier-url' });
    try {
      const [row] = await sql.unsafe<[Connected]>(question);
      return { ...row };
    } finally {
      await sql.end({ timeout: 1 });
    }
  } catch {
    return 'refused';
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
    Object.assign(process.env, saved);
  }
}

async function withPsql(
  url: string,
  environment: Record<string, string>,
): Promise<Connected | 'refused' | 'no psql'> {
  try {
    const { stdout } = await run('psql', ['-XAtqw', '-c', question, url], {
      env: { PATH: process.env.PATH, PGCONNECT_TIMEOUT: '5', ...environment },
    });
    const [database = '', user = '', tls] = stdout.trim().split('|');
    return { database, user, tls: tls === 't' };
  } catch (error) {
    return (error as { code?: unknown }).code === 'ENOENT' ? 'no psql' : 'refused';
  }
}

describe('DATABASE_URL', () => {
  const word = encodeURIComponent(password);
  const name = encodeURIComponent(oddName);
  const app = { database: 'app', user: 'app', tls: true };
  const clear = { ...app, tls: false };
  // A function of the table, since ports and files are known when the server runs.
  const urls: readonly [string, () => string, Connected | 'refused', (() => Record<string, string>)?][] = [
    [
      'as services hand it out',
      () => `postgres://app:${word}@localhost:${server.port}/app?sslmode=require&gssencmode=disable`,
      app,
    ],
    [
      'channel_binding=prefer',
      () => `postgresql://app:${word}@127.0.0.1:${server.port}/app?sslmode=require&channel_binding=prefer`,
      app,
    ],
    [
      'channel_binding=require',
      () => `postgresql://app:${word}@127.0.0.1:${server.port}/app?sslmode=require&channel_binding=require`,
      app,
    ],
    ['an IPv6 address', () => `postgres://app:${word}@[::1]:${server.port}/app`, app],
    [
      'a socket as a parameter',
      () =>
        `postgresql:///app?host=${encodeURIComponent(server.socketDir)}&port=${server.port}&user=app&password=${word}`,
      clear,
    ],
    [
      'a socket as a parameter after an @',
      () => `postgres://app:${word}@/app?host=${server.socketDir}&port=${server.port}`,
      clear,
    ],
    [
      'a socket as the host',
      () =>
        `postgresql://app:${word}@${encodeURIComponent(server.socketDir)}:${server.port}/app?sslmode=require`,
      clear,
    ],
    [
      'a database with a space, a slash and others',
      () => `postgres://app:${word}@localhost:${server.port}/${name}`,
      { ...app, database: oddName },
    ],
    [
      'dbname as a parameter',
      () => `postgres://app:${word}@localhost:${server.port}?dbname=${name}`,
      { ...app, database: oddName },
    ],
    [
      'parameters over the rest of the URL',
      () =>
        `postgres://x:y@nowhere.invalid:1/z?user=app&password=${word}&host=localhost&port=${server.port}&dbname=app`,
      app,
    ],
    [
      'a user with a space and its own database',
      () => `postgres://odd%20user:simple@localhost:${server.port}`,
      { database: 'odd user', user: 'odd user', tls: true },
    ],
    [
      'a plus sign that is one',
      () => `postgres://app:${word.replace('%2B', '+')}@localhost:${server.port}/app`,
      app,
    ],
    [
      'an unencoded # and ? in the password',
      () => `postgres://app:${word.replace('%23', '#').replace('%3F', '?')}@localhost:${server.port}/app`,
      app,
    ],
    ['no TLS', () => `postgres://app:${word}@localhost:${server.port}/app?sslmode=disable`, clear],
    [
      'allow: in clear first',
      () => `postgres://app:${word}@localhost:${server.port}/app?sslmode=allow`,
      clear,
    ],
    ["JDBC's ssl=true", () => `postgres://app:${word}@localhost:${server.port}/app?ssl=true`, app],
    [
      'no sslmode where only TLS is let in',
      () => `postgres://tlsonly:simple@localhost:${server.port}`,
      { database: 'tlsonly', user: 'tlsonly', tls: true },
    ],
    [
      'allow where only TLS is let in',
      () => `postgres://tlsonly:simple@localhost:${server.port}?sslmode=allow`,
      { database: 'tlsonly', user: 'tlsonly', tls: true },
    ],
    [
      'disable where only TLS is let in',
      () => `postgres://tlsonly:simple@localhost:${server.port}?sslmode=disable`,
      'refused',
    ],
    [
      'prefer where only clear is let in',
      () => `postgres://clearonly:simple@localhost:${server.port}?sslmode=prefer`,
      { database: 'clearonly', user: 'clearonly', tls: false },
    ],
    [
      'require where only clear is let in',
      () => `postgres://clearonly:simple@localhost:${server.port}?sslmode=require`,
      'refused',
    ],
    [
      'require verifies with sslrootcert',
      () => `postgres://app:${word}@localhost:${server.port}/app?sslmode=require&sslrootcert=${foreignCa}`,
      'refused',
    ],
    [
      'verify-ca',
      () => `postgres://app:${word}@localhost:${server.port}/app?sslmode=verify-ca&sslrootcert=${ca}`,
      app,
    ],
    [
      'verify-ca, another authority',
      () => `postgres://app:${word}@localhost:${server.port}/app?sslmode=verify-ca&sslrootcert=${foreignCa}`,
      'refused',
    ],
    [
      'verify-full by name',
      () => `postgres://app:${word}@localhost:${server.port}/app?sslmode=verify-full&sslrootcert=${ca}`,
      app,
    ],
    [
      'verify-full by address',
      () => `postgres://app:${word}@127.0.0.1:${server.port}/app?sslmode=verify-full&sslrootcert=${ca}`,
      app,
    ],
    [
      'verify-full by IPv6 address',
      () => `postgres://app:${word}@[::1]:${server.port}/app?sslmode=verify-full&sslrootcert=${ca}`,
      app,
    ],
    [
      'verify-full, another name',
      () =>
        `postgres://app:${word}@other.example:${server.port}/app?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=${ca}`,
      'refused',
    ],
    [
      'verify-full, name and address apart',
      () =>
        `postgres://app:${word}@localhost:${server.port}/app?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=${ca}`,
      app,
    ],
    [
      'verify-full without an authority',
      () => `postgres://app:${word}@localhost:${server.port}/app?sslmode=verify-full`,
      'refused',
    ],
    [
      'a file that is not there',
      () =>
        `postgres://app:${word}@localhost:${server.port}/app?sslmode=verify-full&sslrootcert=/nowhere.pem`,
      'refused',
    ],
    [
      'several hosts, the first away',
      () => `postgres://app:${word}@localhost:${nowhere},localhost:${server.port}/app`,
      app,
    ],
    [
      'several hosts, all away',
      () => `postgres://app:${word}@localhost:${nowhere},127.0.0.1:${nowhere}/app`,
      'refused',
    ],
    [
      'several hosts and a socket, writable',
      () =>
        `postgres://app:${word}@127.0.0.1:${nowhere},${encodeURIComponent(server.socketDir)}:${server.port}/app?target_session_attrs=read-write`,
      clear,
    ],
    [
      'several hosts, one port',
      () => `postgres://app:${word}@/app?host=localhost,127.0.0.1&port=${server.port}`,
      app,
    ],
    [
      'another number of ports than hosts',
      () => `postgres://app:${word}@/app?host=a,b,c&port=1,2`,
      'refused',
    ],
    [
      'TLS from 1.3 on',
      () => `postgres://app:${word}@localhost:${server.port}/app?ssl_min_protocol_version=TLSv1.3`,
      app,
    ],
    [
      'options',
      () => `postgres://app:${word}@localhost:${server.port}/app?options=-c%20search_path%3Dpublic`,
      app,
    ],
    [
      'keepalives and time-outs',
      () =>
        `postgres://app:${word}@localhost:${server.port}/app?keepalives=0&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9000&connect_timeout=7`,
      app,
    ],
    [
      'Kerberos that nobody asks for',
      () =>
        `postgres://app:${word}@localhost:${server.port}/app?krbsrvname=x&gsslib=gssapi&application_name=a&fallback_application_name=b&client_encoding=UTF8&sslcompression=0&sslsni=0`,
      app,
    ],
    ['a wrong password', () => `postgres://app:wrong@localhost:${server.port}/app`, 'refused'],
    [
      'a parameter that nobody knows',
      () => `postgres://app:${word}@localhost:${server.port}/app?pgbouncer=true`,
      'refused',
    ],
    [
      'a percent sign that encodes nothing',
      () => `postgres://app:50%@localhost:${server.port}/app`,
      'refused',
    ],
    [
      'everything by the environment',
      () => 'postgres://',
      app,
      () => ({
        PGHOST: 'localhost',
        PGPORT: String(server.port),
        PGUSER: 'app',
        PGPASSWORD: password,
        PGDATABASE: 'app',
        PGSSLMODE: 'require',
      }),
    ],
    [
      'the URL over the environment',
      () => `postgres://app:${word}@localhost:${server.port}/app`,
      app,
      () => ({
        PGHOST: 'nowhere.invalid',
        PGPORT: '1',
        PGUSER: 'x',
        PGDATABASE: 'z',
        PGTARGETSESSIONATTRS: 'any',
      }),
    ],
  ];

  it.each(urls)('connects as psql does: %s', async (_, urlOf, expected, environmentOf) => {
    const url = urlOf();
    const environment = environmentOf?.() ?? {};
    expect(await withEspalier(url, environment)).toEqual(expected);
    const psql = await withPsql(url, environment);
    if (psql === 'no psql') expect(process.env.CI).toBeUndefined();
    else expect(psql).toEqual(expected);
  });

  it.each([
    ['passfile=/x', 'passfile'],
    ['service=main', 'service'],
    ['requirepeer=postgres', 'requirepeer'],
    ['require_auth=scram-sha-256', 'require_auth'],
    ['sslcrl=/x', 'sslcrl'],
    ['gssencmode=require', 'gssencmode'],
    ['channel_binding=always', 'channel_binding'],
    ['replication=database', 'replication'],
    ['target_session_attrs=standby', 'target_session_attrs'],
    ['sslmode=sometimes', 'sslmode'],
    ['sslmode=verify-ca', 'sslmode'],
    ['sslrootcert=system&sslmode=require', 'sslmode'],
    ['sslrootcert=/nowhere.pem&sslmode=verify-full', 'sslrootcert'],
    ['sslnegotiation=direct&sslmode=prefer', 'sslnegotiation'],
    ['connect_timeout=soon', 'connect_timeout'],
    ['port=x', 'port'],
    ['search_path=public', 'search_path'],
    ['oauth_issuer=https://x', 'oauth_issuer'],
  ])('is refused in one line that names the parameter: %s', (query, named) => {
    const problem = databaseUrlProblem(`postgres://app:the-password@127.0.0.1:1/app?${query}`);
    expect(problem).toMatch(new RegExp(`parameter ${named}\\b`));
    expect(problem).not.toContain('\n');
    expect(problem).not.toContain('the-password');
  });

  it.each(['serve', 'migrate', 'doctor', 'config'])('stops %s with one line', async (command) => {
    const { code, stderr, stdout } = await runCommand([command], {
      environment: {
        DATABASE_URL: 'postgres://app:the-password@127.0.0.1:1/app?passfile=/x',
        ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
      },
    });
    expect(code).not.toBe(0);
    const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('DATABASE_URL'));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('the parameter passfile is not supported');
    expect(`${stdout}${stderr}`).not.toContain('the-password');
  });

  it('migrates and is examined by the URL that psql takes', async () => {
    const environment = {
      DATABASE_URL: `postgresql://app:${word}@${encodeURIComponent(server.socketDir)}:${server.port}/${name}?channel_binding=prefer`,
      ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
    };
    await server.sql.unsafe(`alter database "${oddName}" owner to app`);
    const migrated = await runCommand(['migrate'], { environment });
    expect(migrated).toMatchObject({ code: 0, stdout: 'the schema is up to date\n' });
    const { stdout } = await runCommand(['doctor', '--timeout', '1'], { environment });
    expect(stdout).toContain(`${server.socketDir}/${oddName}`);
    expect(stdout).toMatch(/migrations.*current/);
  }, 60_000);
});
