/**
 * The processes of a machine: started, the first before the others, so that what is made at a start is made once; started
 * anew when they end; replaced one after the other; ended together. One of them delivers.
 */

import type { Readiness } from '../../gateway/ops.ts';
import {
  drainMs,
  processCountsMs,
  processKillMs,
  processLeaveMs,
  processRestartMaxMs,
  processRestartMs,
  processStartsInVain,
} from '../../limits.ts';
import type { MetricFamily } from '../../telemetry/counters.ts';
import type { Log } from '../../telemetry/log.ts';
import { mergeMetrics } from '../../telemetry/merge-metrics.ts';
import { mergeReadiness } from './merge-readiness.ts';
import type { ReadyFacts, Taken } from './messages.ts';
import type { ProcessEnd, SupervisedProcess } from './process.ts';

export interface FleetParts {
  readonly processes: number;
  readonly log: Log;
  /** `besides`: others serve already. */
  readonly start: (number: number, besides: boolean, onTaken: (taken: Taken) => void) => SupervisedProcess;
  /** How long callers have to leave a process that another one takes the place of. */
  readonly leaveMs: number;
  /** No process is left, and none can be started. */
  readonly onLost: (end: ProcessEnd) => void;
}

export type Started =
  | { readonly ok: true; readonly facts: ReadyFacts }
  | { readonly ok: false; readonly end: ProcessEnd };

export interface Fleet {
  /** Resolves when all are ready, or one ended before it was. */
  start(): Promise<Started>;
  /** Replaces one after the other; each new one is ready before the old one leaves. */
  replace(): Promise<void>;
  /** Resolves when all have ended; false: one had to be killed. A second call ends the delay of the first. */
  stop(delayMs: number): Promise<boolean>;
  readiness(): Promise<Readiness>;
  metrics(): Promise<MetricFamily[]>;
  tellAll(order: Parameters<SupervisedProcess['order']>[0]): void;
}

interface Slot {
  readonly number: number;
  current: SupervisedProcess | undefined;
  /** Started to take its place, and not ready yet. */
  coming: SupervisedProcess | undefined;
  startsInVain: number;
}

const describe = ({ code, signal }: ProcessEnd): { code?: number; signal?: string } => ({
  ...(code === null ? {} : { code }),
  ...(signal === null ? {} : { signal }),
});

