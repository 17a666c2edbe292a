import { ChurningSet } from '../../churn.ts';
import {
  checkInsDueTogether,
  checkInsLookedUpTogether,
  checkInTickMs,
  maxRememberedCheckIns,
} from '../../limits.ts';
import {
  deferRemembered,
  type FoldableCheckIn,
  type RememberedCheckIn,
  readFoldable,
  readUnanswered,
} from '../../store/computers/check-ins.ts';
import { notifyComputers } from '../../store/computers/due.ts';
import type { ComputerKey } from '../../store/computers/leases.ts';
import { isOwnerGone, type Sql } from '../../store/database.ts';
import { createGroupCommit } from '../../store/group-commit.ts';
import { type InstanceRef, instanceKey } from '../../store/instances/instance.ts';
import { withRetries } from '../../store/retry.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Intake, Origin } from '../intake.ts';
import { type CheckIns, leaseMsOf, recoveredAfterMs } from './check-ins.ts';
import { createKeeper, type StandingMark } from './keeper.ts';
import { createRemembered, type Ended, type RememberedInstance } from './remembered.ts';

/**
 * Folds check-ins in a process: the database says which can be (one query for many), the process remembers them, and makes
 * their computers due when the period ends, those that were not read meanwhile. What is remembered is never lost, for
 * its instance was marked before the answer (`keeper.ts`).
 */

export interface FoldingOptions {
  readonly sql: Sql;
  readonly intake: Pick<Intake, 'markDue'>;
  readonly log: Log;
  readonly periodSeconds: number;
  readonly newId: () => string;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

export interface Folding extends CheckIns {
  readonly tickMs: number;
  /** Has those read whose period has ended; to be called every `tickMs`. */
  tick(): Promise<void>;
  /** Keeps the lease under which it remembers; to be called every `tickMs`, however long a tick takes. */
  renew(): Promise<void>;
  /** Hands what is remembered over to the rows, at an orderly end. */
  stop(): Promise<void>;
}

interface Folded extends InstanceRef {
  mark: StandingMark | undefined;
  /** One writes the mark, and the others of the instance wait for it. */
  marking: Promise<boolean> | undefined;
  markedAtMs: number;
  /** Check-ins that are being made due: until that is done the mark stays. */
  answering: number;
}
type FoldedInstance = RememberedInstance<Folded>;

const lotsOf = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, lot) => all.slice(lot * size, (lot + 1) * size));

/** Rows of one statement that looks or defers. */
const rowsTogether = 1_000;

