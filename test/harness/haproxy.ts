/** Debian's HAProxy before processes of ours. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { listens } from './ports.ts';

const env = { PATH: `${process.env.PATH}:/usr/sbin` };

export const hasHaproxy = (): boolean => {
  try {
    execFileSync('haproxy', ['-v'], { stdio: 'ignore', env });
    return true;
  } catch {
    return false;
  }
};

export interface Haproxy {
  /** Everything that it wrote: among it when a server went up or down. */
  output(): string;
  close(): Promise<void>;
}

/** Resolves when it listens on `port`, which the configuration names. */
export async function startHaproxy(configuration: string, port: number): Promise<Haproxy> {
  const dir = mkdtempSync(join(tmpdir(), 'haproxy-'));
  const file = join(dir, 'haproxy.cfg');
  writeFileSync(file, configuration);
  let output = '';
  const child: ChildProcess = spawn('haproxy', ['-db', '-f', file], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`haproxy ended with ${child.exitCode}:\n${output}`);
    if (!(await listens(port))) throw new Error(`haproxy does not listen:\n${output}`);
  });
  return {
    output: () => output,
    close: async () => {
      child.kill('SIGKILL');
      await exited;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