export function createFleet({ leaveMs, log, onLost, processes, start }: FleetParts): Fleet {
  const slots: Slot[] = Array.from({ length: processes }, (_, index) => ({
    number: index + 1,
    current: undefined,
    coming: undefined,
    startsInVain: 0,
  }));
  const alive = new Set<SupervisedProcess>();
  let retired: MetricFamily[] = [];
  let deliverer: SupervisedProcess | undefined;
  let isStopping = false;
  let isStarted = false;
  let replacing: Promise<void> = Promise.resolve();
  const current = (): SupervisedProcess[] => slots.flatMap((slot) => slot.current ?? []);
  const standing = (): SupervisedProcess[] => current().filter((one) => one.isReady());

  const elect = (): void => {
    if (deliverer !== undefined || isStopping) return;
    deliverer = standing()[0];
    deliverer?.order({ kind: 'deliver' });
  };
  const follow = async (one: SupervisedProcess): Promise<void> => {
    await one.rested;
    if (deliverer === one) deliverer = undefined;
    elect();
  };
  const launch = (slot: Slot): SupervisedProcess => {
    const one = start(slot.number, standing().length > 0, (taken) => {
      for (const other of alive) if (other !== one) other.tellTaken(taken);
    });
    alive.add(one);
    log.info('process.started', { process: one.number, pid: one.pid });
    void one.ready.then(elect);
    void follow(one);
    void one.ended.then((end) => {
      alive.delete(one);
      // What it counted goes on counting.
      retired = mergeMetrics([retired, one.counted()]);
      if (slot.current !== one) return;
      slot.current = undefined;
      if (isStarted && !isStopping) revive(slot, one, end);
    });
    return one;
  };
  const revive = (slot: Slot, one: SupervisedProcess, end: ProcessEnd): void => {
    const of = { process: one.number, pid: one.pid, ...describe(end) };
    slot.startsInVain = end.wasReady ? 0 : slot.startsInVain + 1;
    log.error('process.ended', { ...of, ...(end.faults.length > 0 ? { cause: end.faults.join(' ') } : {}) });
    if (slot.startsInVain >= processStartsInVain && standing().length === 0) {
      onLost(end);
      return;
    }
    const inMs = Math.min(processRestartMs * 2 ** slot.startsInVain, processRestartMaxMs);
    setTimeout(() => {
      if (!isStopping && slot.current === undefined) slot.current = launch(slot);
    }, inMs).unref();
  };

  const begin = async (slot: Slot): Promise<Started> => {
    const one = launch(slot);
    slot.current = one;
    const facts = await one.ready;
    return facts === undefined ? { ok: false, end: await one.ended } : { ok: true, facts };
  };
  const replaceOne = async (slot: Slot): Promise<boolean> => {
    const next = launch(slot);
    slot.coming = next;
    const facts = await next.ready;
    slot.coming = undefined;
    if (facts === undefined) {
      const end = await next.ended;
      if (!isStopping)
        log.error('process.not-replaced', {
          process: slot.number,
          ...describe(end),
          cause: end.faults.join(' '),
        });
      return false;
    }
    if (isStopping) return false;
    // One that was started anew meanwhile leaves as well.
    const old = slot.current;
    slot.current = next;
    elect();
    if (old === undefined || !alive.has(old)) return true;
    old.order({ kind: 'stop', delayMs: Math.max(leaveMs, processLeaveMs), closed: true });
    await endOf(old, Math.max(leaveMs, processLeaveMs));
    return true;
  };
  /** False: it had to be killed. */
  const endOf = async (one: SupervisedProcess, delayMs: number): Promise<boolean> => {
    let wasKilled = false;
    const late = setTimeout(
      () => {
        wasKilled = true;
        log.warn('process.killed', { process: one.number, pid: one.pid });
        one.kill();
      },
      delayMs + drainMs + processKillMs,
    );
    await one.ended;
    clearTimeout(late);
    return !wasKilled;
  };
  const note = setInterval(() => {
    for (const one of alive) one.ask({ what: 'metrics', gauges: undefined }).catch(() => undefined);
  }, processCountsMs);
  note.unref();

  return {
    start: async () => {
      const [first, ...others] = slots as [Slot, ...Slot[]];
      const started = await begin(first);
      if (!started.ok) return started;
      const failed = (await Promise.all(others.map(begin))).find(({ ok }) => !ok);
      isStarted = true;
      // One may have ended while the others were not ready yet.
      if (failed === undefined && !isStopping) for (const slot of slots) slot.current ??= launch(slot);
      return failed ?? started;
    },
    replace: () => {
      // A start takes the newest code and variables anyway.
      if (!isStarted) return Promise.resolve();
      // What still waits, as for a database that another setting names, is given up for what is there now.
      for (const { coming } of slots) coming?.order({ kind: 'stop', delayMs: 0, closed: false });
      replacing = replacing.then(async () => {
        for (const slot of slots) if (isStopping || !(await replaceOne(slot))) return;
        log.info('processes.replaced');
      });
      return replacing;
    },
    stop: async (delayMs) => {
      isStopping = true;
      clearInterval(note);
      const ends = [...alive].map((one) => {
        one.order({ kind: 'stop', delayMs, closed: false });
        return endOf(one, delayMs);
      });
      return (await Promise.all(ends)).every(Boolean);
    },
    readiness: async () =>
      mergeReadiness(
        await Promise.all(
          slots.map(({ current: one }) =>
            // One that is on its way beside others that serve is a missing one.
            one === undefined || (!one.isReady() && standing().length > 0)
              ? undefined
              : one
                  .ask({ what: 'readiness' })
                  .catch((error: Error): Readiness | undefined =>
                    one.hasExited() ? undefined : { ready: false, reason: error.message },
                  ),
          ),
        ),
      ),
    metrics: async () => {
      const asked = [...alive].sort((a, b) => Number(b === deliverer) - Number(a === deliverer));
      const read = await Promise.allSettled(
        asked.map((one, index) => one.ask({ what: 'metrics', gauges: index === 0 ? 'all' : 'own' })),
      );
      const gauges = read.map((one) =>
        one.status === 'fulfilled' ? one.value.filter(({ kind }) => kind === 'gauge') : [],
      );
      // All at the same moment: one that ended meanwhile is among the retired.
      return mergeMetrics([retired, ...[...alive].map((one) => one.counted()), ...gauges]);
    },
    tellAll: (order) => {
      for (const one of alive) one.order(order);
    },
  };
}