export function createFolding(options: FoldingOptions): Folding {
  const { intake, log, now, periodSeconds, sql } = options;
  const periodMs = periodSeconds * 1_000;
  const tickMs = Math.min(checkInTickMs, periodMs / 16);
  const keeper = createKeeper({ ...options, leaseMs: leaseMsOf(periodSeconds) });
  const remembered = createRemembered<Folded>({ max: maxRememberedCheckIns, slotMs: tickMs });
  const instances = new Map<string, FoldedInstance>();
  let isStopping = false;

  const lookUp = createGroupCommit<ComputerKey, FoldableCheckIn | undefined>({
    flush: (asked) => readFoldable(sql, asked, periodSeconds),
    maxItems: checkInsLookedUpTogether,
    flushes: 2,
    gatherMs: 1,
    queueOf: ({ tenantId }) => tenantId,
  });
  const instanceOf = ({ instanceId, tenantId }: InstanceRef): FoldedInstance => {
    const key = instanceKey({ tenantId, instanceId });
    const known = instances.get(key);
    if (known) return known;
    const none = { mark: undefined, marking: undefined, markedAtMs: 0, answering: 0 };
    const made: FoldedInstance = { of: { tenantId, instanceId, ...none }, computers: new Map() };
    instances.set(key, made);
    return made;
  };
  const writeMark = async (of: Folded): Promise<boolean> => {
    const markedAtMs = now();
    const mark = await keeper.mark(of, of.mark);
    of.mark = mark;
    of.markedAtMs = markedAtMs;
    return mark !== undefined;
  };
  const marking = (of: Folded): Promise<boolean> => {
    of.marking ??= writeMark(of).finally(() => {
      of.marking = undefined;
    });
    return of.marking;
  };
  const marked = async (of: Folded): Promise<boolean> => {
    if (keeper.stands(of.mark)) return true;
    return (await marking(of)) && keeper.stands(of.mark);
  };

  /** False: its computer has to be read. */
  const fold = async ({ instanceId, tenantId }: Origin, jamfComputerId: number): Promise<boolean> => {
    const checkedInAtMs = now();
    const found = await lookUp({ tenantId, instanceId, jamfComputerId });
    if (found === undefined || isStopping) return false;
    if (found.isDeferred) return true;
    const instance = instanceOf({ tenantId, instanceId });
    // Should this process be killed, others have the computer read later than this, and still within a period of the check-in.
    const endsAtMs = Math.min(
      now() + found.endsInMs,
      checkedInAtMs + periodMs - recoveredAfterMs(periodSeconds),
    );
    // It is remembered before the mark is awaited, so that the mark is not removed in between.
    if (!remembered.add(instance, jamfComputerId, { checkedInAtMs, endsAtMs })) return false;
    return (await marked(instance.of)) && !isStopping;
  };

  const putBack = (ended: readonly Ended<Folded>[]): void => {
    for (const { instance, jamfComputerId, remembered: was } of ended) {
      remembered.add(instance, jamfComputerId, { ...was, endsAtMs: now() + tickMs }, true);
    }
  };
  /** Makes computers of one instance due. */
  const makeDue = async (keys: readonly ComputerKey[]): Promise<void> => {
    const [first] = keys;
    if (first === undefined) return;
    const { instanceId, tenantId } = first;
    const ids = keys.map(({ jamfComputerId }) => jamfComputerId);
    try {
      await intake.markDue({ tenantId, instanceId, traceparent: null }, ids);
    } catch (error) {
      if (!isOwnerGone(error)) throw error;
    }
  };
  const agoOf = ({ instance, jamfComputerId, remembered: { checkedInAtMs } }: Ended<Folded>) =>
    ({ ...refOf(instance), jamfComputerId, agoMs: now() - checkedInAtMs }) satisfies RememberedCheckIn;
  const underWay = new ChurningSet<Promise<void>>();
  /** Makes those of one instance due that were not read meanwhile. The rows of its tenant may be locked: no other waits for it. */
  const answerOne = async (ended: readonly Ended<Folded>[], keys: readonly ComputerKey[]): Promise<void> => {
    try {
      await Promise.all(lotsOf(keys, checkInsDueTogether).map(makeDue));
    } catch (error) {
      putBack(ended);
      log.warn('check-ins.not-due-yet', { computers: ended.length, error });
    } finally {
      for (const { instance } of ended) instance.of.answering -= 1;
    }
  };
  const answer = async (ended: readonly Ended<Folded>[]): Promise<void> => {
    for (const { instance } of ended) instance.of.answering += 1;
    const unanswered = await readUnanswered(sql, ended.map(agoOf)).catch((error: unknown) => {
      putBack(ended);
      for (const { instance } of ended) instance.of.answering -= 1;
      log.warn('check-ins.not-due-yet', { computers: ended.length, error });
    });
    if (unanswered === undefined) return;
    const keysOfInstance = Map.groupBy(unanswered, instanceKey);
    for (const [key, all] of Map.groupBy(ended, ({ instance }) => instanceKey(refOf(instance)))) {
      const answering = answerOne(all, keysOfInstance.get(key) ?? []).finally(() =>
        underWay.delete(answering),
      );
      underWay.add(answering);
    }
  };

  /** Marks that nothing is remembered under any more; the instance's next check-in writes another one. */
  const tidy = async (): Promise<void> => {
    const done: (InstanceRef & StandingMark)[] = [];
    const old: Folded[] = [];
    for (const [key, { computers, of }] of instances) {
      if (of.marking || of.answering > 0) continue;
      if (computers.size > 0) {
        if (now() - of.markedAtMs > periodMs) old.push(of);
        continue;
      }
      instances.delete(key);
      if (of.mark) done.push({ tenantId: of.tenantId, instanceId: of.instanceId, ...of.mark });
    }
    for (const lot of lotsOf(done, rowsTogether)) await keeper.unmark(lot);
    // The old mark stands meanwhile; where an instance's row is locked, the others do not wait for it.
    for (const of of old)
      marking(of).catch((error: unknown) => log.debug('check-ins.not-marked-again', { error }));
  };

  const tick = async (): Promise<void> => {
    if (instances.size === 0) return;
    for (const lot of lotsOf(remembered.takeEnded(now()), rowsTogether)) await answer(lot);
    await tidy();
  };

  return {
    tickMs,
    tick,
    renew: keeper.renew,
    take: async (origin, computerIds) => {
      const folds = await Promise.all(
        computerIds.map((id) =>
          fold(origin, id).catch((error: unknown) => {
            log.debug('check-ins.not-folded', { error });
            return false;
          }),
        ),
      );
      await intake.markDue(
        origin,
        computerIds.filter((_, index) => !folds[index]),
      );
    },
    stop: async () => {
      isStopping = true;
      await Promise.all(underWay);
      const left = remembered.takeEnded(Number.POSITIVE_INFINITY);
      try {
        for (const lot of lotsOf(left, rowsTogether))
          await withRetries(() => deferRemembered(sql, lot.map(agoOf), periodSeconds));
        if (left.length > 0) await notifyComputers(sql);
        await tidy();
        await keeper.end();
      } catch (error) {
        // The marks stay, and whoever comes next acts on them.
        log.warn('check-ins.left-to-others', { computers: left.length, error });
      }
    },
  };
}

const refOf = ({ of: { instanceId, tenantId } }: FoldedInstance): InstanceRef => ({ tenantId, instanceId });
