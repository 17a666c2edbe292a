import { ChurningMap } from '../../churn.ts';
import { newId as randomId } from '../../ids.ts';
import { leaseGatherMs, leaseMs, leaseRenewMs, leasesAtOnce, pollDueMs } from '../../limits.ts';
import type { DueSchedule, Held, Schedule, ScheduleShare, StageName } from '../../store/due-rows.ts';
import type { Log } from '../../telemetry/log.ts';
import { atOnce, type InTurn } from '../../untrusted/turns.ts';
import type { Clock } from './clock.ts';
import { createLeasePace } from './lease-pace.ts';
import { createSchedules, type ScheduleLimits } from './schedules.ts';

/**
 * The one mechanism of delivery (design D1, D2): due rows are leased in batches, fair between
 * schedules, worked on side by side, settled. Which rows are due and what work is belongs to the stage; leases, wake-ups,
 * fairness and the bounds on work in flight belong here. Polling is the truth; a notification only makes it sooner.
 */
export interface Stage<Row> {
  readonly name: StageName;
  /** The schedules that are due now or soon, and in how many milliseconds (0: now). */
  readonly look: () => Promise<readonly DueSchedule[]>;
  /** These gave all that was due: unless more came meanwhile, they are looked at again when their next row is due. */
  readonly settleSchedules: (schedules: readonly Schedule[]) => Promise<unknown>;
  /** Leases due rows to `holder`, of each schedule at most its share. */
  readonly lease: (holder: string, shares: readonly ScheduleShare[]) => Promise<readonly Row[]>;
  readonly scheduleOf: (row: Row) => Schedule;
  /** Rows of the schedule that may be in work now: 0 while its service is left alone. */
  readonly mayTake: (schedule: Schedule) => number;
  /** Prolongs the leases of these rows, where their holder still has them. */
  readonly renew: (held: readonly Held<Row>[]) => Promise<unknown>;
  /** Splits a lease into parts that are worked on together. */
  readonly units: (rows: readonly Row[]) => readonly (readonly Row[])[];
  /** Does the rows' work and settles each of them. */
  readonly work: (rows: readonly Row[], holder: string) => Promise<void>;
  /** Puts rows off whose work threw: an input that nobody foresaw, or a database that went away. */
  readonly fail: (rows: readonly Row[], holder: string, error: unknown) => Promise<void>;
}

export interface StageRunner {
  /** These schedules have due rows; without a list, any may have. */
  wake(schedules?: readonly Schedule[]): void;
  /** A row of the schedule is due in so many milliseconds. */
  announce(schedule: Schedule, dueInMs: number): void;
  /** For how long nothing has been in work, though it was looked for, in milliseconds. */
  idleMs(): number;
  /** For how long no row's work has come to an end, in milliseconds. */
  sinceEndMs(): number;
  /** Milliseconds until the next row that is known to be due later. */
  nextInMs(): number;
  /** Takes no new rows and waits for those in work. */
  stop(): Promise<void>;
}

export interface StageOptions extends ScheduleLimits {
  readonly log: Log;
  readonly clock: Clock;
  /** Names leases. */
  readonly newId?: () => string;
  /** Turns in which the rows of a lease are begun, which come together; default: all at once. */
  readonly inTurn?: InTurn;
}

/** A look may take a twentieth of the time between two of them, so that much that is due does not wear out the database. */
const lookShare = 20;
/** A look that was slow because the database was ill must not leave this process blind: it finds the rows of dead processes. */
const maxLookRestMs = leaseMs;

/** A wait that ends early when it is woken, also where that came after `begin` and before the wait. */
function createPause(clock: Clock) {
  let woken = false;
  let wakeUp: () => void = () => undefined;
  return {
    begin: (): void => {
      woken = false;
    },
    wake: (): void => {
      woken = true;
      wakeUp();
    },
    wait: (ms: number): Promise<void> =>
      new Promise((resolve) => {
        if (woken) return resolve();
        const cancel = clock.after(ms, resolve);
        wakeUp = () => {
          cancel();
          resolve();
        };
      }),
  };
}

