/** The reports in PostgreSQL. Every statement is about many rows, and takes them in the order of their keys. */

import { createKeyedSemaphore } from '../../semaphore.ts';
import { columns, pick, type Row } from '../columns.ts';
import { booleans, type Sql } from '../database.ts';
import type { DeliveryCounts } from '../delivery-counts.ts';
import { type DueSchedule, rowsPerWrite } from '../due-rows.ts';
import { createGroupCommit, nothings } from '../group-commit.ts';
import { withLockTimeout } from '../locked-tenants.ts';
import { lookAtSchedules, settleSchedules } from '../schedules.ts';
import { reports } from '../schema.ts';
import type { TenantScope } from '../tenant-scope.ts';
import type { TenantTimelineEvent, TimelineWriter } from '../timeline.ts';
import { leaseReports, regroupReports, releaseLeases, renewReports } from './leases.ts';
import type { DueReport, NewMessage, ReportStore, Settled } from './report-row.ts';

interface Key {
  readonly tenantId: string;
  readonly deviceId: string;
}

const byKey = (a: Key, b: Key): number =>
  a.tenantId < b.tenantId || (a.tenantId === b.tenantId && a.deviceId < b.deviceId) ? -1 : 1;

const sent = (
  { deviceId, instanceId, tenantId }: DueReport,
  messageId: string | null,
): TenantTimelineEvent => ({
  tenantId,
  deviceId,
  instanceId,
  stage: 'sent',
  messageId,
});

interface StoredPart {
  readonly holder: string;
  readonly messageId: string;
  readonly at: Date;
  readonly part: NewMessage['parts'][number];
}

const storedPart = pick(reports, 'messageId', 'deviceId');

/** The devices that are in each message. */
async function storeMessages(
  { sql, timeline }: ReportStoreOptions,
  messages: readonly { readonly holder: string; readonly message: NewMessage }[],
  lockWaitMs?: number,
): Promise<ReadonlySet<string>[]> {
  const parts: StoredPart[] = messages.flatMap(({ message: { at, messageId, parts }, holder }) =>
    parts.map((part) => ({ holder, messageId, at, part })),
  );
  parts.sort((a, b) => byKey(a.part.row, b.part.row));
  const rows = await sql<Row<typeof storedPart>[]>`
    with part as (
      select part.* from unnest(
        ${parts.map(({ part }) => part.row.tenantId)}::uuid[], ${parts.map(({ part }) => part.row.deviceId)}::uuid[],
        ${parts.map(({ holder }) => holder)}::uuid[], ${parts.map(({ part }) => part.row.revision)}::int8[],
        ${parts.map(({ messageId }) => messageId)}::uuid[], ${parts.map(({ part }) => part.entities)}::text[],
        ${parts.map(({ at }) => at.toISOString())}::timestamptz[],
        ${parts.map(({ part }) => part.lastUpdateAt.toISOString())}::timestamptz[])
        as part(tenant_id, device_id, holder, revision, message_id, entities, message_at, last_update_at)
        ${withLockTimeout(sql, lockWaitMs)}
    ), held as materialized (
      select part.* from part join reports r on r.tenant_id = part.tenant_id and r.device_id = part.device_id
        and r.lease_owner = part.holder and r.revision = part.revision
      order by r.tenant_id, r.device_id for update of r
    ), sizes as (select message_id, count(*) as devices from held group by message_id)
    update reports r set message_id = held.message_id, sent_revision = held.revision, sent_content = held.entities,
      message_devices = sizes.devices, message_at = held.message_at, message_open = true,
      last_update_at = held.last_update_at, check_in_told_at = r.last_check_in_at, sent_at = now(), state = 'sent',
      hold_id = null, reason = null, detail = null, updated_at = now(),
      -- Together from here on, so that they are found together again whatever happens to this process.
      next_try_at = case when sizes.devices > 1 then now() else r.next_try_at end
    from held join sizes on sizes.message_id = held.message_id
    where r.tenant_id = held.tenant_id and r.device_id = held.device_id
    returning ${columns(sql, storedPart, 'r')}`;
  const devices = new Map(messages.map(({ message }) => [message.messageId, new Set<string>()]));
  for (const { deviceId, messageId } of rows) devices.get(messageId ?? '')?.add(deviceId);
  timeline.add(
    parts.flatMap(({ messageId, part: { row } }) =>
      devices.get(messageId)?.has(row.deviceId) ? [sent(row, messageId)] : [],
    ),
  );
  return messages.map(({ message }) => devices.get(message.messageId) ?? new Set<string>());
}

/** Texts for people are cut: nobody reads more, and the row is written often. */
const detailCharacters = 2_000;
/** A device's timeline is cut after this many revisions or tries, not after each. */
const revisionsPerTrim = 16;

const numbers = (value: number | null | undefined): number | null => value ?? null;
const times = (value: Date | undefined): string | null => value?.toISOString() ?? null;

