import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { lockDirectory } from '../../src/runtime/node-directory-lock.ts';
import { prepareOnce } from '../../src/runtime/node-store.ts';
import { createSealer } from '../../src/secrets/seal.ts';
import { createAuthority } from '../../src/simulator/authority.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../harness/database.ts';
import {
  cutting,
  cuttingTls,
  type DatabaseDoor,
  leadingTo,
  openDoor,
  refusing,
  showing,
} from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { ownEnvironment } from '../harness/own-environment.ts';
import { freePort } from '../harness/ports.ts';
import { program } from '../harness/program.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** How `serve` starts, waits, fails and ends: each failure in one line that names the variable, and nothing left behind. */

const recoveryPage = readFileSync(new URL('../../docs/procedures.md', import.meta.url), 'utf8');
const dirs: string[] = [];
const running = new Set<ChildProcess>();

const ownDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-start-'));
  dirs.push(dir);
  return dir;
};

interface Started {
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  output(): string;
}

function launch(environment: Record<string, string>, command = 'serve'): Started {
  const child = spawn(process.execPath, [program(), command], {
    env: { ...ownEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const exited = new Promise<number | null>((resolve) =>
    child.on('close', (code) => {
      running.delete(child);
      resolve(code);
    }),
  );
  return { process: child, exited, output: () => output };
}

const environmentIn = (dir: string): Record<string, string> => ({
  ESPALIER_DATA_DIR: dir,
  ESPALIER_TLS: 'off',
  ESPALIER_DATA_LISTEN: '127.0.0.1:0',
  ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
  ESPALIER_OPS_LISTEN: '127.0.0.1:0',
  ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
});

const ready = (started: Started) =>
  eventually(() => expect(started.output()).toContain('"event":"ready"'), 30_000);

/** The processes of the embedded server in this directory. */
function serverOf(dir: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(dir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]);
    process.kill(pid, 0);
    return pid;
  } catch {
    return undefined;
  }
}

/** What a start that has to fail writes, with its code. */
async function failedStart(environment: Record<string, string>, command = 'serve') {
  const started = launch(environment, command);
  const code = await started.exited;
  const lines = started
    .output()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'));
  return { code, lines };
}

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 300 });
});

