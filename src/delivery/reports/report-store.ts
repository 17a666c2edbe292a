import { leaseMs } from '../../limits.ts';
import { booleans, type Sql } from '../../store/database.ts';
import { createGroupCommit, nothings } from '../../store/group-commit.ts';
import type { DueLane, Held } from '../stage/run-stage.ts';
import type { TenantTimelineEvent, TimelineWriter } from '../timeline.ts';
import type { DueReport, NewMessage, ReportStore, Settled } from './report-row.ts';

/** The reports in PostgreSQL. Every statement is about many rows, and takes them in the order of their keys. */

const columns = (sql: Sql) => sql`
  r.tenant_id as "tenantId", r.device_id as "deviceId", r.instance_id as "instanceId", r.content, r.revision,
  r.confirmed_revision as "confirmedRevision", r.state, r.message_id as "messageId", r.sent_revision as "sentRevision",
  r.sent_content as "sentContent", r.message_devices as "messageDevices", r.message_at as "messageAt",
  r.message_open as "messageOpen", r.alone, r.read_again as "readAgain", r.background,
  r.last_update_at as "lastUpdateAt", r.completed_at as "completedAt", r.accepted_at as "acceptedAt", r.verification,
  r.attempts, r.traceparent`;

/** The lanes with waiting rows, by stepping from one to the next in the index (docs/data.md). */
export async function surveyReports(sql: Sql): Promise<DueLane[]> {
  const rows = await sql<{ tenantId: string; background: boolean; dueInMs: number }[]>`
    with recursive lanes as (
      (select tenant_id, background, next_try_at from reports where next_try_at is not null
       order by tenant_id, background, next_try_at limit 1)
      union all
      select next.* from lanes cross join lateral (
        select r.tenant_id, r.background, r.next_try_at from reports r
        where r.next_try_at is not null and (r.tenant_id, r.background) > (lanes.tenant_id, lanes.background)
        order by r.tenant_id, r.background, r.next_try_at limit 1) next
    )
    select tenant_id as "tenantId", background,
      greatest(0, extract(epoch from next_try_at - now()) * 1000)::float8 as "dueInMs" from lanes`;
  return rows.map(({ background, dueInMs, tenantId }) => ({ lane: { tenantId, background }, dueInMs }));
}

/**
 * Leases due rows of these lanes, of each at most its limit, the longest due first. A second step brings the other
 * rows of open messages: stored together they are due together, and only whole can a message be sent again.
 */
export async function claimReports(
  sql: Sql,
  owner: string,
  lanes: readonly { readonly tenantId: string; readonly background: boolean; readonly limit: number }[],
): Promise<DueReport[]> {
  const claimed = await sql<DueReport[]>`
    with lanes as (
      select * from unnest(${lanes.map((lane) => lane.tenantId)}::uuid[], ${booleans(lanes.map((lane) => lane.background))}::text[]::bool[],
                           ${lanes.map((lane) => lane.limit)}::int[]) as lanes(tenant_id, background, quota)
    ), due as materialized (
      select picked.* from lanes cross join lateral (
        select r.tenant_id, r.device_id from reports r
        where r.tenant_id = lanes.tenant_id and r.background = lanes.background and r.next_try_at <= now()
          and (r.lease_until is null or r.lease_until < now())
        order by r.next_try_at limit lanes.quota for update skip locked) picked
    )
    update reports r set lease_until = now() + ${leaseMs} * interval '1 millisecond', lease_owner = ${owner}
    from due where r.tenant_id = due.tenant_id and r.device_id = due.device_id
    returning ${columns(sql)}`;
  const missing = new Map<string, { readonly one: DueReport; rows: number }>();
  for (const one of claimed) {
    if (!one.messageOpen || one.messageId === null) continue;
    const known = missing.get(one.messageId) ?? { one, rows: one.messageDevices ?? 1 };
    known.rows -= 1;
    missing.set(one.messageId, known);
  }
  const incomplete = [...missing.values()].flatMap(({ one, rows }) => (rows > 0 ? [one] : []));
  if (incomplete.length === 0) return claimed;
  const others = await sql<DueReport[]>`
    with others as materialized (
      select r.tenant_id, r.device_id from unnest(${incomplete.map((one) => one.tenantId)}::uuid[],
        ${incomplete.map((one) => one.deviceId)}::uuid[]) as known(tenant_id, device_id)
      join reports one on one.tenant_id = known.tenant_id and one.device_id = known.device_id
      join reports r on r.tenant_id = one.tenant_id and r.background = any(array[false, true])
        and r.next_try_at = one.next_try_at and r.message_id = one.message_id
      where r.message_open and (r.lease_until is null or r.lease_until < now())
      order by r.tenant_id, r.device_id for update of r skip locked
    )
    update reports r set lease_until = now() + ${leaseMs} * interval '1 millisecond', lease_owner = ${owner}
    from others where r.tenant_id = others.tenant_id and r.device_id = others.device_id
    returning ${columns(sql)}`;
  return [...claimed, ...others];
}

