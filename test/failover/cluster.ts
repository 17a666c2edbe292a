import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { childrenOf } from '../harness/children.ts';
import { freePort } from '../harness/ports.ts';
import { openAddress } from './address.ts';

/** A primary with a replica that streams from it, behind one address, as operators run PostgreSQL for availability. */
export interface Cluster {
  /** Of the address: the same before and after. */
  readonly url: string;
  isUp(): boolean;
  /** SIGKILL for the primary and every process of it, as when its machine loses power. */
  killPrimary(): Promise<void>;
  /** The replica becomes the primary and has the address. */
  promote(): Promise<void>;
  stop(): Promise<void>;
}

const run = promisify(execFile);
const host = '127.0.0.1';
const user = 'espalier';
const database = 'espalier';
const readyTimeoutMs = 30_000;

/** Nothing but the replication differs from what Debian's package sets up. */
const settingsOf = (port: number): string => `
listen_addresses = '${host}'
port = ${port}
unix_socket_directories = ''
max_connections = 200
wal_level = replica
hot_standby = on
`;
/**
 * A commit waits until the replica has it on its disk too: only then does what was answered 202 survive the loss of the
 * primary. By name, so that a base backup does not count.
 */
const synchronous = `
synchronous_standby_names = 'FIRST 1 (replica)'
synchronous_commit = on
`;

/** PostgreSQL refuses to run as root; Debian's package made a user for it. */
function postgresUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error('there is no user postgres to run PostgreSQL as');
  return { uid: Number(uid), gid: Number(gid) };
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

interface Server {
  readonly port: number;
  readonly data: string;
}

/** The programs of PostgreSQL, run as whoever may run them. */
function createPrograms(binaries: string, dir: string, password: string) {
  const owner = postgresUser();
  if (owner) chownSync(dir, owner.uid, owner.gid);
  const exec = (program: string, args: readonly string[]) =>
    run(join(binaries, program), args, {
      cwd: dir,
      env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC', PGPASSWORD: password },
      ...owner,
    });
  return {
    initialise: async ({ data }: Server): Promise<void> => {
      const passwordFile = join(dir, 'password');
      writeFileSync(passwordFile, password, { mode: 0o600 });
      if (owner) chownSync(passwordFile, owner.uid, owner.gid);
      const auth = ['--auth=scram-sha-256', `--pwfile=${passwordFile}`];
      await exec('initdb', [
        `--pgdata=${data}`,
        `--username=${user}`,
        '--encoding=UTF8',
        '--locale=C',
        ...auth,
      ]);
    },
    copy: async (from: Server, { data }: Server): Promise<void> => {
      const source = `host=${host} port=${from.port} user=${user} application_name=replica`;
      await exec('pg_basebackup', [
        '--pgdata',
        data,
        '--dbname',
        source,
        '--write-recovery-conf',
        '--checkpoint=fast',
      ]);
    },
    start: async ({ data }: Server): Promise<void> => {
      await exec('pg_ctl', ['start', '--wait', '--pgdata', data, '--log', `${data}.log`]);
    },
    promote: async ({ data }: Server): Promise<void> => {
      await exec('pg_ctl', ['promote', '--wait', '--pgdata', data]);
    },
    stop: async ({ data }: Server): Promise<void> => {
      await exec('pg_ctl', ['stop', '--wait', '--mode=immediate', '--pgdata', data]);
    },
  };
}

const urlOf = (password: string, port: number, name = database): string =>
  `postgres://${user}:${password}@${host}:${port}/${name}`;

async function ask<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 2 });
  }
}

async function untilSynchronous(url: string): Promise<void> {
  const deadline = Date.now() + readyTimeoutMs;
  await ask(url, async (sql) => {
    for (;;) {
      const [row] =
        await sql`select 1 from pg_stat_replication where sync_state = 'sync' and state = 'streaming'`;
      if (row) return;
      if (Date.now() > deadline) throw new Error('the replica does not stream');
      await wait(100);
    }
  });
}

type Programs = ReturnType<typeof createPrograms>;

const configure = ({ data, port }: Server, more = ''): void =>
  // The last line counts: in a copy of the primary's file the replica's own settings come later.
  writeFileSync(join(data, 'postgresql.auto.conf'), `${settingsOf(port)}${more}`, { flag: 'a' });

/** Both run afterwards, and the primary waits for the replica with every commit. */
async function startBoth(
  primary: Server,
  replica: Server,
  programs: Programs,
  password: string,
): Promise<void> {
  await programs.initialise(primary);
  configure(primary);
  await programs.start(primary);
  await ask(urlOf(password, primary.port, 'postgres'), (sql) => sql.unsafe(`create database ${database}`));
  await programs.copy(primary, replica);
  configure(replica);
  await programs.start(replica);
  configure(primary, synchronous);
  const url = urlOf(password, primary.port);
  await ask(url, (sql) => sql`select pg_reload_conf()`);
  await untilSynchronous(url);
}

async function killAll({ data }: Server): Promise<void> {
  const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const pids = [pid, ...childrenOf(pid)];
  for (const one of pids) if (isAlive(one)) process.kill(one, 'SIGKILL');
  while (pids.some(isAlive)) await wait(20);
}

/** All that it starts is stopped by `stop`, also what was killed. */
export async function startCluster(binaries: string): Promise<Cluster> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-failover-'));
  const password = randomBytes(12).toString('hex');
  const programs = createPrograms(binaries, dir, password);
  const primary: Server = { port: await freePort(), data: join(dir, 'primary') };
  const replica: Server = { port: await freePort(), data: join(dir, 'replica') };
  const address = await openAddress();
  let up = false;
  const stop = async (): Promise<void> => {
    up = false;
    await address.close();
    // One that never ran, or was killed, has nothing to stop.
    for (const server of [primary, replica]) await programs.stop(server).catch(() => undefined);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await startBoth(primary, replica, programs, password);
  } catch (error) {
    await stop();
    throw error;
  }
  address.moveTo(primary.port);
  up = true;
  return {
    url: urlOf(password, address.port),
    isUp: () => up,
    killPrimary: async () => {
      up = false;
      await killAll(primary);
      address.moveTo(undefined);
    },
    promote: async () => {
      await programs.promote(replica);
      address.moveTo(replica.port);
      up = true;
    },
    stop,
  };
}
