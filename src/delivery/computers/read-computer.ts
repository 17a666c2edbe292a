import { createBoundedCache } from '../../bounded-cache.ts';
import type { JamfClient } from '../../jamf/client.ts';
import { createJoining } from '../../joining.ts';
import { type Sha256, webSha256 } from '../../secrets/sha256.ts';
import {
  type ComputerSchedule,
  computerSchedule,
  createPostpone,
  type DueComputer,
  leaseComputers,
  lockHeld,
  renewComputers,
  settleComputers,
} from '../../store/computers/leases.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import type { DeliveryCounts } from '../../store/delivery-counts.ts';
import type { DueSchedule, Schedule } from '../../store/due-rows.ts';
import { createGroupCommit, type GroupCommit } from '../../store/group-commit.ts';
import {
  type Instance,
  type InstanceDirectory,
  type InstanceRef,
  instanceKey,
} from '../../store/instances/instance.ts';
import { inTransaction } from '../../store/retry.ts';
import type { Mode } from '../../store/row-types.ts';
import { lookAtSchedules, settleSchedules } from '../../store/schedules.ts';
import type { TenantScope } from '../../store/tenant-scope.ts';
import type { Tenant, TenantDirectory } from '../../store/tenants/tenant.ts';
import type { TimelineWriter } from '../../store/timeline.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { currentTraceparent, inStageSpan } from '../../telemetry/tracing.ts';
import { createJobs, type Turns, turnsApart } from '../../untrusted/turns.ts';
import { defaultInventoryVocabulary, type InventoryVocabulary } from '../reports/attributes.ts';
import { type Backoff, backoffSeconds } from '../stage/backoff.ts';
import type { Circuits } from '../stage/circuit.ts';
import type { Stage } from '../stage/run-stage.ts';
import { fetchComputer } from './fetch-computer.ts';
import { createOddMembers } from './odd-members.ts';
import { type ReadComputer, takeIn } from './take-in.ts';

/** Stage one: a computer that is due is read from its instance; its registrations become routes, its state reports. */

export interface ComputerStageOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  /** A client whose commits need not be durable, for leases and back-off; `sql` unless given. */
  readonly relaxed?: Sql;
  readonly timeline: TimelineWriter;
  /** Counts for the tenant's numbers. */
  readonly counts?: DeliveryCounts;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'inputIgnored'>;
  readonly tenants: TenantDirectory;
  readonly instances: InstanceDirectory;
  readonly clientOf: (instance: Instance) => JamfClient;
  /** Circuits by `tenantId/instanceId`. */
  readonly circuits: Circuits;
  /** Answers the keys of the given instances that this process may read from now (store/computers/readers.ts). */
  readonly mayRead: (instances: readonly InstanceRef[]) => Promise<ReadonlySet<string>>;
  readonly backoff: Backoff;
  readonly holdRecheckSeconds: number;
  /** Used for tenants in mode `conditional-access`. */
  readonly vocabulary?: InventoryVocabulary;
  readonly sha256?: Sha256;
  /** Turns in which pushed records are read; default: turns of their own. */
  readonly turns?: Turns;
  /** Told of rows of this stage that are due later. */
  readonly onDue: (schedule: DueSchedule) => void;
  /** Told when reports were made due. */
  readonly onReports: (tenantId: string) => void;
  /** Routes changed. */
  readonly onRoutes: () => void;
}

/**
 * A 404 means deletion only when the instance has said so for this long: a node of its cluster may not know for up
 * to a minute what another one has just created (domain/jamf.md 1.4).
 */
const goneAfterMs = 90_000;
const notFoundRetrySeconds = 15;
/**
 * A read that is older than the known state came from such a node as well, so that nothing was learned by it. It is
 * asked for again so many times at most, for an instance that was restored from a backup goes on being older.
 */
const lateReadsAgain = 4;
/** A verdict that does not come, or an instance that answers nothing while a push served, is asked for less and less often, at least once an hour. */
const verdictRetryMaxSeconds = 3_600;
/** Computers taken in together: one transaction's locks are held for that long. */
const computersTogether = 128;
const tenantsRemembered = 20_000;

/** The tenant's disconnect began while the computer was read. */
class Disconnecting extends Error {
  override readonly name = 'Disconnecting';
}

