import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { familyProcessorSeconds } from '../usage.ts';
import { loadCore } from './server.ts';
import { besides } from './template.ts';
import { toolEnvironment } from './tools.ts';

/** The load: wrk, one thread, 64 keep-alive connections with one request at a time on each. */

export const connections = 64;
/** Above one request's longest answer; a request that takes longer fails the run. */
const answerTimeoutSeconds = 5;
const run = promisify(execFile);

export interface LoadFiles {
  /** Path to a line. */
  readonly paths: string;
  /** Header lines with the empty line that ends them. */
  readonly headers: string;
}

export interface LoadTarget {
  readonly name: string;
  readonly origin: string;
  readonly pid: number;
  /** Of one answer, its header lines included. */
  readonly answerWireBytes: number;
}

export interface Round {
  readonly requestsPerSecond: number;
  /** Microseconds of the gateway's processes for one request; NaN where the system does not say. */
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the gateway's processes. */
  readonly processors: number;
}

interface Sums {
  readonly requests: number;
  readonly microseconds: number;
  readonly bytes: number;
  readonly failed: number;
  readonly refused: number;
  readonly p50: number;
  readonly p99: number;
}

/** For people who want to do the same by hand. */
export const loadCommand = (origin: string, seconds: number, { headers, paths }: LoadFiles): string[] => [
  ...['taskset', '-c', String(loadCore), 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`],
  ...[`--timeout`, `${answerTimeoutSeconds}s`, '-s', besides('wrk.lua'), origin, '--', paths, headers],
];

/** Throws when a request failed, was refused or had an answer of another length. */
export async function loadRound(
  target: LoadTarget,
  seconds: number,
  files: LoadFiles,
  signal: AbortSignal,
): Promise<Round> {
  const [command = '', ...args] = loadCommand(target.origin, seconds, files);
  const before = familyProcessorSeconds(target.pid);
  const started = performance.now();
  const { stdout } = await run(command, args, { env: toolEnvironment, signal });
  const wallSeconds = (performance.now() - started) / 1_000;
  const after = familyProcessorSeconds(target.pid);
  const line = stdout.split('\n').find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`wrk against ${target.name} said:\n${stdout}`);
  const sums = JSON.parse(line) as Sums;
  if (sums.failed > 0 || sums.requests === 0) {
    throw new Error(
      `${target.name}: of ${sums.requests} requests ${sums.failed} failed, ${sums.refused} of them were refused`,
    );
  }
  // At the end every connection may have one more answer, whole or in part.
  const surplus = sums.bytes - sums.requests * target.answerWireBytes;
  if (surplus < 0 || surplus > connections * target.answerWireBytes) {
    throw new Error(
      `${target.name}: ${sums.requests} answers of ${target.answerWireBytes} bytes came as ${sums.bytes} bytes`,
    );
  }
  const cpuSeconds = (after ?? Number.NaN) - (before ?? Number.NaN);
  return {
    requestsPerSecond: sums.requests / (sums.microseconds / 1e6),
    cpuMicros: (cpuSeconds * 1e6) / sums.requests,
    p50Ms: sums.p50 / 1_000,
    p99Ms: sums.p99 / 1_000,
    processors: cpuSeconds / wallSeconds,
  };
}
