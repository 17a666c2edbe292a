/**
 * The supervisor of `serve` on several processes (docs/processes.md). It serves no caller: it holds the data directory, the
 * ops listener, the secret of session tickets and the way by which metrics leave, and keeps its processes running. New
 * connections come to it and are handed to the processes in turn, so that each has as many as the others.
 */

import cluster from 'node:cluster';
import { mkdirSync } from 'node:fs';
import { createOpsApp, type Readiness } from '../../gateway/ops.ts';
import { newId } from '../../ids.ts';
import { lingerMs } from '../../limits.ts';
import { type Counters, createCounters } from '../../telemetry/counters.ts';
import type { Log } from '../../telemetry/log.ts';
import { mergeMetrics } from '../../telemetry/merge-metrics.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import type { Config } from '../config.ts';
import { DirectoryInUse, lockDirectory } from '../node-directory-lock.ts';
import { openOpsListener } from '../node-listeners.ts';
import { startTelemetry } from '../node-telemetry.ts';
import { createTicketSecret, newTicketSecret, rotateTicketSecret } from '../node-ticket-keys.ts';
import { settings } from '../settings.ts';
import { describeFileError, StartFault } from '../start-fault.ts';
import { createFleet, type Fleet, type Started } from './fleet.ts';
import { type ProcessEnd, startSupervised } from './process.ts';

export interface SupervisorParts {
  readonly config: Config;
  readonly log: Log;
  readonly processes: number;
  /** The environment that the supervisor was started with, without `.env`, which each process reads anew. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly leaveMs: number;
  readonly onLost: (end: ProcessEnd) => void;
}

export interface Supervisor {
  readonly ops: string;
  /** Resolves when all processes are ready, or one ended before it was. */
  start(): Promise<Started>;
  replace(): Promise<void>;
  /** False: a process had to be killed. A second call ends the delay of the first. */
  stop(delayMs: number): Promise<boolean>;
}

/** Throws `StartFault` where another gateway has the directory. */
function holdDirectory(dataDir: string): () => void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o711 });
    return lockDirectory(dataDir);
  } catch (error) {
    const problem =
      error instanceof DirectoryInUse ? error.message : `${dataDir}: ${describeFileError(error)}`;
    throw new StartFault(settings.dataDir.name, problem, { cause: error });
  }
}

/** The variables of a process over those that the supervisor has now. */
function variablesOf(environment: SupervisorParts['environment']): Record<string, string | undefined> {
  const ofDotEnv = Object.keys(process.env).filter((name) => environment[name] === undefined);
  return {
    ...Object.fromEntries(ofDotEnv.map((name) => [name, undefined])),
    ...environment,
    // Metrics leave from here, for all of them together.
    OTEL_METRICS_EXPORTER: 'none',
  };
}

/** Counters as readers of metrics want them, of all processes and of the supervisor itself. */
const ofAll = (own: Counters, metrics: Fleet['metrics']): Counters => ({
  ...own,
  read: async () => {
    const [mine, theirs] = await Promise.all([own.read(), metrics()]);
    return { families: mergeMetrics([mine.families, theirs]), errors: mine.errors };
  },
});

/** The machine is not ready before all processes have started, whatever those say that have. */
function readinessOf(fleet: Fleet) {
  let phase: 'starting' | 'started' | 'draining' | 'stopping' = 'starting';
  return {
    enter: (next: typeof phase): void => {
      phase = next;
    },
    read: async (): Promise<Readiness> => {
      if (phase === 'draining' || phase === 'stopping') return { ready: false, reason: phase };
      const merged = await fleet.readiness();
      return phase === 'starting' && merged.ready ? { ready: false, reason: phase } : merged;
    },
  };
}

export async function startSupervisor(parts: SupervisorParts): Promise<Supervisor> {
  const { config, leaveMs, log, onLost, processes } = parts;
  await using stack = new AsyncDisposableStack();
  stack.defer(holdDirectory(config.dataDir));
  // The others' way, a port that each has for itself, loses the connections that wait at one that ends.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const variables = variablesOf(parts.environment);
  const holder = newId();
  const tickets = createTicketSecret(newTicketSecret());
  stack.defer(rotateTicketSecret(tickets));
  const ticketSecret = (): string => tickets.current().toString('base64');
  const fleet = createFleet({
    ...{ processes, log, leaveMs, onLost },
    start: (number, besides, onTaken) =>
      startSupervised(
        number,
        () => ({ kind: 'begin', number, processes, besides, holder, ticketSecret: ticketSecret() }),
        variables,
        onTaken,
      ),
  });
  tickets.onChange(() => fleet.tellAll({ kind: 'tickets', ticketSecret: ticketSecret() }));
  const counters = createCounters();
  const telemetry = await startTelemetry(process.env, ofAll(counters, fleet.metrics));
  stack.defer(() => telemetry.shutdown());
  const ops = await openOpsListener(config, { log }, stack);
  const readiness = readinessOf(fleet);
  const app = createOpsApp(
    { readiness: readiness.read, metrics: telemetry.scrape },
    { name: 'ops', log, metrics: createMetrics(counters) },
  );
  await ops.serve(app.fetch);
  const opened = stack.move();
  let hasEnded = false;
  return {
    ops: ops.origin,
    start: async () => {
      const started = await fleet.start();
      if (started.ok) readiness.enter('started');
      return started;
    },
    replace: fleet.replace,
    stop: async (delayMs) => {
      readiness.enter(delayMs > 0 ? 'draining' : 'stopping');
      const inOrder = await fleet.stop(delayMs);
      if (hasEnded) return inOrder;
      hasEnded = true;
      await ops.drain(lingerMs);
      await opened.disposeAsync();
      return inOrder;
    },
  };
}
