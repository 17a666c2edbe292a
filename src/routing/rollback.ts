import { feedRoutes } from '../store/change-source.ts';
import type { ComputerId } from '../store/claims/claim.ts';
import { removeClaims } from '../store/claims/claim-history.ts';
import { columns, pick, type Row } from '../store/columns.ts';
import { readManyWinners } from '../store/computers/due.ts';
import type { Sql, Transaction } from '../store/database.ts';
import { inTransaction } from '../store/retry.ts';
import { type Authorship, nextVersion, writeRoutes } from '../store/routes/routes.ts';
import { routeChanges } from '../store/schema.ts';
import { lockTenantRoutes } from './resolve.ts';

/** The whole table of a tenant as it was at a version, as one new version in one transaction. */

export interface RollbackRequest {
  readonly tenantId: string;
  readonly toVersion: number;
  readonly by: Authorship;
  /** True where the call only counts what it would do. */
  readonly dryRun: boolean;
  /** Makes Intune hear that these devices are not managed any more; says of how many it has to. */
  readonly retract: (tx: Transaction, tenantId: string, deviceIds: readonly string[]) => Promise<number>;
  /** The last that the transaction does; not in a dry run. */
  readonly note?: (tx: Transaction, done: RollbackResult) => Promise<void>;
}

export interface RolledBackDevice {
  readonly deviceId: string;
  /** Undefined: it has no route. */
  readonly from: ComputerId | undefined;
  readonly to: ComputerId | undefined;
  readonly pinned: boolean;
}

/** `instance-removed`, `instance-disabled`, `registration-retired`. */
export type SkipReason = string;

export interface RollbackResult {
  /** The version that was made; undefined where nothing changes, and in a dry run. */
  readonly version: number | undefined;
  readonly placed: number;
  readonly ended: number;
  /** Placed on computers that do not claim the device now. */
  readonly unclaimed: number;
  readonly retracted: number;
  /** The first ones. */
  readonly devices: readonly RolledBackDevice[];
  readonly skipped: number;
  /** The first ones. */
  readonly skippedDevices: readonly { readonly deviceId: string; readonly reason: SkipReason }[];
}

/** Devices of an answer; the rest is counted. */
const shown = 100;
const retractedTogether = 10_000;

/**
 * Compares the table now with that of the version. Filled once: its rows are read five times, and must not change
 * between.
 */
async function makePlan(
  tx: Transaction,
  { tenantId, toVersion }: Pick<RollbackRequest, 'tenantId' | 'toVersion'>,
): Promise<void> {
  await tx`
    create temporary table rollback_plan (device_id uuid, from_instance_id uuid, from_jamf_computer_id int,
      to_instance_id uuid, to_jamf_computer_id int, pinned boolean, serial_number text, udid text, claimed boolean,
      enrolled_at timestamptz, skipped text) on commit drop`;
  await tx`
    insert into rollback_plan
    select touched.device_id, r.instance_id, r.jamf_computer_id, was.to_instance_id, was.to_jamf_computer_id,
      coalesce(was.pinned, false), coalesce(c.serial_number, r.serial_number), coalesce(c.udid, r.udid),
      c.device_id is not null,
      (select max(k.last_enrolled_at) from claims k where k.tenant_id = ${tenantId} and k.device_id = touched.device_id),
      case when was.to_instance_id is null then null
           when i.instance_id is null then 'instance-removed'
           when not i.enabled then 'instance-disabled'
           when c.stale and not was.pinned then 'registration-retired' end
    from (select distinct device_id from route_changes where tenant_id = ${tenantId} and version > ${toVersion}) touched
    left join lateral (
      select h.to_instance_id, h.to_jamf_computer_id, h.pinned from route_changes h
      where h.tenant_id = ${tenantId} and h.device_id = touched.device_id and h.version <= ${toVersion}
      order by h.version desc limit 1) was on true
    left join routes r on r.tenant_id = ${tenantId} and r.device_id = touched.device_id
    left join instances i on i.tenant_id = ${tenantId} and i.instance_id = was.to_instance_id
    left join claims c on c.tenant_id = ${tenantId} and c.device_id = touched.device_id
      and c.instance_id = was.to_instance_id and c.jamf_computer_id = was.to_jamf_computer_id
    where (r.instance_id, r.jamf_computer_id, coalesce(r.pinned, false))
      is distinct from (was.to_instance_id, was.to_jamf_computer_id, coalesce(was.pinned, false))`;
  await tx`analyze rollback_plan`;
}

interface Counts {
  readonly placed: number;
  readonly ended: number;
  readonly unclaimed: number;
  readonly skipped: number;
}

const planned = pick(
  routeChanges,
  'deviceId',
  'fromInstanceId',
  'fromJamfComputerId',
  'toInstanceId',
  'toJamfComputerId',
  'pinned',
);
const device = pick(routeChanges, 'deviceId');

