import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../harness/ports.ts';

/** What is started as a gateway, with its own variables. */
export interface GatewayProgram {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** It is told what to end in itself. */
  readonly takesMessages: boolean;
}

export const nodeGateway: GatewayProgram = {
  args: [fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)), 'serve'],
  environment: {},
  takesMessages: false,
};
const startTimeoutMs = 60_000;
const stopTimeoutMs = 35_000;
/** As a supervisor waits before it starts a process again that ended by itself. */
const restartAfterMs = 500;

/** One gateway with its addresses, through all its lives. */
export interface StormGateway {
  readonly name: string;
  readonly data: string;
  readonly admin: string;
  readonly ops: string;
  /** File of everything that it wrote. */
  readonly log: string;
  /** Of the newest process. */
  pid(): number | undefined;
  /** Answers; a balancer would send to it. */
  isUp(): boolean;
  /** SIGKILL: no time for anything. */
  kill(): Promise<void>;
  /** Resolves when it is ready. */
  start(): Promise<void>;
  /** SIGTERM, and no life after it. */
  stop(): Promise<void>;
  /** SIGHUP: one on several processes replaces them. */
  reload(): void;
  /** Ends the Durable Objects of this name, where it has such. */
  abort(objects: readonly string[]): void;
  /** When it ended although it was ready and nobody had asked it to, milliseconds since the epoch. */
  readonly deaths: readonly number[];
  /** Ends before it was ready: the database may be away then, and its supervisor starts it again. */
  failedStarts(): number;
}

/** Ready as its own probe says: what it logs goes to a file, which nobody has to follow. */
const isReady = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const asked = request(`http://127.0.0.1:${port}/health/ready`, { timeout: 1000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.end();
  });

function killGroup(child: ChildProcess | undefined): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody is left of it.
  }
}

/** `environment` configures it but for its name, listeners and data directory, which are its own; it works in `dir`. */
export async function createGateway(
  name: string,
  environment: Readonly<Record<string, string>>,
  dir: string,
  dataPort: number,
  program: GatewayProgram = nodeGateway,
): Promise<StormGateway> {
  const [adminPort, opsPort] = [await freePort(), await freePort()];
  const own = {
    ...environment,
    ...program.environment,
    ESPALIER_DATA_DIR: join(dir, name),
    ESPALIER_DATA_LISTEN: `127.0.0.1:${dataPort}`,
    ESPALIER_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    ESPALIER_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    ESPALIER_ADMIN_URL: `https://localhost:${adminPort}`,
  };
  let child: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();
  let up = false;
  let wanted = false;
  const deaths: number[] = [];
  let failedStarts = 0;

  const logFile = join(dir, `${name}.log`);
  const spawnOnce = (): void => {
    const log = openSync(logFile, 'a');
    const born = spawn(process.execPath, program.args, {
      cwd: dir,
      env: { PATH: process.env.PATH, ESPALIER_DRAIN_DELAY_SECONDS: '0', ...own },
      stdio: ['ignore', log, log, program.takesMessages ? 'ipc' : 'ignore'],
      // Killed with what it started, as workerd.
      detached: true,
    });
    closeSync(log);
    child = born;
    void (async () => {
      while (child === born && born.exitCode === null && born.signalCode === null) {
        if (await isReady(opsPort)) {
          up = wanted && child === born;
          return;
        }
        await wait(100);
      }
    })();
    exited = new Promise((resolve) =>
      born.once('exit', () => {
        const wasUp = up;
        up = false;
        killGroup(born);
        resolve();
        if (!wanted || child !== born) return;
        if (wasUp) deaths.push(Date.now());
        else failedStarts += 1;
        setTimeout(() => {
          if (wanted && child === born) spawnOnce();
        }, restartAfterMs);
      }),
    );
  };
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    wanted = false;
    up = false;
    const gone = exited;
    if (signal === 'SIGKILL') killGroup(child);
    else child?.kill(signal);
    const force = setTimeout(() => killGroup(child), stopTimeoutMs);
    await gone;
    clearTimeout(force);
  };

  return {
    name,
    data: `https://localhost:${dataPort}`,
    admin: `https://localhost:${adminPort}`,
    ops: `http://127.0.0.1:${opsPort}`,
    log: logFile,
    pid: () => child?.pid,
    isUp: () => up,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    reload: () => {
      child?.kill('SIGHUP');
    },
    abort: (objects) => {
      if (up && child?.connected) child.send({ abort: objects }, () => undefined);
    },
    start: async () => {
      if (!wanted) {
        wanted = true;
        spawnOnce();
      }
      const deadline = Date.now() + startTimeoutMs;
      while (wanted && !up) {
        if (Date.now() > deadline) throw new Error(`${name} does not get ready; its log is in ${dir}`);
        await wait(50);
      }
    },
    deaths,
    failedStarts: () => failedStarts,
  };
}
