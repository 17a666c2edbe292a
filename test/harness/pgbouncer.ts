/** A real pgbouncer before a database, with Debian's defaults but for what is given. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort, listens } from './ports.ts';

export const hasPgbouncer = (): boolean => {
  try {
    execFileSync('pgbouncer', ['--version'], {
      stdio: 'ignore',
      env: { PATH: `${process.env.PATH}:/usr/sbin` },
    });
    return true;
  } catch {
    return false;
  }
};

export interface Pgbouncer {
  /** The address of the same database through the pooler. */
  readonly url: string;
  readonly pid: number;
  close(): Promise<void>;
}

export async function startPgbouncer(databaseUrl: string, settings: readonly string[]): Promise<Pgbouncer> {
  const target = new URL(databaseUrl);
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'pgbouncer-'));
  const users = join(dir, 'users.txt');
  const file = join(dir, 'pgbouncer.ini');
  const name = target.pathname.slice(1);
  writeFileSync(users, `"${target.username}" "${target.password}"\n`);
  writeFileSync(
    file,
    [
      '[databases]',
      `${name} = host=${target.hostname} port=${target.port} dbname=${name}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${users}`,
      ...settings,
    ].join('\n'),
  );
  // It refuses to run as root.
  const ids = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  if (ids.uid !== undefined) for (const path of [dir, users, file]) chownSync(path, ids.uid, ids.gid);
  const child: ChildProcess = spawn('pgbouncer', ['-q', file], {
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: 'ignore',
    ...ids,
  });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  await eventually(async () => {
    if (!(await listens(port))) throw new Error('pgbouncer does not listen');
  }, 10_000);
  target.port = String(port);
  return {
    url: target.href,
    pid: child.pid ?? 0,
    close: async () => {
      // SIGTERM ends it at once, without waiting for its clients.
      child.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
