/**
 * Makes up for events that came while the database was away, or when the gateway had more to do than it could. Each was
 * refused, and Jamf Pro never repeats a webhook. So the instance is marked in memory, with the computers that its events named,
 * and as soon as that is over they are due and the instance is polled from then on. Where more came than is remembered, and where the event was
 * not read, the instance is reconciled: a poll sees only what has a later report, and a change of a group has none.
 *
 * Only instances that this process knows by their key can be marked, so that strangers neither fill the memory nor cause
 * reads. The marks are kept beside the database too: a process that starts after one that ended meanwhile reconciles
 * its instances.
 */

import {
  maxMissedComputers,
  maxMissedInstances,
  missedAtOnce,
  missedComputersOfInstance,
  missedRetryMs,
} from '../limits.ts';
import { askReconciliation, pollSince } from '../store/computers/reading.ts';
import { isStoreUnavailable, type Sql } from '../store/database.ts';
import { type InstanceRef, instanceKey } from '../store/instances/instance.ts';
import type { Log } from '../telemetry/log.ts';
import type { Intake } from './intake.ts';

export interface MissedEvents {
  /** `computerIds` undefined: the event was not read. */
  note(instance: InstanceRef, computerIds: readonly number[] | undefined): void;
  /** Takes over what processes left that ended before they could act on it. */
  start(): Promise<void>;
  /** Events that were not acted on yet stay kept. */
  stop(): Promise<void>;
}

/** A place where marks outlive the process. */
export interface MarkKeeper {
  /** Replaces what this process keeps; an empty list removes it. */
  keep(instances: readonly InstanceRef[]): Promise<void>;
  /** Takes what others left. It is removed with `release`, which comes when this process keeps it itself. */
  takeOver(): Promise<{ readonly instances: readonly InstanceRef[]; release(): Promise<void> }>;
}

export interface MissedEventsOptions {
  readonly sql: Sql;
  readonly intake: Pick<Intake, 'markDue'>;
  readonly keeper: MarkKeeper;
  readonly log: Log;
  /** False while making up for them would add to what there is too much of. */
  readonly mayAct?: () => boolean;
}

interface Mark extends InstanceRef {
  /** Time of the first missed event, by a monotonic clock. */
  readonly sinceMs: number;
  readonly computerIds: Set<number>;
  /** Number of events; the same computers may be named once more. */
  events: number;
  /** More was missed than `computerIds`. */
  whole: boolean;
}

/** The instances that missed events, kept beside the database as well. */
function createMarks(keeper: MarkKeeper, log: Log) {
  const marks = new Map<string, Mark>();
  let remembered = 0;
  /** Writes follow each other, the last with what is marked then. One that has not begun serves everybody. */
  let keeping = Promise.resolve();
  let keepsNext = false;

  const keep = (): Promise<void> => {
    if (keepsNext) return keeping;
    keepsNext = true;
    keeping = keeping
      .then(() => {
        keepsNext = false;
        return keeper.keep([...marks.values()].map(({ instanceId, tenantId }) => ({ tenantId, instanceId })));
      })
      .catch((error: unknown) => log.warn('missed-events.not-kept', { error }));
    return keeping;
  };
  const markOf = ({ instanceId, tenantId }: InstanceRef): Mark | undefined => {
    const key = instanceKey({ tenantId, instanceId });
    const known = marks.get(key);
    if (known || marks.size >= maxMissedInstances) return known;
    const mark = {
      tenantId,
      instanceId,
      sinceMs: performance.now(),
      computerIds: new Set<number>(),
      events: 0,
      whole: false,
    };
    marks.set(key, mark);
    void keep();
    return mark;
  };
  const forgetComputers = ({ computerIds }: Mark): void => {
    remembered -= computerIds.size;
    computerIds.clear();
  };
  return {
    keep,
    written: (): Promise<void> => keeping,
    size: (): number => marks.size,
    all: (): Mark[] => [...marks.values()],
    add: (instance: InstanceRef, computerIds: readonly number[] | undefined): void => {
      const mark = markOf(instance);
      if (!mark) return;
      mark.events += 1;
      const max = Math.min(
        missedComputersOfInstance,
        maxMissedComputers - remembered + mark.computerIds.size,
      );
      mark.whole ||= computerIds === undefined || mark.computerIds.size + computerIds.length > max;
      if (mark.whole) {
        forgetComputers(mark);
        return;
      }
      const before = mark.computerIds.size;
      for (const id of computerIds ?? []) mark.computerIds.add(id);
      remembered += mark.computerIds.size - before;
    },
    remove: (mark: Mark): void => {
      forgetComputers(mark);
      marks.delete(instanceKey(mark));
    },
  };
}

export function createMissedEvents(options: MissedEventsOptions): MissedEvents {
  const { intake, keeper, log, mayAct = () => true, sql } = options;
  const marks = createMarks(keeper, log);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;

  /** Acts on one mark, which stays when more is missed meanwhile. Each step may be done twice. */
  const act = async (mark: Mark): Promise<void> => {
    const { computerIds, events, instanceId, sinceMs, tenantId, whole } = mark;
    const count = computerIds.size;
    try {
      await intake.markDue({ tenantId, instanceId, traceparent: null }, [...computerIds]);
      await pollSince(sql, mark, performance.now() - sinceMs);
      if (whole) await askReconciliation(sql, mark);
    } catch (error) {
      if (isStoreUnavailable(error)) return;
      // The instance is gone, or no such thing can be written: another try would end like this one.
      log.warn('missed-events.given-up', { tenantId, instanceId, error });
    }
    if (mark.events !== events) return;
    marks.remove(mark);
    log.info('missed-events.made-up', { tenantId, instanceId, computers: count, reconciled: whole });
  };
  const actOnAll = async (): Promise<void> => {
    if (!mayAct()) return;
    const before = marks.size();
    const left = marks.all();
    // Some at a time: one whose rows are locked must not make the others wait.
    const actInTurn = async (): Promise<void> => {
      for (let mark = left.pop(); mark && !stopped; mark = left.pop()) await act(mark);
    };
    await Promise.all(Array.from({ length: missedAtOnce }, actInTurn));
    if (marks.size() < before) await marks.keep();
  };
  const schedule = (): void => {
    if (stopped || timer !== undefined || marks.size() === 0) return;
    timer = setTimeout(() => {
      actOnAll()
        .catch((error: unknown) => log.warn('missed-events.failed', { error }))
        .finally(() => {
          timer = undefined;
          schedule();
        });
    }, missedRetryMs);
  };

  return {
    note: (instance, computerIds) => {
      marks.add(instance, computerIds);
      schedule();
    },
    start: async () => {
      try {
        const left = await keeper.takeOver();
        for (const instance of left.instances) marks.add(instance, undefined);
        await marks.keep();
        await left.release();
      } catch (error) {
        log.warn('missed-events.not-taken-over', { error });
      }
      schedule();
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await marks.written();
    },
  };
}