describe('a start that fails', () => {
  let taken: Server;
  let port: number;
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    port = await freePort();
    taken = createServer();
    await new Promise<void>((opened) => taken.listen(port, '127.0.0.1', opened));
  });
  afterAll(async () => {
    taken.close();
    await database.drop();
  });

  for (const name of ['ESPALIER_DATA_LISTEN', 'ESPALIER_ADMIN_LISTEN', 'ESPALIER_OPS_LISTEN']) {
    it(`a taken port of ${name} ends it in one line, with no database left behind`, async () => {
      const dir = ownDir();
      const { code, lines } = await failedStart({ ...environmentIn(dir), [name]: `127.0.0.1:${port}` });
      expect(code).toBe(1);
      expect(lines).toEqual([expect.stringMatching(new RegExp(`^${name} 127.0.0.1:${port} is taken`))]);
      expect(serverOf(dir)).toBeUndefined();
    });
  }

  it('an address that this machine does not have names its variable', async () => {
    const { code, lines } = await failedStart({
      ...environmentIn(ownDir()),
      ESPALIER_ADMIN_LISTEN: '192.0.2.1:9443',
    });
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [expect.stringMatching(/^ESPALIER_ADMIN_LISTEN 192/)],
    });
  });

  describe('for its certificate', () => {
    let pair: { certificatePem: string; keyPem: string };
    let other: { certificatePem: string; keyPem: string };
    beforeAll(async () => {
      const authority = await createAuthority();
      pair = await authority.issue(['localhost']);
      other = await authority.issue(['localhost']);
    });

    const cases: readonly [
      string,
      (pairs: { pair: typeof pair; other: typeof pair }) => { cert?: string; key?: string; ca?: string },
      string,
    ][] = [
      [
        'a certificate that is none',
        ({ pair }) => ({ cert: 'nothing', key: pair.keyPem }),
        'ESPALIER_TLS_CERT_FILE',
      ],
      [
        'a key that is none',
        ({ pair }) => ({ cert: pair.certificatePem, key: 'nothing' }),
        'ESPALIER_TLS_KEY_FILE',
      ],
      ['a certificate file that is absent', ({ pair }) => ({ key: pair.keyPem }), 'ESPALIER_TLS_CERT_FILE'],
      ['a key file that is absent', ({ pair }) => ({ cert: pair.certificatePem }), 'ESPALIER_TLS_KEY_FILE'],
      [
        'a key of another certificate',
        ({ other, pair }) => ({ cert: pair.certificatePem, key: other.keyPem }),
        'ESPALIER_TLS_KEY_FILE',
      ],
      [
        'a client authority that is none',
        ({ pair }) => ({ cert: pair.certificatePem, key: pair.keyPem, ca: 'nothing' }),
        'ESPALIER_CLIENT_CA_FILE',
      ],
    ];
    for (const [what, filesOf, variable] of cases) {
      it(`${what} ends it, naming ${variable}`, async () => {
        const dir = ownDir();
        const files = filesOf({ pair, other });
        for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
        const { code, lines } = await failedStart({
          ...environmentIn(join(dir, 'data')),
          ESPALIER_TLS: 'on',
          ESPALIER_TLS_CERT_FILE: join(dir, 'cert'),
          ESPALIER_TLS_KEY_FILE: join(dir, 'key'),
          ...(files.ca === undefined ? {} : { ESPALIER_CLIENT_CA_FILE: join(dir, 'ca') }),
        });
        expect(code).toBe(1);
        expect(lines).toEqual([expect.stringMatching(new RegExp(`^${variable} `))]);
      });
    }
  });

  describe('for its data directory', () => {
    it('a file in its place', async () => {
      const file = join(ownDir(), 'file');
      writeFileSync(file, '');
      for (const dir of [file, join(file, 'below')]) {
        const { code, lines } = await failedStart(environmentIn(dir));
        expect({ code, lines }).toEqual({ code: 1, lines: [expect.stringMatching(/^ESPALIER_DATA_DIR /)] });
      }
    });

    it('files that are no database', async () => {
      const dir = ownDir();
      mkdirSync(join(dir, 'postgres/data'), { recursive: true });
      writeFileSync(join(dir, 'postgres/data/letter.txt'), 'mine');
      const { code, lines } = await failedStart(environmentIn(dir));
      expect({ code, lines }).toEqual({
        code: 1,
        lines: [expect.stringMatching(/^ESPALIER_DATA_DIR .*no database/)],
      });
      expect(readFileSync(join(dir, 'postgres/data/letter.txt'), 'utf8')).toBe('mine');
    });

    it('a database of another PostgreSQL', async () => {
      const dir = ownDir();
      mkdirSync(join(dir, 'postgres/data'), { recursive: true });
      writeFileSync(join(dir, 'postgres/data/PG_VERSION'), '14\n');
      const { code, lines } = await failedStart(environmentIn(dir));
      expect({ code, lines }).toEqual({
        code: 1,
        lines: [expect.stringMatching(/^ESPALIER_DATA_DIR .*made by PostgreSQL 14/)],
      });
    });
  });
});

