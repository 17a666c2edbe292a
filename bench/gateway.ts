import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The real `espalier serve` in its own process, configured by its environment only. */
export interface Gateway {
  readonly pid: number;
  readonly data: string;
  readonly admin: string;
  readonly ops: string;
  /** The end of what it wrote. */
  output(): string;
  stop(): Promise<void>;
}

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
/** Long enough to read a million routes on a processor that others use. */
const startTimeoutMs = 180_000;
const stopTimeoutMs = 10_000;
/** Of its output, for the message when something fails. */
const keptChars = 2_000;

type Ready = Pick<Gateway, 'data' | 'admin' | 'ops'>;

export interface GatewayProcess {
  /** The processor to stay on; default: any. */
  readonly core?: number;
  /** File of a program that takes the place of `espalier serve`: it understands the same environment. */
  readonly program?: string;
}

export async function startGateway(
  environment: Readonly<Record<string, string>>,
  { core, program }: GatewayProcess = {},
): Promise<Gateway> {
  const pinned = core === undefined ? [] : ['taskset', '-c', String(core)];
  const [command = '', ...args] = [
    ...pinned,
    process.execPath,
    ...(program === undefined ? [main, 'serve'] : [program]),
  ];
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, ESPALIER_DRAIN_DELAY_SECONDS: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await exited;
    clearTimeout(force);
  };
  let output = '';
  let isReady = false;
  const ready = new Promise<Ready>((resolve, reject) => {
    const fail = (): void => reject(new Error(`${program ?? 'espalier serve'} did not start:\n${output}`));
    const timer = setTimeout(fail, startTimeoutMs);
    const look = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
      // Before it is ready nothing is cut off, so that its line is whole.
      if (isReady) {
        output = output.slice(-keptChars);
        return;
      }
      const line = output.split('\n').find((one) => one.includes('"event":"ready"') && one.endsWith('}'));
      if (line === undefined) return;
      clearTimeout(timer);
      isReady = true;
      resolve(JSON.parse(line) as Ready);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('exit', fail);
  });
  try {
    const { admin, data, ops } = await ready;
    return { pid: child.pid ?? 0, data, admin, ops, output: () => output, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
