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

export interface TimelineRow extends TimelineEvent {
  readonly tenantId: string;
}

/** Events of many devices in one statement. */
export async function addTimelines(sql: Queries, events: readonly TimelineRow[]): Promise<void> {
  if (events.length === 0) return;
  const now = new Date();
  await (sql as Sql)`
    insert into timeline (tenant_id, device_id, stage, at, instance_id, message_id, detail)
    select * from unnest(
      ${events.map((event) => event.tenantId)}::uuid[], ${events.map((event) => event.deviceId)}::uuid[],
      ${events.map((event) => event.stage)}::text[], ${events.map((event) => (event.at ?? now).toISOString())}::timestamptz[],
      ${events.map((event) => event.instanceId ?? null)}::uuid[], ${events.map((event) => event.messageId ?? null)}::uuid[],
      ${events.map((event) => event.detail?.slice(0, 2_000) ?? null)}::text[])`;
}

/** Keeps the newest events of these devices. */
export async function trimTimelines(
  sql: Queries,
  devices: readonly { readonly tenantId: string; readonly deviceId: string }[],
): Promise<void> {
  if (devices.length === 0) return;
  await (sql as Sql)`
    delete from timeline t
    using unnest(${devices.map((device) => device.tenantId)}::uuid[], ${devices.map((device) => device.deviceId)}::uuid[])
      as trimmed(tenant_id, device_id)
    cross join lateral (
      select sequence from timeline newest
      where newest.tenant_id = trimmed.tenant_id and newest.device_id = trimmed.device_id
      order by sequence desc offset ${timelineEventsPerDevice} limit 1) first_old
    where t.tenant_id = trimmed.tenant_id and t.device_id = trimmed.device_id and t.sequence <= first_old.sequence`;
}