async function readPlan(tx: Transaction): Promise<Omit<RollbackResult, 'version' | 'retracted'>> {
  const [counts] = await tx<Counts[]>`
    select count(*) filter (where skipped is null and to_instance_id is not null) as placed,
      count(*) filter (where skipped is null and to_instance_id is null) as ended,
      count(*) filter (where skipped is null and to_instance_id is not null and not claimed) as unclaimed,
      count(*) filter (where skipped is not null) as skipped
    from rollback_plan`;
  const rows = await tx<Row<typeof planned>[]>`
    select ${columns(tx, planned)} from rollback_plan where skipped is null order by device_id limit ${shown}`;
  const skippedDevices = await tx<{ deviceId: string; reason: SkipReason }[]>`
    select ${columns(tx, device)}, skipped as reason from rollback_plan where skipped is not null
    order by device_id limit ${shown}`;
  const computer = (instanceId: string | null, jamfComputerId: number | null): ComputerId | undefined =>
    instanceId === null || jamfComputerId === null ? undefined : { instanceId, jamfComputerId };
  return {
    ...(counts ?? { placed: 0, ended: 0, unclaimed: 0, skipped: 0 }),
    devices: rows.map((row) => ({
      deviceId: row.deviceId,
      from: computer(row.fromInstanceId, row.fromJamfComputerId),
      to: computer(row.toInstanceId, row.toJamfComputerId),
      pinned: row.pinned,
    })),
    skippedDevices,
  };
}

/** Placed as an operator's: what was known of enrolments, also of those in the future by our clock, does not undo it. */
async function writePlan(tx: Transaction, tenantId: string, version: number, by: Authorship): Promise<void> {
  await writeRoutes(
    tx,
    tenantId,
    version,
    tx`
      select p.device_id, p.from_instance_id, p.from_jamf_computer_id, p.to_instance_id, p.to_jamf_computer_id,
        p.serial_number, p.udid, p.pinned, 'rolled-back' as rule,
        case when p.pinned or p.to_instance_id is null then null else greatest(moment.at, p.enrolled_at) end as placed_at,
        ${by.author}::text as author, ${by.reason}::text as reason
      from rollback_plan p, moment where p.skipped is null`,
  );
  // A route that ended would come back with the next look at its claims: they go with it, until an instance claims anew.
  const ended = tx`select device_id from rollback_plan where skipped is null and to_instance_id is null`;
  await removeClaims(tx, tenantId, tx`device_id in (${ended})`);
}

async function retractEnded(
  tx: Transaction,
  { retract, tenantId }: Pick<RollbackRequest, 'retract' | 'tenantId'>,
): Promise<number> {
  const ended = await tx<{ deviceId: string }[]>`
    select ${columns(tx, device)} from rollback_plan
    where skipped is null and to_instance_id is null and from_instance_id is not null order by device_id`;
  let retracted = 0;
  for (let from = 0; from < ended.length; from += retractedTogether) {
    const some = ended.slice(from, from + retractedTogether).map(({ deviceId }) => deviceId);
    retracted += await retract(tx, tenantId, some);
  }
  return retracted;
}

/**
 * Puts every route where it was at a version, pins included; a device that had none then loses its route and its
 * claims, and Intune is told. Left alone, and counted: where the instance is gone or disabled, or the registration was
 * retired since. The caller has checked that the version can be told.
 */
export function rollBackRoutes(sql: Sql, request: RollbackRequest): Promise<RollbackResult> {
  const { by, dryRun, note, tenantId } = request;
  return inTransaction(sql, async (tx) => {
    // A million routes take longer than a statement may otherwise.
    await tx`set local statement_timeout = '15min'`;
    // Foreign keys are checked row by row, by statements that need not be planned anew for each (store/database.ts).
    await tx`set local plan_cache_mode = 'auto'`;
    if (!dryRun) await lockTenantRoutes(tx, tenantId);
    await makePlan(tx, request);
    const plan = await readPlan(tx);
    if (dryRun || plan.placed + plan.ended === 0) {
      const unchanged = { ...plan, version: undefined, retracted: 0 };
      if (!dryRun) await note?.(tx, unchanged);
      return unchanged;
    }
    const version = await nextVersion(tx, tenantId);
    await writePlan(tx, tenantId, version, by);
    await readManyWinners(
      tx,
      tenantId,
      tx`select distinct to_instance_id as instance_id, to_jamf_computer_id as jamf_computer_id from rollback_plan
         where skipped is null and to_instance_id is not null`,
    );
    const retracted = await retractEnded(tx, request);
    await feedRoutes(tx, tenantId, version, plan.placed + plan.ended);
    const done = { ...plan, version, retracted };
    await note?.(tx, done);
    return done;
  });
}
