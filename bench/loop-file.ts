import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Gateway } from './gateway.ts';
import type { LoopSeen } from './loop-slices.ts';
import { type Run, until } from './run.ts';

/** The event loop of a measured gateway, seen from inside: `loop-watch.ts` is preloaded into its process. */
export interface WatchedLoop {
  /** Of the gateway, beside its settings. */
  readonly environment: Readonly<Record<string, string>>;
  /** How long its loop was held at most since the last time. */
  seen(gateway: Gateway): Promise<LoopSeen>;
}

export function watchLoopOf({ signal, stack }: Run): WatchedLoop {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-loop-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'loop.json');
  const watch = new URL('./loop-watch.ts', import.meta.url).href;
  const patience = { everyMs: 20, patienceMs: 20_000, signal };
  return {
    environment: { BENCH_LOOP_FILE: file, NODE_OPTIONS: `--import=${watch}` },
    seen: async (gateway) => {
      rmSync(file, { force: true });
      process.kill(gateway.pid, 'SIGUSR2');
      await until('the gateway told of its event loop', patience, async () => ({
        done: existsSync(file),
        now: gateway.output(),
      }));
      return JSON.parse(readFileSync(file, 'utf8')) as LoopSeen;
    },
  };
}