/** The lease ran out and another process took the row over: its findings count, not these. */
class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** Takes in what was read of one tenant's computers, in one transaction; answers per computer what kept it out. */
async function takeInTogether(
  reads: readonly ReadComputer[],
  tenantId: string,
  options: ComputerStageOptions,
): Promise<(Error | undefined)[]> {
  const { backoff, holdRecheckSeconds, onDue, onReports, onRoutes, sha256 = webSha256, sql } = options;
  const { vocabulary = defaultInventoryVocabulary } = options;
  const taken = await inTransaction(sql, async (tx: Transaction) => {
    // A disconnect that began while the instance was asked has retracted the devices: it must stay so.
    const [tenant] = await tx<{ state: string }[]>`
      select connection_state as state from tenants where tenant_id = ${tenantId} for key share`;
    if (tenant?.state === 'disconnecting') return undefined;
    const held = await lockHeld(tx, reads);
    const ours = reads.filter(({ row }) => held.has(row));
    if (ours.length === 0)
      return { held, schedules: [], reported: false, received: 0, routed: false, timelineEvents: [] };
    const news = ours.filter(({ found }) => !found?.late);
    const { received, reported, routed, verdictMissing, timelineEvents } = await takeIn(tx, tenantId, news, {
      vocabulary,
      sha256,
    });
    const schedules = await settleComputers(
      tx,
      ours.map(({ found, row }) => ({
        row,
        by: found?.by ?? 'read',
        reportAt: found && !found.late ? (found.computer.reportedAt ?? null) : undefined,
        udid: found?.computer.udid ?? null,
        serialNumber: found?.computer.serialNumber ?? null,
        gone: found === undefined,
        againInSeconds:
          found?.stale || verdictMissing.has(row) || (found?.late && row.attempts < lateReadsAgain)
            ? Math.min(holdRecheckSeconds * 2 ** Math.min(row.attempts, 10), verdictRetryMaxSeconds)
            : null,
        readInSeconds: row.attempts === 0 ? 0 : backoffSeconds(row.attempts, backoff),
      })),
    );
    return { held, schedules, reported, received, routed, timelineEvents };
  });
  if (!taken) return reads.map(() => new Disconnecting('the tenant is being disconnected'));
  options.timeline.add(taken.timelineEvents);
  if (taken.received > 0) options.counts?.received(tenantId, taken.received);
  for (const schedule of taken.schedules) onDue(schedule);
  if (taken.reported) onReports(tenantId);
  if (taken.routed) onRoutes();
  return reads.map(({ row }) =>
    taken.held.has(row) ? undefined : new LeaseLost('another process has the computer'),
  );
}

/** Takes computers in, in one transaction at a time for a tenant: its routes have one version after the other. */
function createTakeIn(options: ComputerStageOptions): (read: ReadComputer) => Promise<void> {
  const takers = createBoundedCache<string, GroupCommit<ReadComputer, Error | undefined>>(tenantsRemembered);
  const takerOf = (tenantId: string): GroupCommit<ReadComputer, Error | undefined> => {
    let taker = takers.get(tenantId);
    if (!taker) {
      taker = createGroupCommit({
        flush: (reads: readonly ReadComputer[]) => takeInTogether(reads, tenantId, options),
        maxItems: computersTogether,
        flushes: 1,
        gatherMs: 4,
      });
      takers.set(tenantId, taker);
    }
    return taker;
  };
  return async (read) => {
    const refused = await takerOf(read.row.tenantId)(read);
    if (refused) throw refused;
  };
}

/** Rows of one lease ask for the same tenant at the same time: one read answers them. */
function createFreshTenant(tenants: TenantDirectory): (tenantId: string) => Promise<Tenant | undefined> {
  const readings = createJoining<Tenant | undefined>('process');
  return (tenantId) => readings.once(tenantId, () => tenants.fresh(tenantId));
}

type Postpone = ReturnType<typeof createPostpone>;

