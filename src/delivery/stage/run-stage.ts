import { newId as randomId } from '../../ids.ts';
import { leaseMs, leaseRenewMs, pollDueMs } from '../../limits.ts';
import type { DueLane, Held, Lane, LaneShare, StageName } from '../../store/due-rows.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Clock } from './clock.ts';
import { createLanes, type LaneLimits } from './schedules.ts';

/**
 * The one mechanism of delivery (design D1, D2): rows that are due, claimed in batches with a lease, fair between
 * lanes, worked on side by side, settled. Which rows are due and what work is belongs to the stage; leases, wake-ups,
 * fairness and the bounds on work in flight belong here. Polling is the truth; a notification only makes it sooner.
 */
export interface Stage<Row> {
  readonly name: StageName;
  /** Every lane with rows that wait, and in how many milliseconds the first of them is due (0: it is). */
  readonly survey: () => Promise<readonly DueLane[]>;
  /** Leases due rows to `owner`, of each lane at most its share. */
  readonly claim: (owner: string, shares: readonly LaneShare[]) => Promise<readonly Row[]>;
  readonly laneOf: (row: Row) => Lane;
  /** Rows of the schedule that may be in work now: 0 while its service is left alone. */
  readonly mayTake: (lane: Lane) => number;
  /** Prolongs the leases of these rows, where their owner still has them. */
  readonly renew: (held: readonly Held<Row>[]) => Promise<unknown>;
  /** Splits a claim into parts that are worked on together. */
  readonly units: (rows: readonly Row[]) => readonly (readonly Row[])[];
  /** Does the rows' work and settles each of them. */
  readonly work: (rows: readonly Row[], owner: string) => Promise<void>;
  /** Puts rows off whose work threw: an input that nobody foresaw, or a database that went away. */
  readonly fail: (rows: readonly Row[], owner: string, error: unknown) => Promise<void>;
}

export interface StageRunner {
  /** These lanes have due rows; without a list, any may have. */
  wake(lanes?: readonly Lane[]): void;
  /** A row of the lane is due in so many milliseconds. */
  note(lane: Lane, dueInMs: number): void;
  /** Takes no new rows and waits for those in work. */
  stop(): Promise<void>;
}

export interface StageOptions extends LaneLimits {
  readonly log: Log;
  readonly clock: Clock;
  /** Names leases. */
  readonly newId?: () => string;
}

/** A survey may take a twentieth of the time between two of them, so that many lanes do not wear out the database. */
const surveyShare = 20;
/** A survey that was slow because the database was ill must not leave this process blind: it finds the rows of dead processes. */
const maxSurveyRestMs = leaseMs;

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
  { clock, log }: StageOptions,
  onEnd: (rows: readonly Row[]) => void,
) {
  const inWork = new Map<Promise<void>, readonly Held<Row>[]>();
  let cancelRenewal: () => void = () => undefined;

  const fail = async (rows: readonly Row[], owner: string, error: unknown): Promise<void> => {
    log.error('stage.work-failed', { stage: stage.name, rows: rows.length, error });
    await stage.fail(rows, owner, error);
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
    start: (rows: readonly Row[], owner: string): void => {
      const done = stage
        .work(rows, owner)
        .catch((error: unknown) => fail(rows, owner, error))
        // The database is away: the leases run out by themselves.
        .catch((error: unknown) => log.warn('stage.fail-failed', { stage: stage.name, error }))
        .finally(() => {
          inWork.delete(done);
          onEnd(rows);
        });
      inWork.set(
        done,
        rows.map((row) => ({ row, owner })),
      );
    },
    stop: async (): Promise<void> => {
      await Promise.allSettled(inWork.keys());
      cancelRenewal();
    },
  };
}

export function runStage<Row>(stage: Stage<Row>, options: StageOptions): StageRunner {
  const { clock, log, newId = randomId } = options;
  const lanes = createLanes(options);
  const turnPause = createPause(clock);
  const surveyPause = createPause(clock);
  let stopped = false;
  const work = createWork(stage, options, (rows) => {
    lanes.ended(rows.map(stage.laneOf));
    turnPause.wake();
  });

  const claim = async (shares: readonly LaneShare[]): Promise<void> => {
    // A lease of its own for every claim: a row that was lost and claimed again is not mistaken for the old one.
    const owner = newId();
    let rows: readonly Row[] = [];
    try {
      rows = await stage.claim(owner, shares);
    } finally {
      lanes.claimed(shares, rows.map(stage.laneOf));
    }
    for (const unit of stage.units(rows)) work.start(unit, owner);
  };
  const turn = async (): Promise<void> => {
    turnPause.begin();
    const shares = lanes.pick(clock.now(), stage.mayTake);
    if (shares.length === 0) {
      const nextMs = (lanes.nextMs() ?? Number.POSITIVE_INFINITY) - clock.now();
      return turnPause.wait(Math.min(Math.max(nextMs, 1), pollDueMs));
    }
    try {
      await claim(shares);
    } catch (error) {
      log.warn('stage.claim-failed', { stage: stage.name, error });
      await turnPause.wait(pollDueMs);
    }
  };
  const survey = async (): Promise<void> => {
    surveyPause.begin();
    const startedAtMs = clock.now();
    try {
      for (const { dueInMs, lane } of await stage.survey()) lanes.note(lane, clock.now() + dueInMs);
      turnPause.wake();
    } catch (error) {
      log.warn('stage.survey-failed', { stage: stage.name, error });
    }
    const tookMs = clock.now() - startedAtMs;
    await surveyPause.wait(Math.min(Math.max(pollDueMs, tookMs * surveyShare), maxSurveyRestMs));
  };

  const surveys = (async () => {
    while (!stopped) await survey();
  })();
  const turns = (async () => {
    while (!stopped) await turn();
    await work.stop();
  })();
  return {
    wake: (woken) => {
      if (!woken) return surveyPause.wake();
      for (const lane of woken) lanes.note(lane, clock.now());
      turnPause.wake();
    },
    note: (lane, dueInMs) => lanes.note(lane, clock.now() + dueInMs),
    stop: async () => {
      stopped = true;
      turnPause.wake();
      surveyPause.wake();
      await Promise.all([turns, surveys]);
    },
  };
}
