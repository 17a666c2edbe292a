/** What `serve` says of its start and end, on one process and on several. */

import { availableParallelism } from 'node:os';
import type { Config } from '../runtime/config.ts';
import type { StartOptions } from '../runtime/node.ts';
import { countProcesses } from '../runtime/process-shares.ts';
import { StartFault } from '../runtime/start-fault.ts';

export type ServeOptions = Omit<StartOptions, 'member' | 'signal'>;

/** Long enough for a balancer that looks each second and believes the second failure. */
const balancersSeconds = 5;

/** A person at a terminal is no balancer, and sends SIGINT. */
export function drainDelayOf(
  { drainDelaySeconds }: Pick<Config, 'drainDelaySeconds'>,
  signal: string,
): number {
  if (signal !== 'SIGTERM') return 0;
  return drainDelaySeconds ?? (process.stdout.isTTY ? 0 : balancersSeconds);
}

const lineOf = (error: unknown): string =>
  error instanceof StartFault ? error.message : `espalier: ${(error as Error).message}`;

/** A line for each fault of a start. */
export function faultLines(error: unknown): string[] {
  // An error met while undoing wraps the one that the start failed with, which is the one to tell.
  const cause = error instanceof SuppressedError ? error.suppressed : error;
  const faults: unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  return faults.map(lineOf);
}

/** Scripts wait for this line, so it is JSON whatever the log's format. */
export function readyLine(
  urls: Readonly<Record<string, string>>,
  degradedSeconds: number | undefined,
): string {
  const degraded =
    degradedSeconds === undefined ? {} : { degraded: ['database'], age: Math.round(degradedSeconds) };
  return `${JSON.stringify({ time: new Date().toISOString(), level: 'info', event: 'ready', ...urls, ...degraded })}\n`;
}

/** The part of `espalier config` about processes, which depends on the machine. */
export function describeProcesses(
  config: Pick<Config, 'databaseConnections' | 'databaseUrl' | 'processes'>,
): string {
  const cores = availableParallelism();
  const [processes, of] = [countProcesses(config, cores), cores === 1 ? '1 core' : `${cores} cores`];
  const why = config.databaseUrl === undefined ? 'with the embedded database' : `on ${of}`;
  return `# ESPALIER_PROCESSES: serve runs ${processes === 1 ? '1 process' : `${processes} processes`} ${why}`;
}
