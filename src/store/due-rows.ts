/**
 * The tables of delivery share this model of due rows: where they wait, and under which lease they are worked on. Which
 * of them are taken next is decided above (`delivery/stage/schedules.ts`).
 */

/** The tables whose rows become due; each is worked by a stage of delivery. */
export type StageName = 'computers' | 'reports';

/**
 * A schedule that must not suffer from its neighbours: a tenant's reports, or an instance's computers, fresh and
 * background apart.
 */
export interface Schedule {
  readonly tenantId: string;
  /** Present for computers only. */
  readonly instanceId?: string;
  /** Tells apart the schedules of a stage that has more than one for the same tenant or instance. */
  readonly kind?: string;
  /** True for the work of a resync, a replay or a reconciliation: it is served when nothing fresh is due. */
  readonly background: boolean;
}

/** A schedule with the number of rows that may be taken from it now. */
export interface ScheduleShare {
  readonly schedule: Schedule;
  readonly limit: number;
}

/** A schedule that has waiting rows, and when the first of them is due; 0: now, or long ago. */
export interface DueSchedule {
  readonly schedule: Schedule;
  readonly dueInMs: number;
}

/** A row in work, with the lease under which it was leased. */
export interface Held<Row> {
  readonly row: Row;
  readonly holder: string;
}

/** Rows of one statement that settles or puts off; beyond that PostgreSQL gains nothing. */
export const rowsPerWrite = 256;