/** Reads one computer from its instance, and takes it in or puts it off. */
function createRead(options: ComputerStageOptions, postpone: Postpone) {
  const { backoff, circuits, clientOf, instances, log, turns = turnsApart } = options;
  const inTurn = createJobs(turns);
  const logOddMembers = createOddMembers(log, options.metrics);
  const finish = createTakeIn(options);
  return async (row: DueComputer, holder: string, instance: Instance, mode: Mode): Promise<void> => {
    const { instanceId, tenantId } = row;
    const key = instanceKey(row);
    const fetched = await fetchComputer({ row, instance, client: clientOf(instance), mode, inTurn });
    const verdictIsJamfs = mode === 'device-compliance' && instance.compliance.source === 'jamf';
    // A push tells nothing of whether the instance answers.
    if (row.needsInstance || verdictIsJamfs) {
      await instances.recordExchange(tenantId, instanceId, fetched.ok || fetched.gone ? null : fetched.error);
      if (fetched.ok || fetched.gone || !fetched.instanceFails) circuits.succeeded(key);
      else circuits.failed(key);
    }
    if (fetched.ok) {
      logOddMembers(row, fetched.warnings);
      return finish({ row, holder, instance, found: fetched, traceparent: currentTraceparent() });
    }
    if (fetched.gone) {
      if (row.notFoundForMs !== null && row.notFoundForMs >= goneAfterMs)
        return finish({ row, holder, instance, found: undefined, traceparent: currentTraceparent() });
      const error = 'not-found: the instance does not know the computer (yet, or any more)';
      return postpone(row, holder, { seconds: notFoundRetrySeconds, error, notFound: true });
    }
    const { error, waitSeconds } = fetched;
    if (waitSeconds !== undefined) circuits.silence(key, waitSeconds * 1_000);
    const { jamfComputerId } = row;
    log.warn('computer.read-failed', {
      tenantId,
      instanceId,
      jamfComputerId,
      error,
      attempts: row.attempts + 1,
    });
    const seconds = Math.max(waitSeconds ?? 0, backoffSeconds(row.attempts + 1, backoff));
    return postpone(row, holder, { seconds, error });
  };
}

export function computerStage(options: ComputerStageOptions): Stage<DueComputer> {
  const { backoff, circuits, holdRecheckSeconds, instances, mayRead, sql, tenants } = options;
  const relaxed = options.relaxed ?? sql;
  const postpone = createPostpone(relaxed, options.onDue);
  const read = createRead(options, postpone);
  const freshTenant = createFreshTenant(tenants);

  /** Due rows of a paused or disabled instance wait untouched: resuming makes them due at once. */
  const readable = async <Share extends { readonly schedule: ComputerSchedule }>(
    shares: readonly Share[],
  ): Promise<Share[]> => {
    const open = shares.map(async (share) => {
      const instance = await instances.instance(share.schedule.tenantId, share.schedule.instanceId);
      return instance?.enabled && !instance.paused ? [share] : [];
    });
    return (await Promise.all(open)).flat();
  };

  const work = async (row: DueComputer, holder: string): Promise<void> => {
    const { instanceId, tenantId } = row;
    const instance = await instances.instance(tenantId, instanceId);
    // A change of the mode makes every computer due: none of them may be read by a remembered mode.
    const tenant = await freshTenant(tenantId);
    if (!instance || !tenant) return postpone(row, holder, { seconds: holdRecheckSeconds, error: null });
    // While devices are retracted nothing may call one managed again.
    if (!instance.enabled || instance.paused || tenant.connectionState === 'disconnecting') {
      return postpone(row, holder, { seconds: holdRecheckSeconds, error: null });
    }
    const key = instanceKey(row);
    if (row.attempts > 0 && row.needsInstance && !circuits.mayRetry(key)) {
      return postpone(row, holder, { seconds: backoffSeconds(1, backoff), error: null });
    }
    const attributes = { 'espalier.tenant': tenantId, 'espalier.instance': instanceId };
    // A computer that is put off above is not read, so it has no span.
    return inStageSpan('computer.read', attributes, [row.traceparent], () =>
      read(row, holder, instance, tenant.mode),
    );
  };

  return {
    name: 'computers',
    look: () => lookAtSchedules(relaxed, 'computers', options.scope),
    settleSchedules: (schedules) => settleSchedules(relaxed, 'computers', schedules),
    lease: async (holder, shares) => {
      const schedules = shares as readonly { readonly schedule: ComputerSchedule; readonly limit: number }[];
      const awake = await readable(schedules);
      const ours =
        awake.length === 0 ? new Set<string>() : await mayRead(awake.map(({ schedule }) => schedule));
      const open = awake.filter(({ schedule }) => ours.has(instanceKey(schedule)));
      return open.length === 0 ? [] : leaseComputers(relaxed, holder, open);
    },
    scheduleOf: computerSchedule,
    mayTake: (schedule: Schedule) => {
      const of = schedule as ComputerSchedule;
      return of.kind === 'pushed' ? Number.MAX_SAFE_INTEGER : circuits.mayTake(instanceKey(of));
    },
    renew: (held) => renewComputers(relaxed, held),
    units: (rows) => rows.map((row) => [row]),
    fail: async ([row], holder, error) => {
      if (row === undefined || error instanceof LeaseLost) return;
      await (error instanceof Disconnecting
        ? postpone(row, holder, { seconds: holdRecheckSeconds, error: null })
        : postpone(row, holder, {
            seconds: backoffSeconds(row.attempts + 1, backoff),
            error: String(error),
          }));
    },
    work: ([row], holder) => (row === undefined ? Promise.resolve() : work(row, holder)),
  };
}
