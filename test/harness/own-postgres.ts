import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/runtime/node-embedded-postgres.ts';
import { freePort } from './ports.ts';

/** A PostgreSQL of a test's own, always at the same address, that can be stopped under everybody's feet. */
export interface OwnPostgres {
  readonly url: string;
  /** Accepts connections, or did a moment ago. */
  isUp(): boolean;
  /** `immediate` is a crash that has to be recovered from, `fast` a restart; both break every connection. */
  stop(mode: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
  /** All its processes stand still: the kernel goes on accepting connections, and nobody answers. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

const run = promisify(execFile);
const signals = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
const stopTimeoutMs = 20_000;

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)]);
  return stdout
    .split('\n')
    .map(Number)
    .filter((child) => child > 0);
}

export async function startOwnPostgres(dir: string): Promise<OwnPostgres> {
  const port = await freePort();
  const postmaster = join(dir, 'postgres', 'data', 'postmaster.pid');
  let server: EmbeddedPostgres | undefined = await startEmbeddedPostgres(dir, { port });
  const { url } = server;
  let frozen: readonly number[] = [];
  const pidOf = async (): Promise<number> => Number((await readFile(postmaster, 'utf8')).split('\n')[0]);
  const thaw = async (): Promise<void> => {
    for (const pid of frozen) if (isAlive(pid)) process.kill(pid, 'SIGCONT');
    frozen = [];
  };
  return {
    url,
    isUp: () => server !== undefined,
    stop: async (mode) => {
      await thaw();
      const stopped = server;
      if (!stopped) return;
      const pid = await pidOf();
      server = undefined;
      process.kill(pid, signals[mode]);
      const end = Date.now() + stopTimeoutMs;
      while (isAlive(pid)) {
        if (Date.now() > end) throw new Error(`PostgreSQL does not stop by ${signals[mode]}`);
        await wait(20);
      }
      // Its directory is free again for the next start.
      await stopped.stop();
    },
    start: async () => {
      server ??= await startEmbeddedPostgres(dir, { port });
      if (server.url !== url) throw new Error(`PostgreSQL came back at another address than ${url}`);
    },
    freeze: async () => {
      const pid = await pidOf();
      // First the postmaster: it makes no more of them.
      process.kill(pid, 'SIGSTOP');
      const children = await childrenOf(pid);
      for (const child of children) if (isAlive(child)) process.kill(child, 'SIGSTOP');
      frozen = [...children, pid];
    },
    thaw,
  };
}