describe('the embedded database', () => {
  it('ends with its gateway, whatever ends that, and the next start is undisturbed', async () => {
    const dir = ownDir();
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const) {
      const started = launch(environmentIn(dir));
      await ready(started);
      expect(serverOf(dir)).toBeDefined();
      started.process.kill(signal);
      expect(await started.exited).toBe(signal === 'SIGKILL' ? null : 0);
      // A gateway that was killed cannot wait for it.
      if (signal === 'SIGKILL') break;
      expect(serverOf(dir)).toBeUndefined();
    }
    const next = launch(environmentIn(dir));
    await ready(next);
    next.process.kill('SIGKILL');
    await next.exited;
    await eventually(() => expect(serverOf(dir)).toBeUndefined());
  }, 120_000);

  it('a second gateway on its directory is refused by the first one’s process id, and the first goes on', async () => {
    const dir = ownDir();
    const first = launch(environmentIn(dir));
    await ready(first);
    const { code, lines } = await failedStart(environmentIn(dir));
    expect(code).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(new RegExp(`^ESPALIER_DATA_DIR .*pid ${first.process.pid}\\b`)),
    ]);
    expect((await runCommand(['migrate'], { environment: environmentIn(dir) })).code).toBe(0);
    expect(serverOf(dir)).toBeDefined();
    first.process.kill('SIGTERM');
    expect(await first.exited).toBe(0);
  });

  it('of two that start together one serves and the other is refused', async () => {
    const dir = ownDir();
    const both = [launch(environmentIn(dir)), launch(environmentIn(dir))];
    const refused = await Promise.race(both.map(async (one) => ({ one, code: await one.exited })));
    expect(refused.code).toBe(1);
    expect(refused.one.output()).toMatch(/^ESPALIER_DATA_DIR .*in use/m);
    const winner = both.find((one) => one !== refused.one)!;
    await ready(winner);
    winner.process.kill('SIGTERM');
    expect(await winner.exited).toBe(0);
  });

  it('that was not finished when its gateway was killed is made anew', async () => {
    const dir = ownDir();
    const first = launch(environmentIn(dir));
    const unfinished = (): string[] =>
      readdirSync(join(dir, 'postgres')).filter((name) => name.startsWith('unfinished-'));
    await eventually(() =>
      expect(readdirSync(join(dir, 'postgres', unfinished()[0]!))).toContain('PG_VERSION'),
    );
    first.process.kill('SIGKILL');
    await first.exited;
    // Its initdb may have ended already, and this one writes as long as the second start lasts.
    const orphan = spawn('sh', [
      '-c',
      'while mkdir -p "$0/global"; do : > "$0/global/$$-$((n += 1))"; done',
      join(dir, 'postgres', unfinished()[0]!),
    ]);
    const second = launch(environmentIn(dir));
    await ready(second);
    second.process.kill('SIGTERM');
    expect(await second.exited).toBe(0);
    orphan.kill('SIGKILL');
    const third = launch(environmentIn(dir));
    await ready(third);
    expect(unfinished()).toEqual([]);
    third.process.kill('SIGTERM');
    expect(await third.exited).toBe(0);
  });
});

