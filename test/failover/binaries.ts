import { execFile } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * PostgreSQL as Debian packages it, for the embedded one of the product has no `pg_basebackup`. Where it is missing it
 * is installed, without a server that starts by itself.
 */

const run = promisify(execFile);
const versionsDir = '/usr/lib/postgresql';
const oldestVersion = 15;
const needed = ['initdb', 'pg_basebackup', 'pg_ctl', 'postgres'];
/** Debian asks this program before a package starts a service; 101 forbids it. */
const policyFile = '/usr/sbin/policy-rc.d';
const policy = '#!/bin/sh\nexit 101\n';
const clusterSettings = '/etc/postgresql-common/createcluster.d/espalier-test.conf';

/** Of the newest version that is here and has what is needed. */
function findBinaries(): string | undefined {
  if (!existsSync(versionsDir)) return undefined;
  const versions = readdirSync(versionsDir)
    .map(Number)
    .filter((version) => version >= oldestVersion);
  return versions
    .sort((a, b) => b - a)
    .map((version) => join(versionsDir, String(version), 'bin'))
    .find((dir) => needed.every((name) => existsSync(join(dir, name))));
}

const apt = (...args: string[]) =>
  run('apt-get', ['-y', '-q', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    maxBuffer: 64 * 1024 * 1024,
  });

async function install(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error(
      `there is no PostgreSQL below ${versionsDir}: as root this test installs it, else do so yourself`,
    );
  }
  const hadPolicy = existsSync(policyFile);
  if (!hadPolicy) writeFileSync(policyFile, policy, { mode: 0o755 });
  try {
    await apt('update');
    // Its settings first: the server's package makes a cluster of its own unless told not to.
    await apt('install', '--no-install-recommends', 'postgresql-common');
    writeFileSync(clusterSettings, 'create_main_cluster = false\n');
    await apt('install', '--no-install-recommends', 'postgresql');
  } finally {
    if (!hadPolicy) rmSync(policyFile, { force: true });
    rmSync(clusterSettings, { force: true });
  }
}

/** The directory of its programs. */
export async function postgresBinaries(print: (line: string) => void): Promise<string> {
  const found = findBinaries();
  if (found !== undefined) return found;
  print(`no PostgreSQL below ${versionsDir}: installing Debian's`);
  await install();
  const installed = findBinaries();
  if (installed === undefined) throw new Error(`apt-get brought no PostgreSQL ${oldestVersion} or newer`);
  return installed;
}
