/**
 * What each target was told of the alerts. What is to be told follows from the difference: an open alert that it was not told
 * of, a resolved one of which it knows only the beginning. What began and ended while it did not answer is not told.
 */

import { columns, pick, type Row } from '../columns.ts';
import type { Fragment, Queries, Sql } from '../database.ts';
import { alerts, alertTellings } from '../operator-schema.ts';
import type { AlertTarget } from './targets.ts';

type Hearing = Pick<AlertTarget, 'kinds' | 'targetId' | 'tenantIds'>;

/** The alerts that the target hears of; that it fails itself is told to others. */
const heardBy = (sql: Queries, { kinds, targetId, tenantIds }: Hearing): Fragment => sql`
  a.subject <> ${targetId}
    and ${tenantIds === null ? sql`true` : sql`a.tenant_id = any(${[...tenantIds]}::uuid[])`}
    and ${kinds === null ? sql`true` : sql`a.kind = any(${[...kinds]}::text[])`}`;

/**
 * Puts what is to be told into the message with this id, the oldest first; how much that is. The same again, while the message
 * was not taken, finds nothing new of these alerts.
 */
export async function assignMessage(
  sql: Sql,
  target: Hearing,
  messageId: string,
  limit: number,
): Promise<number> {
  const { targetId } = target;
  const { count } = await sql`
    insert into alert_tellings (tenant_id, target_id, alert_id, event, message_id)
    select a.tenant_id, ${targetId}, a.alert_id, case when a.resolved_at is null then 'opened' else 'resolved' end, ${messageId}
    from alerts a
    left join alert_tellings opened on opened.tenant_id = a.tenant_id and opened.target_id = ${targetId}
      and opened.alert_id = a.alert_id and opened.event = 'opened'
    left join alert_tellings resolved on resolved.tenant_id = a.tenant_id and resolved.target_id = ${targetId}
      and resolved.alert_id = a.alert_id and resolved.event = 'resolved'
    where ${heardBy(sql, target)}
      and case when a.resolved_at is null then opened.alert_id is null and a.missed = 0
            else opened.told_at is not null and resolved.alert_id is null end
    order by coalesce(a.resolved_at, a.opened_at), a.alert_id limit ${limit}
    on conflict do nothing`;
  return count;
}

const alertShape = pick(
  alerts,
  'tenantId',
  'alertId',
  'kind',
  'cause',
  'subject',
  'facts',
  'openedAt',
  'resolvedAt',
);
const tellingShape = pick(alertTellings, 'event', 'messageId');

/** One alert of a message. */
export type ToldAlert = Row<typeof alertShape> & Row<typeof tellingShape>;

/** A message that was begun and that the target has not taken; the same alerts in the same order each time. */
export const readUnfinished = (sql: Sql, targetId: string) => sql<ToldAlert[]>`
  select ${columns(sql, alertShape, 'a')}, ${columns(sql, tellingShape, 't')}
  from alert_tellings t join alerts a on a.tenant_id = t.tenant_id and a.alert_id = t.alert_id
  where t.target_id = ${targetId} and t.told_at is null and t.message_id = (
    select message_id from alert_tellings where target_id = ${targetId} and told_at is null order by message_id limit 1)
  order by case t.event when 'opened' then a.opened_at else a.resolved_at end, a.alert_id`;

export const noteTold = (sql: Queries, targetId: string, messageId: string) => sql`
  update alert_tellings set told_at = now()
  where target_id = ${targetId} and told_at is null and message_id = ${messageId}`;