/** Rows are locked in the order of their keys, and one that another writer has is left to the next turn. */
const renewReports = (sql: Sql, held: readonly Held<DueReport>[]) => sql`
  with held as materialized (
    select r.tenant_id, r.device_id from reports r
    join unnest(${held.map(({ row }) => row.tenantId)}::uuid[], ${held.map(({ row }) => row.deviceId)}::uuid[],
                ${held.map(({ owner }) => owner)}::uuid[]) as mine(tenant_id, device_id, owner)
      on r.tenant_id = mine.tenant_id and r.device_id = mine.device_id and r.lease_owner = mine.owner
    order by r.tenant_id, r.device_id for update of r skip locked
  )
  update reports r set lease_until = now() + ${leaseMs} * interval '1 millisecond'
  from held where r.tenant_id = held.tenant_id and r.device_id = held.device_id`;

interface Key {
  readonly tenantId: string;
  readonly deviceId: string;
}

const byKey = (a: Key, b: Key): number =>
  a.tenantId < b.tenantId || (a.tenantId === b.tenantId && a.deviceId < b.deviceId) ? -1 : 1;

const sent = ({ deviceId, instanceId, tenantId }: DueReport, messageId: string): TenantTimelineEvent => ({
  tenantId,
  deviceId,
  instanceId,
  stage: 'sent',
  messageId,
});

interface StoredPart {
  readonly owner: string;
  readonly messageId: string;
  readonly at: Date;
  readonly part: NewMessage['parts'][number];
}

/** The devices that are in each message. */
async function storeMessages(
  { sql, timeline }: ReportStoreOptions,
  messages: readonly { readonly owner: string; readonly message: NewMessage }[],
): Promise<ReadonlySet<string>[]> {
  const parts: StoredPart[] = messages.flatMap(({ message: { at, messageId, parts }, owner }) =>
    parts.map((part) => ({ owner, messageId, at, part })),
  );
  parts.sort((a, b) => byKey(a.part.row, b.part.row));
  const rows = await sql<{ messageId: string; deviceId: string }[]>`
    with part as (
      select * from unnest(
        ${parts.map(({ part }) => part.row.tenantId)}::uuid[], ${parts.map(({ part }) => part.row.deviceId)}::uuid[],
        ${parts.map(({ owner }) => owner)}::uuid[], ${parts.map(({ part }) => part.row.revision)}::int8[],
        ${parts.map(({ messageId }) => messageId)}::uuid[], ${parts.map(({ part }) => part.entities)}::text[],
        ${parts.map(({ at }) => at.toISOString())}::timestamptz[],
        ${parts.map(({ part }) => part.lastUpdateAt.toISOString())}::timestamptz[])
        as part(tenant_id, device_id, owner, revision, message_id, entities, message_at, last_update_at)
    ), held as materialized (
      select part.* from part join reports r on r.tenant_id = part.tenant_id and r.device_id = part.device_id
        and r.lease_owner = part.owner and r.revision = part.revision
      order by r.tenant_id, r.device_id for update of r
    ), sizes as (select message_id, count(*) as devices from held group by message_id)
    update reports r set message_id = held.message_id, sent_revision = held.revision, sent_content = held.entities,
      message_devices = sizes.devices, message_at = held.message_at, message_open = true,
      last_update_at = held.last_update_at, check_in_told_at = r.last_check_in_at, sent_at = now(), state = 'sent',
      reason = null, detail = null, updated_at = now(),
      -- Together from here on, so that they are found together again whatever happens to this process.
      next_try_at = case when sizes.devices > 1 then now() else r.next_try_at end
    from held join sizes on sizes.message_id = held.message_id
    where r.tenant_id = held.tenant_id and r.device_id = held.device_id
    returning r.message_id as "messageId", r.device_id as "deviceId"`;
  const devices = new Map(messages.map(({ message }) => [message.messageId, new Set<string>()]));
  for (const { deviceId, messageId } of rows) devices.get(messageId)?.add(deviceId);
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

/** Settles in one transaction; answers for each group the lanes and times in which its rows are due again. */
async function settleReports(
  { onDue, relaxed, sql: durable, timeline }: ReportStoreOptions,
  groups: readonly (readonly Settled[])[],
): Promise<undefined[]> {
  const sql = relaxed ?? durable;
  const all = groups.flat().sort((a, b) => byKey(a.row, b.row));
  const found = <T>(read: (settled: Settled) => T): T[] => all.map(read);
  const rows = await sql<
    { tenantId: string; deviceId: string; background: boolean; dueInMs: number | null }[]
  >`
    with found as (
      select * from unnest(
        ${found(({ row }) => row.tenantId)}::uuid[], ${found(({ row }) => row.deviceId)}::uuid[],
        ${found(({ owner }) => owner)}::uuid[], ${found(({ found, row }) => found.revision ?? row.revision)}::int8[],
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
        as found(tenant_id, device_id, owner, revision, state, reason, detail, wait_seconds, attempts,
          confirmed_revision, accepted_at, completed_at, verified_at, verification, message_open, alone)
    ), held as materialized (
      select found.*, r.revision = found.revision as newest from found
      join reports r on r.tenant_id = found.tenant_id and r.device_id = found.device_id and r.lease_owner = found.owner
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
      attempts = case when held.newest then held.attempts else r.attempts end,
      due_since = case when held.newest and held.state = 'completed' then null else r.due_since end,
      failed_at = case when not held.newest then r.failed_at when held.state = 'failed' then now()
                       when held.state is null then r.failed_at end,
      -- An open message waits for its back-off also where a newer state waits behind it.
      next_try_at = case when held.newest or coalesce(held.message_open, r.message_open)
                         then now() + held.wait_seconds * interval '1 second' else now() end
    from held where r.tenant_id = held.tenant_id and r.device_id = held.device_id
    returning r.tenant_id as "tenantId", r.device_id as "deviceId", r.background,
      (greatest(0, extract(epoch from r.next_try_at - now())) * 1000)::float8 as "dueInMs"`;
  const kept = new Set(rows.map(({ deviceId, tenantId }) => `${tenantId}/${deviceId}`));
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
    if (dueInMs !== null) onDue({ lane: { tenantId, background }, dueInMs });
  }
  return nothings(groups);
}

