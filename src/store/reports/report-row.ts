/** A row of stage two, the port through which it is leased and settled, and what the ways of settling it are. */

import { pick, type Row } from '../columns.ts';
import type { DueSchedule, Held, Schedule, ScheduleShare } from '../due-rows.ts';
import type { ReportState } from '../row-types.ts';
import { reports } from '../schema.ts';
import type { TimelineEvent } from '../timeline.ts';

export const dueReport = pick(
  reports,
  'tenantId',
  'deviceId',
  'instanceId',
  'content',
  'revision',
  'confirmedRevision',
  'state',
  'messageId',
  'sentRevision',
  'sentContent',
  'messageDevices',
  'messageAt',
  'messageOpen',
  'alone',
  'readAgain',
  'retracted',
  'holdId',
  'background',
  'lastUpdateAt',
  'completedAt',
  'acceptedAt',
  'verification',
  'attempts',
  'traceparent',
);

export type DueReport = Row<typeof dueReport>;

export interface Settlement {
  readonly state?: ReportState;
  readonly reason?: string | null;
  readonly detail?: string | null;
  /** Seconds until the row is looked at again; null: there is nothing left to do. */
  readonly waitSeconds: number | null;
  readonly attempts: number;
  /** The revision that this is about, if not the leased one: a newer one stays due. */
  readonly revision?: number;
  readonly confirmedRevision?: number;
  readonly acceptedAt?: Date;
  readonly completedAt?: Date;
  readonly verifiedAt?: Date;
  readonly verification?: string | null;
  /** True while the message's outcome is unknown; default: unchanged. */
  readonly messageOpen?: boolean;
  readonly alone?: boolean;
  readonly event?: Omit<TimelineEvent, 'deviceId' | 'instanceId'>;
}

/** Outcome of one row, under the lease of `holder`. */
export interface Settled {
  readonly row: DueReport;
  readonly holder: string;
  readonly found: Settlement;
}

/** One report of a message that is about to be sent. */
export interface MessagePart {
  readonly row: DueReport;
  readonly entities: string;
  readonly lastUpdateAt: Date;
}

export interface NewMessage {
  readonly messageId: string;
  readonly at: Date;
  readonly parts: readonly MessagePart[];
}

/**
 * The reports of all tenants as the stage sees them. `report-store.ts` keeps them in PostgreSQL,
 * `memory-report-store.ts` is its twin for simulations; both pass `report-store.conformance.ts`.
 */
export interface ReportStore {
  /** The schedules that are due now or soon (store/schedules.ts). */
  look(): Promise<readonly DueSchedule[]>;
  /** These gave all that was due. */
  settleSchedules(schedules: readonly Schedule[]): Promise<void>;
  /** Leases due rows, fresh and background schedules as asked, and with them the others of their open messages. */
  lease(holder: string, shares: readonly ScheduleShare[]): Promise<readonly DueReport[]>;
  renew(held: readonly Held<DueReport>[]): Promise<unknown>;
  /**
   * Stores a message before it is sent. Parts whose lease was lost or whose report was replaced are left out; the
   * answer has the devices that are in it.
   */
  storeMessage(holder: string, message: NewMessage): Promise<ReadonlySet<string>>;
  /** True while every lease still stands: only then is a stored message sent again. */
  stillHeld(holder: string, rows: readonly DueReport[]): Promise<boolean>;
  /**
   * Ends the leases with what was found, all of one message together. A newer revision that came meanwhile stays due:
   * the finding is then history only. A lease that was lost to another process changes nothing.
   */
  settle(settled: readonly Settled[]): Promise<void>;
  /**
   * The open message of this report could not be leased whole. Gives back what `holder` has of it and makes all its
   * reports due at the same time, whoever has them: only so are they leased together again.
   */
  regroup(one: DueReport, holder: string, waitSeconds: number): Promise<void>;
  /** Gives the leases back at once: the reports were replaced while they were prepared. */
  release(rows: readonly DueReport[], holder: string): Promise<void>;
}
