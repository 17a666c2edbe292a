/**
 * `espalier serve` and `espalier worker`: until SIGTERM, SIGINT or a closed terminal, then drained, exit 0; also when the
 * signal comes before it is ready. A second signal ends the delay of the first. A start that fails undoes what it began, says why in a line for each fault, and exits 1.
 */

import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { createNodeLog, type RunningGateway, type StartOptions, startGateway } from '../runtime/node.ts';
import { StartFault } from '../runtime/start-fault.ts';
import { configOrExit } from './environment.ts';
import { exitCodes } from './failure.ts';

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** Long enough for a balancer that looks each second and believes the second failure. */
const drainDelaySeconds = 5;
/** A start that is broken off is given so long to undo itself. */
const undoWithinMs = 10_000;

const lineOf = (error: unknown): string =>
  error instanceof StartFault ? error.message : `espalier: ${(error as Error).message}`;

export async function serve(options: Omit<StartOptions, 'signal'>): Promise<void> {
  const stopping = new AbortController();
  let stop = (signal: string): void => {
    stopping.abort(new Error(`stopped by ${signal}`));
    setTimeout(() => process.exit(0), undoWithinMs).unref();
  };
  for (const signal of signals) process.on(signal, () => stop(signal));

  const config = await configOrExit();
  // One processor gains nothing from the helpers of a collection: they only keep it from the thread that waits for
  // them.
  if (availableParallelism() === 1) setFlagsFromString('--no-parallel-scavenge');
  const log = createNodeLog(config);
  let gateway: RunningGateway;
  try {
    gateway = await startGateway(config, log, { ...options, signal: stopping.signal });
  } catch (error) {
    if (stopping.signal.aborted) process.exit(0);
    // An error met while undoing wraps the one that the start failed with, which is the one to tell.
    const cause = error instanceof SuppressedError ? error.suppressed : error;
    const faults: unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
    for (const fault of faults) process.stderr.write(`${lineOf(fault)}\n`);
    // The process is of no use without the rest, even where something still holds it.
    process.exit(exitCodes.error);
  }
  let isStopping = false;
  const end = (code: number, delaySeconds: number): void => {
    const ended = gateway.stop(delaySeconds * 1_000);
    if (!isStopping) void ended.then(() => process.exit(code));
    isStopping = true;
  };
  stop = (signal) => {
    const { drainDelaySeconds: delaySeconds = process.stdout.isTTY ? 0 : drainDelaySeconds } = config;
    // A person at a terminal is no balancer, and nobody sends calls to a process that only delivers.
    const delays = signal === 'SIGTERM' && options.listeners && !isStopping;
    log.info('stopping', { signal, delaySeconds: delays ? delaySeconds : 0 });
    end(0, delays ? delaySeconds : 0);
  };
  gateway.delivering.catch((error: unknown) => {
    if (isStopping) return;
    process.stderr.write(`${lineOf(error)}\n`);
    end(exitCodes.error, 0);
  });
  if (stopping.signal.aborted) return end(0, 0);
  // Scripts wait for this line, so it is JSON whatever the log's format.
  const { degradedSeconds, urls } = gateway;
  const ready = {
    ...{ time: new Date().toISOString(), level: 'info', event: 'ready' },
    ...urls,
    ...(degradedSeconds === undefined ? {} : { degraded: ['database'], age: Math.round(degradedSeconds) }),
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}