/** The rows in work in this process, whose leases are renewed until they are settled. */
function createWork<Row>(
  stage: Stage<Row>,
  { clock, inTurn = atOnce, log }: StageOptions,
  onEnd: (rows: readonly Row[]) => void,
) {
  const inWork = new ChurningMap<Promise<void>, readonly Held<Row>[]>();
  let cancelRenewal: () => void = () => undefined;
  let endedAtMs = clock.now();

  const fail = async (rows: readonly Row[], holder: string, error: unknown): Promise<void> => {
    log.error('stage.work-failed', { stage: stage.name, rows: rows.length, error });
    await stage.fail(rows, holder, error);
  };
  const renew = (): void => {
    cancelRenewal = clock.after(leaseRenewMs, renew);
    if (inWork.size === 0) return;
    stage
      .renew([...inWork.values()].flat())
      .catch((error: unknown) => log.warn('stage.renew-failed', { stage: stage.name, error }));
  };
  renew();
  return {
    start: (rows: readonly Row[], holder: string): void => {
      const [first] = rows;
      const key = first === undefined ? '' : stage.scheduleOf(first).tenantId;
      const done = inTurn(key, () => stage.work(rows, holder))
        .catch((error: unknown) => fail(rows, holder, error))
        // The database is away: the leases run out by themselves.
        .catch((error: unknown) => log.warn('stage.fail-failed', { stage: stage.name, error }))
        .finally(() => {
          inWork.delete(done);
          endedAtMs = clock.now();
          onEnd(rows);
        });
      inWork.set(
        done,
        rows.map((row) => ({ row, holder })),
      );
    },
    idleMs: (): number => (inWork.size > 0 ? 0 : clock.now() - endedAtMs),
    sinceEndMs: (): number => clock.now() - endedAtMs,
    stop: async (): Promise<void> => {
      await Promise.allSettled(inWork.keys());
      cancelRenewal();
    },
  };
}

export function runStage<Row>(stage: Stage<Row>, options: StageOptions): StageRunner {
  const { clock, log, newId = randomId } = options;
  const schedules = createSchedules(options);
  const pace = createLeasePace({ atOnce: leasesAtOnce, gatherMs: leaseGatherMs, now: clock.now });
  const turnPause = createPause(clock);
  /** Ended by a stop alone: what comes meanwhile is what it waits for. */
  const gatherPause = createPause(clock);
  const lookPause = createPause(clock);
  let stopped = false;
  let looked = false;
  const work = createWork(stage, options, (rows) => {
    schedules.ended(rows.map(stage.scheduleOf));
    turnPause.wake();
  });

  const lease = async (shares: readonly ScheduleShare[]): Promise<void> => {
    // Each statement has a holder of its own: a row that was lost and leased again is not mistaken for the old one.
    const holder = newId();
    let rows: readonly Row[] = [];
    try {
      rows = await stage.lease(holder, shares);
    } finally {
      if (!schedules.leased(shares, rows.map(stage.scheduleOf))) pace.tookAll();
    }
    for (const unit of stage.units(rows)) work.start(unit, holder);
  };
  const turn = async (): Promise<void> => {
    const restMs = pace.restMs();
    if (restMs > 0) await gatherPause.wait(restMs);
    if (stopped) return;
    turnPause.begin();
    const shares = schedules.pick(clock.now(), stage.mayTake);
    if (shares.length === 0) {
      const nextMs = (schedules.nextMs() ?? Number.POSITIVE_INFINITY) - clock.now();
      return turnPause.wait(Math.min(Math.max(nextMs, 1), pollDueMs));
    }
    try {
      await lease(shares);
    } catch (error) {
      log.warn('stage.claim-failed', { stage: stage.name, error });
      await turnPause.wait(pollDueMs);
    }
  };
  const settle = async (): Promise<void> => {
    const exhausted = schedules.exhausted();
    if (exhausted.length === 0) return;
    try {
      await stage.settleSchedules(exhausted);
    } catch (error) {
      // They are found due once more, give nothing, and come here again.
      log.warn('stage.settle-failed', { stage: stage.name, error });
    }
  };
  const look = async (): Promise<void> => {
    lookPause.begin();
    const startedAtMs = clock.now();
    await settle();
    try {
      for (const { dueInMs, schedule } of await stage.look())
        schedules.announce(schedule, clock.now() + dueInMs);
      looked = true;
      turnPause.wake();
    } catch (error) {
      log.warn('stage.look-failed', { stage: stage.name, error });
    }
    const tookMs = clock.now() - startedAtMs;
    await lookPause.wait(Math.min(Math.max(pollDueMs, tookMs * lookShare), maxLookRestMs));
  };

  const looks = (async () => {
    while (!stopped) await look();
  })();
  const turns = (async () => {
    while (!stopped) await turn();
    await work.stop();
  })();
  return {
    wake: (woken) => {
      if (!woken) return lookPause.wake();
      for (const schedule of woken) schedules.announce(schedule, clock.now());
      turnPause.wake();
    },
    announce: (schedule, dueInMs) => schedules.announce(schedule, clock.now() + dueInMs),
    idleMs: () => (looked ? work.idleMs() : 0),
    sinceEndMs: work.sinceEndMs,
    nextInMs: () => (schedules.nextMs() ?? Number.POSITIVE_INFINITY) - clock.now(),
    stop: async () => {
      stopped = true;
      gatherPause.wake();
      turnPause.wake();
      lookPause.wake();
      await Promise.all([turns, looks]);
    },
  };
}