/** Counts the outcomes of reports for their tenants. A lease that was lost changed nothing. */
function countSettled(
  counts: DeliveryCounts,
  all: readonly Settled[],
  kept: ReadonlyMap<string, { readonly waitedSeconds: number | null }>,
): void {
  for (const { found, row } of all) {
    const settled = kept.get(`${row.tenantId}/${row.deviceId}`);
    if (settled === undefined) continue;
    if (found.event?.stage === 'accepted') counts.accepted(row.tenantId, settled.waitedSeconds ?? 0);
    else if (found.state === 'completed') counts.completed(row.tenantId);
    else if (found.state === 'failed') counts.failed(row.tenantId);
  }
}

const settledReport = pick(reports, 'tenantId', 'deviceId', 'background');

/** Settles in one transaction; answers for each group the schedules and times in which its rows are due again. */
async function settleReports(
  { counts, onDue, relaxed, sql: durable, timeline }: ReportStoreOptions,
  groups: readonly (readonly Settled[])[],
  lockWaitMs?: number,
): Promise<undefined[]> {
  const sql = relaxed ?? durable;
  const all = groups.flat().sort((a, b) => byKey(a.row, b.row));
  const found = <T>(read: (settled: Settled) => T): T[] => all.map(read);
  const rows = await sql<
    (Row<typeof settledReport> & { dueInMs: number | null; waitedSeconds: number | null })[]
  >`
    with found as (
      select found.* from unnest(
        ${found(({ row }) => row.tenantId)}::uuid[], ${found(({ row }) => row.deviceId)}::uuid[],
        ${found(({ holder }) => holder)}::uuid[], ${found(({ found, row }) => found.revision ?? row.revision)}::int8[],
        ${found(({ found }) => found.state ?? null)}::text[], ${found(({ found }) => found.reason ?? null)}::text[],
        ${found(({ found }) => found.detail?.slice(0, detailCharacters) ?? null)}::text[],
        ${found(({ found }) => numbers(found.waitSeconds))}::float8[], ${found(({ found }) => found.attempts)}::int[],
        ${found(({ found }) => found.confirmedRevision ?? 0)}::int8[],
        ${found(({ found }) => times(found.acceptedAt))}::timestamptz[],
        ${found(({ found }) => times(found.completedAt))}::timestamptz[],
        ${found(({ found }) => times(found.verifiedAt))}::timestamptz[],
        ${found(({ found }) => found.verification ?? null)}::text[],
        ${booleans(found(({ found }) => found.messageOpen ?? null))}::text[]::bool[],
        ${booleans(found(({ found }) => found.alone ?? null))}::text[]::bool[])
        as found(tenant_id, device_id, holder, revision, state, reason, detail, wait_seconds, attempts,
          confirmed_revision, accepted_at, completed_at, verified_at, verification, message_open, alone)
        ${withLockTimeout(sql, lockWaitMs)}
    ), held as materialized (
      select found.*, r.revision = found.revision as newest from found
      join reports r on r.tenant_id = found.tenant_id and r.device_id = found.device_id and r.lease_owner = found.holder
      order by r.tenant_id, r.device_id for update of r
    )
    update reports r set lease_until = null, lease_owner = null, updated_at = now(),
      confirmed_revision = greatest(r.confirmed_revision, held.confirmed_revision),
      accepted_at = coalesce(held.accepted_at, r.accepted_at), completed_at = coalesce(held.completed_at, r.completed_at),
      verified_at = coalesce(held.verified_at, r.verified_at), message_open = coalesce(held.message_open, r.message_open),
      alone = coalesce(held.alone, r.alone),
      state = case when held.newest then coalesce(held.state, r.state) else r.state end,
      reason = case when held.newest then held.reason else r.reason end,
      detail = case when held.newest then held.detail else r.detail end,
      verification = case when held.newest then coalesce(held.verification, r.verification) else r.verification end,
      -- Those of an open message are counted also where a newer state waits behind it, or they would never grow.
      attempts = case when held.newest or r.message_open then held.attempts else r.attempts end,
      due_since = case when held.newest and held.state = 'completed' then null else r.due_since end,
      failed_at = case when not held.newest then r.failed_at when held.state = 'failed' then now()
                       when held.state is null then r.failed_at end,
      -- An open message waits for its back-off also where a newer state waits behind it.
      next_try_at = case when held.newest or coalesce(held.message_open, r.message_open)
                         then now() + held.wait_seconds * interval '1 second' else now() end
    from held where r.tenant_id = held.tenant_id and r.device_id = held.device_id
    returning ${columns(sql, settledReport, 'r')},
      case when r.next_try_at is not null
           then (greatest(0, extract(epoch from r.next_try_at - now())) * 1000)::float8 end as "dueInMs",
      extract(epoch from now() - r.due_since)::float8 as "waitedSeconds"`;
  const kept = new Map(rows.map((row) => [`${row.tenantId}/${row.deviceId}`, row]));
  if (counts) countSettled(counts, all, kept);
  const events: TenantTimelineEvent[] = [];
  const trims: Key[] = [];
  for (const { found, row } of all) {
    if (!kept.has(`${row.tenantId}/${row.deviceId}`) || !found.event) continue;
    const { deviceId, instanceId, tenantId } = row;
    events.push({ tenantId, deviceId, instanceId, ...found.event });
    const many = found.state === 'completed' ? row.revision : found.attempts;
    if (many > 0 && many % revisionsPerTrim === 0) trims.push(row);
  }
  timeline.add(events);
  timeline.trim(trims);
  for (const { background, dueInMs, tenantId } of rows) {
    if (dueInMs !== null) onDue({ schedule: { tenantId, background }, dueInMs });
  }
  return nothings(groups);
}

