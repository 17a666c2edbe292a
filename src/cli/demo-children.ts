import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DemoFailure } from './demo-failure.ts';

/** An `espalier` command in a process of its own. */
export interface DemoChild {
  /** The line with `"event":"ready"`. Rejects with `DemoFailure` when the process ends first or takes too long. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  /** Rejects with the last log lines when the process ends without being asked to; never resolves. */
  readonly died: Promise<never>;
  /** Sends it a message and waits until it answers with this one. Rejects for a child without a channel. */
  tell(message: object, answer: string): Promise<void>;
  /** SIGTERM, and SIGKILL to what does not go. */
  stop(): Promise<void>;
}

export interface DemoChildOptions {
  readonly name: string;
  /** Default: the command line. With the gateway of the demo the parent can speak (`tell`). */
  readonly entry?: 'demo-gateway' | 'main';
  /** Absolute path of another program in its place. */
  readonly program?: string | undefined;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
}

const readyWithinMs = 60_000;
// `serve` lets requests in flight finish for at most 30 s (contract.md 3).
const stopWithinMs = 35_000;
const keptLines = 20;

/** Beside this file, with its extension: the sources run as they are, the package is built. */
const fileOf = (entry: string): string =>
  fileURLToPath(new URL(`./${entry}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));

/** The user's environment without configuration of another gateway: the demo must never touch that. */
function cleanEnvironment(): Record<string, string | undefined> {
  const isForeign = (name: string): boolean =>
    name.startsWith('ESPALIER_') ||
    name === 'DATABASE_URL' ||
    name === 'NODE_EXTRA_CA_CERTS' ||
    // The simulated world is on this machine, where no proxy finds it.
    /^(?:https?|all)_proxy$/i.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)));
}

function readEvent(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function collectOutput(child: ChildProcess, logFile: string) {
  const log = createWriteStream(logFile);
  const lines: string[] = [];
  let onReady: (event: Readonly<Record<string, unknown>>) => void = () => undefined;
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => {
      log.write(`${line}\n`);
      lines.push(line);
      if (lines.length > keptLines) lines.shift();
      const event = readEvent(line);
      if (event?.event === 'ready') onReady(event);
    });
  }
  return {
    ready: new Promise<Readonly<Record<string, unknown>>>((resolve) => {
      onReady = resolve;
    }),
    tail: (): string => lines.map((line) => `  ${line}`).join('\n'),
    end: () => log.end(),
  };
}

/** A child that ends meanwhile is reported by `died`. */
function tell(child: ChildProcess, message: object, answer: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const listen = (said: unknown): void => {
      if (said !== answer) return;
      child.off('message', listen);
      resolve();
    };
    child.on('message', listen);
    if (!child.connected) reject(new DemoFailure('it cannot be spoken to'));
    else child.send(message, (error) => error && reject(new DemoFailure(error.message)));
  });
}

export function startDemoChild(options: DemoChildOptions): DemoChild {
  const { entry = 'main', name, program = fileOf(entry) } = options;
  const child = spawn(process.execPath, [...process.execArgv, program, ...options.args], {
    cwd: options.cwd,
    env: { ...cleanEnvironment(), ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe', ...(entry === 'main' ? [] : (['ipc'] as const))],
  });
  const output = collectOutput(child, options.logFile);
  let isStopping = false;
  // 'close' comes after the last line was read, 'exit' may come before.
  const closed = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
  });
  void closed.then(output.end);

  const died = closed.then((how): Promise<never> => {
    if (isStopping) return new Promise(() => undefined);
    throw new DemoFailure(
      `${name} ended (${how}); its last lines, all in ${options.logFile}:\n${output.tail()}`,
    );
  });
  // It is awaited in races that may be over by then.
  died.catch(() => undefined);

  let readyTimer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    readyTimer = setTimeout(
      () =>
        reject(new DemoFailure(`${name} is not ready after ${readyWithinMs / 1000} s:\n${output.tail()}`)),
      readyWithinMs,
    );
  });
  const ready = Promise.race([output.ready, died, late]).finally(() => clearTimeout(readyTimer));
  ready.catch(() => undefined);

  return {
    ready,
    died,
    tell: (message, answer) => tell(child, message, answer),
    stop: async () => {
      isStopping = true;
      clearTimeout(readyTimer);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
      await closed;
      clearTimeout(killer);
    },
  };
}