export interface ReportStoreOptions {
  readonly sql: Sql;
  /**
   * A client whose commits need not be durable, for leases and findings; `sql` unless given. A finding that is lost with
   * the database's machine is found again: an open message is sent again with its id, a status asked again. What has
   * to be there before a message leaves is written through `sql`, and takes all before it along.
   */
  readonly relaxed?: Sql;
  readonly timeline: TimelineWriter;
  /** Told of every row that is due again later, so that nobody has to look for it. */
  readonly onDue: (lane: DueLane) => void;
}

/** Rows of one statement, and statements of a kind at the same time: beyond that PostgreSQL gains nothing. */
const rowsPerWrite = 256;
const writesAtOnce = 2;

export function createReportStore(options: ReportStoreOptions): ReportStore {
  const { relaxed = options.sql, sql, timeline } = options;
  const store = createGroupCommit({
    flush: (messages: readonly { readonly owner: string; readonly message: NewMessage }[]) =>
      storeMessages(options, messages),
    maxItems: rowsPerWrite,
    flushes: writesAtOnce,
    weight: ({ message }) => message.parts.length,
  });
  const settle = createGroupCommit({
    flush: (groups: readonly (readonly Settled[])[]) => settleReports(options, groups),
    maxItems: rowsPerWrite,
    flushes: writesAtOnce,
    weight: (group) => group.length,
  });
  return {
    survey: () => surveyReports(relaxed),
    claim: (owner, shares) =>
      claimReports(
        relaxed,
        owner,
        shares.map(({ lane, limit }) => ({ ...lane, limit })),
      ),
    renew: (held) => renewReports(relaxed, held),
    storeMessage: (owner, message) => store({ owner, message }),
    stillHeld: async (owner, rows) => {
      const held = await sql`
        update reports r set sent_at = now(), updated_at = now()
        from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.deviceId)}::uuid[])
          as mine(tenant_id, device_id)
        where r.tenant_id = mine.tenant_id and r.device_id = mine.device_id and r.lease_owner = ${owner}
        returning 1`;
      if (held.length < rows.length) return false;
      const again = rows.map((row) => ({
        ...sent(row, row.messageId ?? ''),
        detail: 'again, the same message',
      }));
      timeline.add(again);
      return true;
    },
    settle: (settled) => settle(settled),
    release: async (rows, owner) => {
      await sql`
        update reports r set lease_until = null, lease_owner = null
        from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.deviceId)}::uuid[])
          as mine(tenant_id, device_id)
        where r.tenant_id = mine.tenant_id and r.device_id = mine.device_id and r.lease_owner = ${owner}`;
    },
  };
}
