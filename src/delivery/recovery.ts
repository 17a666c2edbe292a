import { changeBatch, watchGapMs } from '../limits.ts';
import { forgetNotFound, makeDue, readInsteadOfPushes } from '../store/computers/due.ts';
import type { ComputerKey } from '../store/computers/leases.ts';
import { askEveryInstance } from '../store/computers/reading.ts';
import type { Sql, Transaction } from '../store/database.ts';
import { underLock } from '../store/exclusive.ts';
import { holdUntilRead } from '../store/reports/due.ts';
import { inTransaction } from '../store/retry.ts';
import { recordWatch, secondsUnwatched } from '../store/watch.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * A database that nobody watched for a while, a restored dump or one of a gateway that stood still, holds states
 * that were read long ago and not told yet. What the instances sent meanwhile is lost. So before delivery begins the
 * instances are asked anew, and what was to be told, or waited to be taken in, waits for their answer: a restored old
 * database never sends an old state as new.
 */

/** Any fixed number: one process at a time looks for a gap. */
const recoveryLock = 7_276_154_012;
const lockPollMs = 250;

export interface Gap {
  /** null: nobody knows for how long. */
  readonly seconds: number | null;
  readonly reports: number;
  /** Due to be read for it, those of pushed records among them. */
  readonly computers: number;
  /** Pushed records that waited to be taken in. */
  readonly pushes: number;
  readonly instances: number;
}

/** Seconds since anybody watched, null when nobody ever did; undefined when that is not long. */
async function gapSeconds(sql: Sql): Promise<number | null | undefined> {
  const seconds = await secondsUnwatched(sql);
  if (seconds === null) return null;
  return seconds * 1_000 > watchGapMs ? Math.round(seconds) : undefined;
}

interface Batch {
  readonly reports: number;
  readonly computers: number;
  readonly last: { readonly tenantId: string; readonly deviceId: string } | undefined;
}

const nilId = '00000000-0000-0000-0000-000000000000';

/** Has the next reports read again before they are told: the undelivered ones now, the others with the reconciliation that follows. */
async function markBatch(tx: Transaction, after: { tenantId: string; deviceId: string }): Promise<Batch> {
  const marked = await holdUntilRead(tx, after, changeBatch);
  if (marked.length === 0) return { reports: 0, computers: 0, last: undefined };
  const undelivered = marked.filter((one) => one.undelivered);
  const { fresh } = await makeDue(
    tx,
    tx`select distinct o.tenant_id, o.instance_id, o.jamf_computer_id
      from unnest(${undelivered.map((one) => one.tenantId)}::uuid[], ${undelivered.map((one) => one.deviceId)}::uuid[])
        as again(tenant_id, device_id)
      join routes o on o.tenant_id = again.tenant_id and o.device_id = again.device_id`,
    { urgency: 'fresh', spread: 'none', backoff: 'keep' },
  );
  const last = marked.reduce((a, b) => (`${a.tenantId}${a.deviceId}` > `${b.tenantId}${b.deviceId}` ? a : b));
  return { reports: undelivered.length, computers: fresh, last };
}

async function readAllPushed(sql: Sql): Promise<number> {
  let pushes = 0;
  let last: ComputerKey | undefined = { tenantId: nilId, instanceId: nilId, jamfComputerId: 0 };
  while (last) {
    const from: ComputerKey = last;
    const batch: readonly ComputerKey[] = await inTransaction(sql, (tx) => readInsteadOfPushes(tx, from));
    pushes += batch.length;
    last = batch.at(-1);
  }
  return pushes;
}

/** Batch by batch, so that a million rows neither lock long nor meet the statement's timeout; safe to repeat. */
async function askAnew(sql: Sql): Promise<Omit<Gap, 'seconds'>> {
  const total = { reports: 0, computers: 0 };
  let after: Batch['last'] = { tenantId: nilId, deviceId: nilId };
  while (after) {
    const from: { tenantId: string; deviceId: string } = after;
    const batch: Batch = await inTransaction(sql, (tx) => markBatch(tx, from));
    total.reports += batch.reports;
    total.computers += batch.computers;
    after = batch.last;
  }
  const pushes = await readAllPushed(sql);
  await forgetNotFound(sql);
  const instances = await askEveryInstance(sql);
  return { ...total, computers: total.computers + pushes, pushes, instances };
}

async function recover(sql: Sql, log: Log): Promise<void> {
  const seconds = await gapSeconds(sql);
  if (seconds !== undefined) {
    const gap: Gap = { seconds, ...(await askAnew(sql)) };
    // A database without instances is a new one.
    if (gap.instances > 0) log.warn('recovery.gap', { ...gap });
  }
  // The watch is recorded last: a process that ends before this line has left the gap to the next one.
  await recordWatch(sql);
}

export interface RecoveryWatch {
  /** Ends the wait for another process's recovery. One's own goes on, for begun anew it would take as long again. */
  readonly signal: AbortSignal;
  /** A recovery is under way, here or in another process. */
  readonly onRecovering?: () => void;
}

/**
 * Called before delivery begins: decides under a lock whether any process watched lately, so that processes that start
 * together neither miss a gap nor do the work twice.
 */
export async function recoverFromGap(
  sql: Sql,
  log: Log,
  { onRecovering, signal }: RecoveryWatch,
): Promise<void> {
  const work = (): Promise<void> => {
    onRecovering?.();
    return recover(sql, log);
  };
  // Asked for again and again, for waiting in the database would run into its lock timeout.
  while (!(await underLock(sql, log, recoveryLock, work))) {
    onRecovering?.();
    await new Promise((resolve) => setTimeout(resolve, lockPollMs));
    signal.throwIfAborted();
  }
}
