/** A page of documentation whose shell blocks are typed into one shell, one after the other, and compared. */

import { type ChildProcess, spawn } from 'node:child_process';

export interface TypedBlock {
  /** The block's line in the page. */
  readonly line: number;
  readonly commands: string;
  /** The output that the page promises; undefined when it promises none. */
  readonly printed: string | undefined;
}

/** Every `sh` block, with the `text` block that follows it before the next one. */
export function typedBlocks(page: string): TypedBlock[] {
  const found = [...page.matchAll(/^```(sh|text)\n([\s\S]*?)^```$/gm)];
  return found.flatMap(([, kind, text = ''], index) => {
    if (kind !== 'sh') return [];
    const next = found[index + 1];
    const line = page.slice(0, found[index]?.index).split('\n').length;
    return [{ line, commands: text, printed: next?.[1] === 'text' ? next[2] : undefined }];
  });
}

/** `…` stands for anything in its line. */
export function printedPattern(printed: string): RegExp {
  const parts = printed.trimEnd().split('…');
  return new RegExp(`^${parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
}

export interface TypingShell {
  /** The output of the commands, both streams. Rejects when the shell ends or the time is over. */
  type(commands: string): Promise<string>;
  /** Ends the shell and everything that it started. */
  end(): Promise<void>;
}

/** A bash that reads what is typed; `environment` is all that it has. */
export function openShell(cwd: string, environment: Record<string, string>, withinMs: number): TypingShell {
  // A group of its own, so that what runs in the background can be ended with it.
  const shell: ChildProcess = spawn('bash', ['--noprofile', '--norc'], {
    ...{ cwd, env: environment, detached: true },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let noticed = (): void => undefined;
  const take = (chunk: Buffer): void => {
    output += chunk.toString('utf8');
    noticed();
  };
  shell.stdout?.on('data', take);
  shell.stderr?.on('data', take);
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    shell.on('exit', () => {
      ended = true;
      noticed();
      resolve();
    });
  });
  // Input for a shell that has ended is lost; its end is reported above.
  shell.stdin?.on('error', () => undefined);
  let typed = 0;
  return {
    type: (commands) =>
      new Promise((resolve, reject) => {
        typed += 1;
        const mark = `--- end of block ${typed} ---\n`;
        output = '';
        if (ended) {
          reject(new Error('the shell has ended'));
          return;
        }
        const timer = setTimeout(
          () => reject(new Error(`not done after ${withinMs} ms:\n${commands}\nit printed:\n${output}`)),
          withinMs,
        );
        noticed = () => {
          const at = output.indexOf(mark);
          if (at < 0 && !ended) return;
          clearTimeout(timer);
          noticed = () => undefined;
          if (at < 0) reject(new Error(`the shell ended; it printed:\n${output}`));
          else resolve(output.slice(0, at));
        };
        // Standard error joins standard output, so that the two come in order.
        shell.stdin?.write(`{\n${commands}\n} 2>&1\nprintf -- '${mark.trimEnd()}\\n'\n`);
      }),
    end: async () => {
      if (shell.pid !== undefined) {
        try {
          process.kill(-shell.pid, 'SIGTERM');
        } catch (error) {
          // The shell and all that it started are gone already.
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        }
      }
      await exited;
    },
  };
}
