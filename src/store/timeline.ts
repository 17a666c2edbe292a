import { ChurningSet } from '../churn.ts';
import { timelineEventsPerDevice } from '../limits.ts';
import type { Log } from '../telemetry/log.ts';
import type { Queries, Transaction } from './database.ts';
import { createGroupCommit, nothings } from './group-commit.ts';
import { withLockTimeout } from './locked-tenants.ts';

/** The way of a device's state, as the operator follows it (contract section 8). */
export type TimelineStage =
  | 'received'
  | 'fetched'
  | 'routed'
  | 'held'
  | 'sent'
  | 'accepted'
  | 'refused'
  | 'completed'
  | 'verified'
  | 'failed';

export interface TimelineEvent {
  readonly deviceId: string;
  readonly stage: TimelineStage;
  readonly instanceId?: string | null;
  readonly messageId?: string | null;
  readonly detail?: string | null;
  /** Now, unless it happened before. */
  readonly at?: Date;
}

export interface TenantTimelineEvent extends TimelineEvent {
  readonly tenantId: string;
}

/**
 * Events of any tenants in one statement, in their order. A tenant that was deleted meanwhile has no timeline any more:
 * its events are left out, or they would take the others' with them.
 */
export async function addTimelines(
  sql: Queries,
  events: readonly TenantTimelineEvent[],
  lockWaitMs?: number,
): Promise<void> {
  if (events.length === 0) return;
  const now = new Date();
  const column = <Value>(of: (event: TenantTimelineEvent) => Value): Value[] => events.map(of);
  await sql`
    select espalier_add_timeline(now(), array_agg(tenant_id order by position), array_agg(device_id order by position),
      array_agg(stage order by position), array_agg(at order by position), array_agg(instance_id order by position),
      array_agg(message_id order by position), array_agg(detail order by position))
    from unnest(${column((event) => event.tenantId)}::uuid[], ${column((event) => event.deviceId)}::uuid[],
                ${column((event) => event.stage)}::text[],
                ${column((event) => (event.at ?? now).toISOString())}::timestamptz[],
                ${column((event) => event.instanceId ?? null)}::uuid[],
                ${column((event) => event.messageId ?? null)}::uuid[],
                ${column((event) => event.detail?.slice(0, 2_000) ?? null)}::text[])
      with ordinality as events(tenant_id, device_id, stage, at, instance_id, message_id, detail, position)
      ${withLockTimeout(sql, lockWaitMs)}
    where exists (select 1 from tenants where tenants.tenant_id = events.tenant_id)`;
}

/** Keeps the newest events of each device; the rest is history that nobody asks for. */
export async function trimTimelines(
  sql: Queries,
  devices: readonly { readonly tenantId: string; readonly deviceId: string }[],
  lockWaitMs?: number,
): Promise<void> {
  if (devices.length === 0) return;
  await sql`
    delete from timeline t using (
      select tenant_id, device_id, (
        select sequence from timeline
        where tenant_id = asked.tenant_id and device_id = asked.device_id
        order by sequence desc offset ${timelineEventsPerDevice} limit 1) as dropped
      from unnest(${devices.map(({ tenantId }) => tenantId)}::uuid[], ${devices.map(({ deviceId }) => deviceId)}::uuid[])
        as asked(tenant_id, device_id)
      ${withLockTimeout(sql, lockWaitMs)}
    ) as trimmed
    where t.tenant_id = trimmed.tenant_id and t.device_id = trimmed.device_id and t.sequence <= trimmed.dropped`;
}

/** A timeline has no foreign key: checking one for each of a report's many events would cost more than writing them. */
export const deleteTimelines = (tx: Transaction, tenantId: string) =>
  tx`delete from timeline where tenant_id = ${tenantId}`;

/** Forgets what happened to these devices, when a person's data is erased. */
export async function eraseTimelines(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<number> {
  const { count } = await tx`
    delete from timeline where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[])`;
  return count;
}

/** Writes timelines beside the work that they tell of: nothing waits for them, and they keep their order. */
export interface TimelineWriter {
  add(events: readonly TenantTimelineEvent[]): void;
  /** Has these devices' timelines cut. */
  trim(devices: readonly { readonly tenantId: string; readonly deviceId: string }[]): void;
  /** Resolves when what was added is written. */
  idle(): Promise<void>;
}

type Entry =
  | { readonly events: readonly TenantTimelineEvent[] }
  | { readonly devices: readonly { readonly tenantId: string; readonly deviceId: string }[] };

const eventsTogether = 1_000;

/** A process or a database that dies takes the last lines of a history with it, never a state. */
export function createTimelineWriter(sql: Queries, log: Log): TimelineWriter {
  const write = createGroupCommit({
    flush: async (entries: readonly Entry[], lockWaitMs) => {
      await addTimelines(
        sql,
        entries.flatMap((entry) => ('events' in entry ? entry.events : [])),
        lockWaitMs,
      );
      await trimTimelines(
        sql,
        entries.flatMap((entry) => ('devices' in entry ? entry.devices : [])),
        lockWaitMs,
      );
      return nothings(entries);
    },
    maxItems: eventsTogether,
    flushes: 1,
    gatherMs: 100,
    weight: (entry) => ('events' in entry ? entry.events.length : entry.devices.length),
    tenantOf: (entry) => ('events' in entry ? entry.events : entry.devices)[0]?.tenantId ?? '',
  });
  const pending = new ChurningSet<Promise<unknown>>();
  const put = (entry: Entry): void => {
    const written = write(entry)
      .catch((error: unknown) => log.warn('timeline.not-written', { error }))
      .finally(() => pending.delete(written));
    pending.add(written);
  };
  return {
    add: (events) => {
      // Now is when it happened, not when it is written.
      const at = new Date();
      for (const some of Map.groupBy(events, ({ tenantId }) => tenantId).values()) {
        put({ events: some.map((event) => ({ at, ...event })) });
      }
    },
    trim: (devices) => {
      for (const some of Map.groupBy(devices, ({ tenantId }) => tenantId).values()) put({ devices: some });
    },
    idle: async () => {
      await Promise.all(pending);
    },
  };
}
