import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Watcher } from './mutation.ts';

/** Running what has to notice a mutation, in a copy of the project. */

export interface Ran {
  /** `broken`: it ran no test at all, so it says nothing. */
  readonly outcome: 'passed' | 'failed' | 'broken';
  readonly seconds: number;
  readonly output: string;
}

/** A mutation that makes a test hang is noticed, too. */
const mostMs = 5 * 60_000;
const killAfterMs = 40_000;
const keptOutput = 200_000;

function commandFor(watcher: Watcher): { args: readonly string[]; env: Record<string, string> } {
  const vitest = [join('node_modules', 'vitest', 'vitest.mjs'), 'run', '--maxWorkers=1', '--bail=1'];
  switch (watcher.run) {
    case 'test': {
      const named = watcher.named === undefined ? [] : ['-t', watcher.named];
      return { args: [...vitest, watcher.file, ...named], env: {} };
    }
    case 'simulation':
      return {
        args: [...vitest, `test/simulation/${watcher.of}.test.ts`],
        env: {
          ESPALIER_SIMULATION_SEED: `${watcher.seed}`,
          ESPALIER_SIMULATION_SEEDS: `${watcher.seeds}`,
        },
      };
    case 'storm':
      return { args: [join('test', 'faults', 'main.ts'), ...watcher.args], env: {} };
  }
}

/** Says how many tests ran; vitest's exit code alone cannot tell a failed test from a filter that matches none. */
const testsRan = (output: string): boolean => /^\s*Tests\s+.*\d+ (passed|failed)/m.test(output);
const stormRan = (output: string): boolean => /^seed \d+: (passed|NOT PASSED)/m.test(output);

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape of terminal colours is one
const withoutColours = (text: string): string => text.replaceAll(/\u001b\[[0-9;]*m/g, '');

/** Resolves when it has ended and everything of it is gone. */
async function ended(child: ChildProcess, signal: AbortSignal): Promise<boolean> {
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const timer = AbortSignal.any([AbortSignal.timeout(mostMs), signal]);
  const stopped = new Promise<void>((resolve) => {
    if (timer.aborted) resolve();
    else timer.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([exited, stopped]);
  if (child.exitCode !== null || child.signalCode !== null) return false;
  // Its database and its gateways end with it; what does not is killed with its whole group.
  child.kill('SIGTERM');
  await Promise.race([exited, wait(killAfterMs, undefined, { ref: false })]);
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
  await exited;
  return true;
}

export async function runWatcher(watcher: Watcher, dir: string, signal: AbortSignal): Promise<Ran> {
  const startedAt = performance.now();
  const { args, env } = commandFor(watcher);
  const child = spawn(process.execPath, args, {
    cwd: dir,
    env: { ...process.env, CI: '1', NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-keptOutput);
  };
  child.once('error', (error) => keep(Buffer.from(String(error))));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const hung = await ended(child, signal);
  signal.throwIfAborted();
  const text = withoutColours(output);
  const seconds = (performance.now() - startedAt) / 1000;
  if (hung) return { outcome: 'failed', seconds, output: text };
  const ran = watcher.run === 'storm' ? stormRan(text) : testsRan(text);
  const outcome = ran ? (child.exitCode === 0 ? 'passed' : 'failed') : 'broken';
  return { outcome, seconds, output: text };
}
