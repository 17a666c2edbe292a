import { timelineEventsPerDevice } from '../limits.ts';
import type { Queries } from '../store/database.ts';

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
export async function addTimelines(sql: Queries, events: readonly TenantTimelineEvent[]): Promise<void> {
  if (events.length === 0) return;
  const now = new Date();
  const column = <Value>(of: (event: TenantTimelineEvent) => Value): Value[] => events.map(of);
  await sql`
    insert into timeline (tenant_id, device_id, stage, at, instance_id, message_id, detail)
    select tenant_id, device_id, stage, at, instance_id, message_id, detail
    from unnest(${column((event) => event.tenantId)}::uuid[], ${column((event) => event.deviceId)}::uuid[],
                ${column((event) => event.stage)}::text[],
                ${column((event) => (event.at ?? now).toISOString())}::timestamptz[],
                ${column((event) => event.instanceId ?? null)}::uuid[],
                ${column((event) => event.messageId ?? null)}::uuid[],
                ${column((event) => event.detail?.slice(0, 2_000) ?? null)}::text[])
      with ordinality as events(tenant_id, device_id, stage, at, instance_id, message_id, detail, position)
    where exists (select 1 from tenants where tenants.tenant_id = events.tenant_id)
    order by position`;
}

export const addTimeline = (
  sql: Queries,
  tenantId: string,
  events: readonly TimelineEvent[],
): Promise<void> =>
  addTimelines(
    sql,
    events.map((event) => ({ ...event, tenantId })),
  );

/** Keeps the newest events of each device; the rest is history that nobody asks for. */
export async function trimTimelines(
  sql: Queries,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<void> {
  if (deviceIds.length === 0) return;
  const ordered = [...new Set(deviceIds)].sort();
  await sql`
    delete from timeline t using (
      select device_id, (
        select sequence from timeline where tenant_id = ${tenantId} and device_id = asked.device_id
        order by sequence desc offset ${timelineEventsPerDevice} limit 1) as dropped
      from unnest(${ordered}::uuid[]) as asked(device_id)
    ) as trimmed
    where t.tenant_id = ${tenantId} and t.device_id = trimmed.device_id and t.sequence <= trimmed.dropped`;
}

export const trimTimeline = (sql: Queries, tenantId: string, deviceId: string): Promise<void> =>
  trimTimelines(sql, tenantId, [deviceId]);
