/**
 * `espalier serve` and `espalier worker`: until SIGTERM, SIGINT or a closed terminal, then drained, exit 0; also when the
 * signal comes before it is ready. A second signal ends the delay of the first. A start that fails undoes what it began, says
 * why in a line for each fault, and exits 1. On several processes the supervisor does so for all of them.
 */

import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import type { Config } from '../runtime/config.ts';
import { createNodeLog, type RunningGateway, type StartOptions, startGateway } from '../runtime/node.ts';
import { boundYoungGeneration } from '../runtime/node-young-generation.ts';
import { countProcesses } from '../runtime/process-shares.ts';
import { configOrExit } from './environment.ts';
import { exitCodes } from './failure.ts';
import { serveAsMember } from './serve-member.ts';
import { drainDelayOf, faultLines, readyLine, type ServeOptions } from './serve-words.ts';

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** A start that is broken off is given so long to undo itself. */
const undoWithinMs = 10_000;

export async function serve(options: ServeOptions): Promise<void> {
  if (cluster.isWorker) return serveAsMember(options);
  const environment = { ...process.env };
  const stopping = new AbortController();
  let stop = (signal: string): void => {
    stopping.abort(new Error(`stopped by ${signal}`));
    setTimeout(() => process.exit(0), undoWithinMs).unref();
  };
  const onSignal = (signal: string): void => stop(signal);
  for (const signal of signals) process.on(signal, onSignal);
  const config = await configOrExit();
  const processes = countProcesses(config, availableParallelism());
  if (processes > 1 && options.listeners) {
    const { superviseProcesses } = await import('./serve-supervisor.ts');
    if (stopping.signal.aborted) process.exit(0);
    // It listens for them itself before it waits for anything.
    for (const signal of signals) process.off(signal, onSignal);
    return superviseProcesses(config, processes, environment);
  }
  const { signal } = stopping;
  return serveAlone(config, { ...options, signal }, (next) => {
    stop = next;
  });
}

async function startOrExit(config: Config, options: StartOptions): Promise<RunningGateway> {
  // One processor gains nothing from the helpers of a collection: they only keep it from the thread that waits for
  // them.
  if (availableParallelism() === 1) setFlagsFromString('--no-parallel-scavenge');
  boundYoungGeneration();
  try {
    return await startGateway(config, createNodeLog(config), options);
  } catch (error) {
    if (options.signal.aborted) process.exit(0);
    for (const line of faultLines(error)) process.stderr.write(`${line}\n`);
    // The process is of no use without the rest, even where something still holds it.
    process.exit(exitCodes.error);
  }
}

async function serveAlone(
  config: Config,
  options: StartOptions,
  onSignal: (stop: (signal: string) => void) => void,
): Promise<void> {
  const gateway = await startOrExit(config, options);
  let isStopping = false;
  const end = (code: number, delaySeconds: number): void => {
    const ended = gateway.stop(delaySeconds * 1_000);
    if (!isStopping) void ended.then(() => process.exit(code));
    isStopping = true;
  };
  onSignal((signal) => {
    // Nobody sends calls to a process that only delivers.
    const delaySeconds = options.listeners && !isStopping ? drainDelayOf(config, signal) : 0;
    createNodeLog(config).info('stopping', { signal, delaySeconds });
    end(0, delaySeconds);
  });
  gateway.delivering.catch((error: unknown) => {
    if (isStopping) return;
    for (const line of faultLines(error)) process.stderr.write(`${line}\n`);
    end(exitCodes.error, 0);
  });
  if (options.signal.aborted) return end(0, 0);
  process.stdout.write(readyLine(gateway.urls, gateway.degradedSeconds));
}
