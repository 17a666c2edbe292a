/** The real `espalier` in a process of its own, without a terminal, as a script runs it. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownEnvironment } from './own-environment.ts';
import { program } from './program.ts';
import { runCommand } from './run-espalier.ts';

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  // The tests say what they expect of it.
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape come here
  json(): any;
}

export interface CommandLine {
  /** A home of its own, so that the profiles of whoever runs the tests are not used. */
  readonly home: string;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** On a terminal of so many columns; each answer is typed when its prompt is there. Everything comes as `stdout`. */
  onTerminal(args: readonly string[], options: TerminalOptions): Promise<Ran>;
}

export interface TerminalOptions {
  readonly columns: number;
  readonly environment?: Record<string, string>;
  readonly answers?: readonly (readonly [prompt: string, answer: string])[];
}

/** `script` of util-linux gives a command a terminal; that of other systems takes other options. */
export const hasTerminals =
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') === true;

export interface RunOptions {
  readonly environment?: Record<string, string>;
  readonly input?: string;
}

export function createCommandLine(server: Record<string, string>): CommandLine {
  const home = mkdtempSync(join(tmpdir(), 'espalier-cli-'));
  return {
    home,
    run: async (args, { environment = {}, input } = {}) => {
      const own = { HOME: home, ...server, ...environment };
      const ran = await runCommand(args, {
        cwd: home,
        environment: own,
        ...(input === undefined ? {} : { stdin: input }),
      });
      return { ...ran, json: () => JSON.parse(ran.stdout) };
    },
    onTerminal: (args, { answers = [], columns, environment = {} }) =>
      new Promise((resolve) => {
        const quoted = [process.execPath, program(), ...args].map(
          (word) => `'${word.replaceAll("'", "'\\''")}'`,
        );
        const command = `stty cols ${columns} rows 40; ${quoted.join(' ')}`;
        const child = spawn('script', ['-qec', command, '/dev/null'], {
          cwd: home,
          env: {
            ...ownEnvironment(),
            HOME: home,
            TERM: 'xterm',
            SHELL: '/bin/sh',
            ...server,
            ...environment,
          },
          stdio: 'pipe',
        });
        const waiting = [...answers];
        let stdout = '';
        child.stdout.on('data', (chunk) => {
          stdout += chunk;
          const [next] = waiting;
          if (next === undefined || !stdout.includes(next[0])) return;
          waiting.shift();
          child.stdin.write(`${next[1]}\r`);
        });
        child.on('close', (code) => resolve({ code, stdout, stderr: '', json: () => JSON.parse(stdout) }));
      }),
  };
}

export function writeFileIn(home: string, name: string, text: string): string {
  const path = join(home, name);
  writeFileSync(path, text);
  return path;
}