describe('without its database', () => {
  let door: DatabaseDoor;
  let database: TestDatabase;
  let ops: number;
  let environment: Record<string, string>;

  beforeAll(async () => {
    database = await createEmptyDatabase();
    door = await openDoor();
    ops = await freePort();
    const url = new URL(database.url);
    url.port = String(door.port);
    environment = {
      ...environmentIn(ownDir()),
      DATABASE_URL: url.href,
      ESPALIER_DATA_LISTEN: `127.0.0.1:${await freePort()}`,
      ESPALIER_OPS_LISTEN: `127.0.0.1:${ops}`,
    };
  });
  afterEach(() => door.close());
  afterAll(() => database.drop());

  const withTls = (sslmode: string, more: Record<string, string> = {}): string => {
    const url = new URL(environment.DATABASE_URL!);
    for (const [name, value] of Object.entries({ sslmode, ...more })) url.searchParams.set(name, value);
    return url.href;
  };
  const statusOf = (path: string): Promise<number> =>
    fetch(`http://127.0.0.1:${ops}${path}`).then((answer) => answer.status);
  const waiting = (started: Started, cause: RegExp) =>
    eventually(() => {
      const lines = started
        .output()
        .split('\n')
        .filter((line) => line.includes('start.waits-for-the-database'));
      expect(lines.length).toBeGreaterThan(0);
      const said = JSON.parse(lines[0]!);
      expect(said).toMatchObject({
        variable: 'DATABASE_URL',
        host: expect.stringContaining(`127.0.0.1:${door.port}/`),
      });
      expect(said.cause).toMatch(cause);
    }, 20_000);

  it('waits, says what for, is live and not ready, and serves when it comes', async () => {
    const started = launch(environment);
    await waiting(started, /ECONNREFUSED/);
    expect(await statusOf('/health/live')).toBe(200);
    expect(await statusOf('/health/ready')).toBe(503);
    const answer = await fetch(`http://${environment.ESPALIER_DATA_LISTEN}/jamf/x/webhooks`, {
      method: 'POST',
    });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBeTruthy();
    expect(await answer.json()).toMatchObject({ type: 'https://espalier.dev/problems/store-unavailable' });
    expect(started.output()).not.toContain('"event":"ready"');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(started.output().match(/start\.waits-for-the-database/g)).toHaveLength(1);
    await door.leadTo(database.url);
    await ready(started);
    expect(await statusOf('/health/ready')).toBe(200);
    started.process.kill('SIGTERM');
    expect(await started.exited).toBe(0);
  });

  const passing: readonly [string, Parameters<DatabaseDoor['meetBy']>[0], string, RegExp][] = [
    [
      'a server that is starting',
      refusing('57P03', 'the database system is starting up'),
      'disable',
      /57P03/,
    ],
    ['a server that is full', refusing('53300', 'sorry, too many clients already'), 'disable', /53300/],
    ['a connection that is cut', cutting, 'disable', /./],
    ['a TLS handshake that is cut', cuttingTls, 'require', /./],
  ];
  for (const [what, meet, mode, cause] of passing) {
    it(`waits for ${what}, and ends at SIGTERM meanwhile`, async () => {
      await door.meetBy(meet);
      const started = launch({ ...environment, DATABASE_URL: withTls(mode) });
      await waiting(started, cause);
      const since = performance.now();
      started.process.kill('SIGTERM');
      expect(await started.exited).toBe(0);
      expect(performance.now() - since).toBeLessThan(5_000);
    });
  }

  it('waits for a host name that is not known', async () => {
    const started = launch({ ...environment, DATABASE_URL: 'postgres://espalier@db.invalid/espalier' });
    await eventually(() => expect(started.output()).toMatch(/waits-for-the-database.*db\.invalid/), 20_000);
    started.process.kill('SIGINT');
    expect(await started.exited).toBe(0);
  });

  const lasting: readonly [string, Parameters<DatabaseDoor['meetBy']>[0], RegExp][] = [
    ['a password that is refused', refusing('28P01', 'password authentication failed for user "x"'), /28P01/],
    ['a role that does not exist', refusing('28000', 'role "x" does not exist'), /28000/],
    ['a database that does not exist', refusing('3D000', 'database "x" does not exist'), /3D000/],
  ];
  for (const [what, meet, cause] of lasting) {
    // Each command has its own way in, and all have the same words.
    for (const command of what.startsWith('a password') ? ['serve', 'worker', 'migrate'] : ['serve']) {
      it(`${command} ends for ${what}, in one line`, async () => {
        await door.meetBy(meet);
        const { code, lines } = await failedStart(environment, command);
        expect(code).toBe(1);
        expect(lines).toEqual([expect.stringMatching(/DATABASE_URL 127\.0\.0\.1:\d+\/\w+: /)]);
        expect(lines[0]).toMatch(cause);
        expect(lines[0]).not.toContain('postgres://');
      });
    }
  }

  it('ends for a certificate that cannot be verified', async () => {
    const authority = await createAuthority();
    await door.meetBy(showing(await authority.issue(['localhost'])));
    const { code, lines } = await failedStart({
      ...environment,
      DATABASE_URL: withTls('verify-full', { sslrootcert: 'system' }),
    });
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [expect.stringMatching(/^DATABASE_URL .*certificate cannot be verified/)],
    });
  });

  it('ends for data that another deployment sealed', async () => {
    const other = await createTestDatabase();
    await other.sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, application)
      values (gen_random_uuid(), 'public', 'Other', 'device-compliance', 'manual', '{}', '{"sealed":"v1.abcdefgh.AAAA"}')`;
    const own = { ...environment, DATABASE_URL: other.url };
    const { code, lines } = await failedStart(own);
    // The way out of docs/procedures.md, for whoever lost the key.
    const [statement] = /update instances set [\s\S]*?;\nupdate tenants[\s\S]*?;/.exec(recoveryPage) ?? [];
    await other.sql.unsafe(statement!);
    const next = launch(own);
    await ready(next);
    next.process.kill('SIGTERM');
    await next.exited;
    await other.drop();
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [expect.stringMatching(/^DATABASE_URL .*another deployment.*ESPALIER_SECRETS_KEY/)],
    });
  });

  it('counts one that goes away while it is looked at as one that cannot be reached', async () => {
    const database = await createTestDatabase();
    let isThere = true;
    await door.meetBy((socket) => {
      // The question whether anybody answers comes by the first connection, what it is by those after it.
      if (isThere) leadingTo(database.url)(socket);
      else socket.destroy();
      isThere = false;
    });
    const url = new URL(database.url);
    url.port = String(door.port);
    const found = await prepareOnce({
      ...{ url: url.href, config: { migrate: 'off' }, signal: new AbortController().signal },
      sealer: await createSealer([new Uint8Array(32)]),
    });
    expect(found).toMatchObject({ ready: false, unreachable: true });
    await database.drop();
  });

  it('waits for migrations that somebody else has to apply', async () => {
    const empty = await createEmptyDatabase();
    await door.leadTo(empty.url);
    const url = new URL(empty.url);
    url.port = String(door.port);
    const own = { ...environment, DATABASE_URL: url.href };
    const started = launch({ ...own, ESPALIER_MIGRATE: 'off' });
    await waiting(started, /espalier migrate/);
    expect((await runCommand(['migrate'], { environment: own })).code).toBe(0);
    await ready(started);
    started.process.kill('SIGTERM');
    expect(await started.exited).toBe(0);
    await empty.drop();
  });

  it('the embedded one is reached whatever the variables of libpq say', async () => {
    const started = launch({
      ...environmentIn(ownDir()),
      PGHOSTADDR: '192.0.2.1',
      PGREQUIREAUTH: 'scram-sha-256',
      PGSSLROOTCERT: '/nowhere/ca.pem',
    });
    await Promise.race([ready(started), started.exited]);
    expect(started.output()).toContain('"event":"ready"');
    started.process.kill('SIGTERM');
    expect(await started.exited).toBe(0);
  }, 90_000);

  it('SIGTERM ends it in order while the database is away', async () => {
    const door = await openDoor();
    const database = await createTestDatabase();
    await door.leadTo(database.url);
    const url = new URL(database.url);
    url.port = String(door.port);
    const started = launch({ ...environmentIn(ownDir()), DATABASE_URL: url.href });
    await ready(started);
    await door.close();
    await eventually(() => expect(started.output()).toContain('"event":"store.unavailable"'));
    const fromMs = performance.now();
    started.process.kill('SIGTERM');
    expect(await started.exited, started.output()).toBe(0);
    expect(performance.now() - fromMs).toBeLessThan(15_000);
    await database.drop();
  }, 90_000);

  it('SIGTERM ends it while another process migrates', async () => {
    const other = await createEmptyDatabase();
    await door.leadTo(other.url);
    const url = new URL(other.url);
    url.port = String(door.port);
    // The driver never gives out a new connection that does not ask for types (docs/upstream/postgres.md).
    await other.sql`select`;
    const locked = await other.sql.reserve();
    await locked`select pg_advisory_lock(7276154011::bigint)`;
    const started = launch({ ...environment, DATABASE_URL: url.href });
    await eventually(async () => {
      const [row] = await locked`select count(*)::int as waiting from pg_stat_activity
          where datname = current_database() and application_name = 'espalier-migrate' and query ilike '%advisory%'`;
      expect(row?.waiting).toBeGreaterThan(0);
    }, 20_000);
    expect(await statusOf('/health/ready')).toBe(503);
    started.process.kill('SIGTERM');
    expect(await started.exited).toBe(0);
    locked.release();
    await other.drop();
  });
});

describe('a second demo', () => {
  it('on the same directory is refused by the first one’s process id', async () => {
    const dir = ownDir();
    const unlock = lockDirectory(dir);
    const { code, stderr } = await runCommand(['demo', '--once', '--data-dir', dir]);
    const second = await runCommand(['simulate', '--json', '--data-dir', dir]);
    unlock();
    for (const ended of [{ code, stderr }, second]) {
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain(`pid ${process.pid}`);
    }
  });
});