export interface ReportStoreOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  /**
   * A client whose commits need not be durable, for leases and findings; `sql` unless given. A finding that is lost with
   * the database's machine is found again: an open message is sent again with its id, a status asked again. What has
   * to be there before a message leaves is written through `sql`, and takes all before it along.
   */
  readonly relaxed?: Sql;
  readonly timeline: TimelineWriter;
  readonly counts?: DeliveryCounts;
  /** Told of every row that is due again later, so that nobody has to look for it. */
  readonly onDue: (schedule: DueSchedule) => void;
}

/**
 * Reports are gathered for this long under load: a few milliseconds more on the way to Intune are nothing, a statement
 * for each report is much.
 */
const gatherMs = 8;
/** A finding is on nobody's way: its row was sent, and is looked at again later or not at all. */
const findingsGatherMs = 25;
/** Statements of a kind at the same time; beyond that PostgreSQL gains nothing. */
const writesAtOnce = 2;
const statementsOfTenant = 2;

export function createReportStore(options: ReportStoreOptions): ReportStore {
  const { onDue, relaxed = options.sql, sql, timeline } = options;
  const store = createGroupCommit({
    flush: (messages: readonly { readonly holder: string; readonly message: NewMessage }[], lockWaitMs) =>
      storeMessages(options, messages, lockWaitMs),
    maxItems: rowsPerWrite,
    flushes: writesAtOnce,
    gatherMs,
    weight: ({ message }) => message.parts.length,
    tenantOf: ({ message }) => message.parts[0]?.row.tenantId ?? '',
  });
  const settle = createGroupCommit({
    flush: (groups: readonly (readonly Settled[])[], lockWaitMs) =>
      settleReports(options, groups, lockWaitMs),
    maxItems: rowsPerWrite,
    flushes: writesAtOnce,
    gatherMs: findingsGatherMs,
    weight: (group) => group.length,
    tenantOf: ([settled]) => settled?.row.tenantId ?? '',
  });
  // Statements of one tenant: where its rows are locked, they must not hold all connections.
  const turns = createKeyedSemaphore(statementsOfTenant);
  const inTurn = <T>(rows: readonly Key[], statement: () => PromiseLike<T>): Promise<T> =>
    turns(rows[0]?.tenantId ?? '', async () => statement());
  return {
    look: () => lookAtSchedules(relaxed, 'reports', options.scope),
    settleSchedules: (schedules) => settleSchedules(relaxed, 'reports', schedules),
    lease: (holder, shares) =>
      leaseReports(
        relaxed,
        holder,
        shares.map(({ schedule, limit }) => ({ ...schedule, limit })),
      ),
    renew: (held) => renewReports(relaxed, held),
    storeMessage: (holder, message) => store({ holder, message }),
    stillHeld: async (holder, rows) => {
      const held = await inTurn(
        rows,
        () => sql`
        update reports r set sent_at = now(), updated_at = now()
        from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.deviceId)}::uuid[])
          as mine(tenant_id, device_id)
        where r.tenant_id = mine.tenant_id and r.device_id = mine.device_id and r.lease_owner = ${holder}
        returning 1`,
      );
      if (held.length < rows.length) return false;
      const again = rows.map((row) => ({
        ...sent(row, row.messageId),
        detail: 'again, the same message',
      }));
      timeline.add(again);
      return true;
    },
    settle: (settled) => settle(settled),
    release: async (rows, holder) => {
      await inTurn(rows, () => releaseLeases(relaxed, rows, holder));
    },
    regroup: async (one, holder, waitSeconds) => {
      const schedules = new Set(
        (await inTurn([one], () => regroupReports(relaxed, one, holder, waitSeconds))).map(
          (row) => row.background,
        ),
      );
      for (const background of schedules) {
        onDue({ schedule: { tenantId: one.tenantId, background }, dueInMs: waitSeconds * 1_000 });
      }
    },
  };
}
