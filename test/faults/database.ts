import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/runtime/node-embedded-postgres.ts';
import { freePort } from '../harness/ports.ts';

/** A PostgreSQL of the storm's own, always at the same address, that can be stopped under everybody's feet. */
export interface StormDatabase {
  readonly url: string;
  /** Accepts connections, or did a moment ago. */
  isUp(): boolean;
  /** `immediate` is a crash that has to be recovered from, `fast` a restart; both break every connection. */
  stop(mode: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
}

const signals = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
const stopTimeoutMs = 20_000;

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

export async function startStormDatabase(dir: string): Promise<StormDatabase> {
  const port = await freePort();
  const postmaster = join(dir, 'postgres', 'data', 'postmaster.pid');
  let server: EmbeddedPostgres | undefined = await startEmbeddedPostgres(dir, { port });
  const { url } = server;
  return {
    url,
    isUp: () => server !== undefined,
    stop: async (mode) => {
      if (!server) return;
      const pid = Number((await readFile(postmaster, 'utf8')).split('\n')[0]);
      server = undefined;
      process.kill(pid, signals[mode]);
      const end = Date.now() + stopTimeoutMs;
      while (isAlive(pid)) {
        if (Date.now() > end) throw new Error(`PostgreSQL does not stop by ${signals[mode]}`);
        await wait(20);
      }
    },
    start: async () => {
      server ??= await startEmbeddedPostgres(dir, { port });
      if (server.url !== url) throw new Error(`PostgreSQL came back at another address than ${url}`);
    },
  };
}
