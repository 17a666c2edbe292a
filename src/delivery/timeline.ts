import { timelineEventsPerDevice } from '../limits.ts';
import type { Queries, Sql } from '../store/database.ts';

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

export async function addTimeline(
  sql: Queries,
  tenantId: string,
  events: readonly TimelineEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map(({ at, deviceId, stage, instanceId, messageId, detail }) => ({
    at: at ?? new Date(),
    tenant_id: tenantId,
    device_id: deviceId,
    stage,
    instance_id: instanceId ?? null,
    message_id: messageId ?? null,
    detail: detail?.slice(0, 2_000) ?? null,
  }));
  await (sql as Sql)`insert into timeline ${(sql as Sql)(rows)}`;
}

/** Keeps the newest events of a device; the rest is history that nobody asks for. */
export async function trimTimeline(sql: Queries, tenantId: string, deviceId: string): Promise<void> {
  await sql`
    delete from timeline where tenant_id = ${tenantId} and device_id = ${deviceId} and sequence <= (
      select sequence from timeline where tenant_id = ${tenantId} and device_id = ${deviceId}
      order by sequence desc offset ${timelineEventsPerDevice} limit 1)`;
}
