import type { Fragment, Queries, Sql } from '../../store/database.ts';
import { type Tenant, tenantColumns } from '../../store/tenants/tenant.ts';
import type { SubscribedResource } from './subscribable.ts';

/** A tenant's subscriptions in the database: one row for each resource that is wanted or was. */

/** `none`: not made yet, or not wanted. `refused`: Graph or Entra will not; `lastError` says why. */
export type SubscriptionState = 'none' | 'active' | 'refused' | 'removed';

export interface SubscriptionRow {
  readonly tenantId: string;
  readonly resource: SubscribedResource;
  readonly objectId: string | null;
  readonly subscriptionId: string | null;
  readonly clientStateHash: string | null;
  readonly expiresAt: Date | null;
  readonly state: SubscriptionState;
  readonly lastNotificationAt: Date | null;
  readonly lastError: string | null;
}

const columns = (sql: Queries): Fragment => sql`
  s.tenant_id as "tenantId", s.resource, s.object_id as "objectId", s.subscription_id as "subscriptionId",
  s.client_state_hash as "clientStateHash", s.expires_at as "expiresAt", s.state,
  s.last_notification_at as "lastNotificationAt", s.last_error as "lastError"`;

export const readSubscriptions = (sql: Queries, tenantId: string): Promise<SubscriptionRow[]> => sql<
  SubscriptionRow[]
>`
  select ${columns(sql)} from subscriptions s where s.tenant_id = ${tenantId} order by s.resource`;

/** Connected tenants of these clouds get the rows that they lack, with which their subscriptions are due. */
export async function addMissingRows(
  sql: Sql,
  clouds: readonly string[],
  resources: readonly SubscribedResource[],
): Promise<void> {
  await sql`
    insert into subscriptions (tenant_id, resource)
    select t.tenant_id, wanted.resource from tenants t cross join unnest(${resources as string[]}::text[]) as wanted(resource)
    where t.connection_state = 'connected' and t.cloud = any(${clouds as string[]}::text[])
      and not exists (select 1 from subscriptions s where s.tenant_id = t.tenant_id and s.resource = wanted.resource)
    on conflict do nothing`;
}

/** Takes rows whose time has come, for this process alone until the calls are over. */
export async function claimRows(
  sql: Sql,
  limit: number,
  leaseSeconds: number,
  tenantId?: string,
): Promise<{ row: SubscriptionRow; tenant: Tenant }[]> {
  const rows = await sql<SubscriptionRow[]>`
    update subscriptions s set next_try_at = now() + ${leaseSeconds} * interval '1 second'
    where (tenant_id, resource) in (
      select tenant_id, resource from subscriptions
      where next_try_at <= now() and ${tenantId === undefined ? sql`true` : sql`tenant_id = ${tenantId}`}
      order by next_try_at limit ${limit} for update skip locked)
    returning ${columns(sql)}`;
  if (rows.length === 0) return [];
  const ids = [...new Set(rows.map(({ tenantId }) => tenantId))];
  const tenants = await sql<Tenant[]>`
    select ${tenantColumns(sql)} from tenants where tenant_id = any(${ids}::uuid[])`;
  const byId = new Map(tenants.map((tenant) => [tenant.tenantId, tenant]));
  return rows.flatMap((row) => {
    const tenant = byId.get(row.tenantId);
    return tenant ? [{ row, tenant }] : [];
  });
}

/** What is known of a subscription now, and when it is looked at again. */
export interface Outcome {
  readonly state: SubscriptionState;
  readonly objectId?: string | null;
  readonly subscriptionId?: string | null;
  readonly clientStateHash?: string | null;
  readonly expiresAt?: Date | null;
  readonly lastError: string | null;
  readonly againInSeconds: number;
}

/** Members that are not given stay as they are. Says whether the row is still that of `row`. */
export async function settleRow(sql: Queries, row: SubscriptionRow, outcome: Outcome): Promise<boolean> {
  const { objectId, subscriptionId, clientStateHash, expiresAt } = { ...row, ...outcome };
  const rows = await sql`
    update subscriptions set state = ${outcome.state}, object_id = ${objectId}, subscription_id = ${subscriptionId},
      client_state_hash = ${clientStateHash}, expires_at = ${expiresAt}, last_error = ${outcome.lastError},
      next_try_at = now() + ${outcome.againInSeconds} * interval '1 second', updated_at = now()
    where tenant_id = ${row.tenantId} and resource = ${row.resource}
      and client_state_hash is not distinct from ${row.clientStateHash}
    returning 1`;
  return rows.length > 0;
}

/** Before Graph is asked: a notification may come before its answer does. */
export async function prepareRow(
  sql: Queries,
  row: SubscriptionRow,
  change: { readonly objectId: string | null; readonly clientStateHash: string },
): Promise<SubscriptionRow> {
  await sql`
    update subscriptions set object_id = ${change.objectId}, client_state_hash = ${change.clientStateHash},
      subscription_id = null, expires_at = null, updated_at = now()
    where tenant_id = ${row.tenantId} and resource = ${row.resource}`;
  return { ...row, ...change, subscriptionId: null, expiresAt: null };
}

export const dropRow = (sql: Queries, { resource, tenantId }: SubscriptionRow) => sql`
  delete from subscriptions where tenant_id = ${tenantId} and resource = ${resource}`;

/** Something that decides about the tenant's subscriptions has changed. */
export const subscriptionsDue = (sql: Queries, tenantId: string) => sql`
  update subscriptions set next_try_at = now() where tenant_id = ${tenantId}`;
