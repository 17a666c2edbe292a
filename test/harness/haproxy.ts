/** Debian's HAProxy and nginx before processes of ours. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { listens } from './ports.ts';

const env = { PATH: `${process.env.PATH}:/usr/sbin` };

const has = (program: string): boolean => {
  try {
    execFileSync(program, ['-v'], { stdio: 'ignore', env });
    return true;
  } catch {
    return false;
  }
};
export const hasHaproxy = (): boolean => has('haproxy');
export const hasNginx = (): boolean => has('nginx');

export interface Haproxy {
  /** Everything that it wrote: among it when a server went up or down. */
  output(): string;
  close(): Promise<void>;
}

/** Resolves when it listens on `port`. */
async function start(program: string, args: readonly string[], dir: string, port: number): Promise<Haproxy> {
  let output = '';
  const child: ChildProcess = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}:\n${output}`);
    if (!(await listens(port))) throw new Error(`${program} does not listen:\n${output}`);
  });
  return {
    output: () => output,
    close: async () => {
      // nginx has workers, which outlive a parent that is killed.
      child.kill(program === 'nginx' ? 'SIGTERM' : 'SIGKILL');
      await exited;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Resolves when it listens on `port`, which the configuration names. */
export async function startHaproxy(configuration: string, port: number): Promise<Haproxy> {
  const dir = mkdtempSync(join(tmpdir(), 'haproxy-'));
  const file = join(dir, 'haproxy.cfg');
  writeFileSync(file, configuration);
  return start('haproxy', ['-db', '-f', file], dir, port);
}

/** The same of nginx; `configuration` is what stands in its `http`. */
export async function startNginx(configuration: string, port: number): Promise<Haproxy> {
  const dir = mkdtempSync(join(tmpdir(), 'nginx-'));
  const file = join(dir, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(dir, name)};`,
  );
  const http = ['access_log off;', ...temporary, configuration].join('\n');
  writeFileSync(file, `pid ${join(dir, 'pid')};\nerror_log stderr;\nevents {}\nhttp {\n${http}\n}\n`);
  return start('nginx', ['-p', dir, '-c', file, '-g', 'daemon off;'], dir, port);
}
