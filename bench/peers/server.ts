import { execFileSync, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { toolEnvironment } from './tools.ts';

/** Processes of the bench, each on the processor that it is measured on. */

/** Gateways, ours and the peers, one at a time under load. */
export const gatewayCore = 0;
/** The load generator, the upstream and PostgreSQL. */
export const loadCore = 1;

export interface Server {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface ServerPlan {
  readonly name: string;
  readonly core: number;
  readonly command: string;
  readonly args: readonly string[];
  /** It is ready when this port takes connections. */
  readonly port: number;
  readonly startTimeoutMs: number;
}

/** Of its output, for the message when it does not start. */
const keptChars = 2_000;
const stopTimeoutMs = 5_000;

const takesConnections = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });

/** Puts this process, and so whatever it starts without saying more, on a processor until the stack ends. */
export function stayOn(stack: AsyncDisposableStack, core: number): void {
  const self = String(process.pid);
  const taskset = (...args: string[]): string =>
    execFileSync('taskset', args, { encoding: 'utf8', env: toolEnvironment });
  const before = taskset('-c', '-p', self).split(': ').at(-1)?.trim();
  taskset('-a', '-c', '-p', String(core), self);
  if (before !== undefined) stack.defer(() => void taskset('-a', '-c', '-p', before, self));
}

/** Starts it and waits until it listens; it is stopped by the stack. */
export async function startServer(stack: AsyncDisposableStack, plan: ServerPlan): Promise<Server> {
  const child = spawn('taskset', ['-c', String(plan.core), plan.command, ...plan.args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: toolEnvironment,
  });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-keptChars);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await exited;
    clearTimeout(force);
  };
  stack.defer(stop);
  const end = Date.now() + plan.startTimeoutMs;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${plan.name} ended with ${child.exitCode}:\n${output}`);
    if (await takesConnections(plan.port)) return { pid: child.pid ?? 0, stop };
    if (Date.now() > end) throw new Error(`${plan.name} did not start:\n${output}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
