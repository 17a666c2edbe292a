import { columns, omit, type Row } from './columns.ts';
import type { Queries, Sql } from './database.ts';
import type { SubscribedResource, SubscriptionState } from './row-types.ts';
import { subscriptions } from './schema.ts';
import { inScope, type TenantScope } from './tenant-scope.ts';
import { type Tenant, tenantColumns } from './tenants/tenant.ts';

/** Graph's subscriptions of a tenant: one row for each resource that is wanted or was. */

const shape = omit(subscriptions, 'nextTryAt', 'updatedAt');
export type Subscription = Row<typeof shape>;

export const readSubscriptions = (sql: Queries, tenantId: string): Promise<Subscription[]> => sql<
  Subscription[]
>`
  select ${columns(sql, shape)} from subscriptions where tenant_id = ${tenantId} order by resource`;

/** Connected tenants of these clouds get the rows that they lack, with which their subscriptions are due. */
export async function addMissingSubscriptions(
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

/** Takes rows whose time has come, for this process alone until the lease ends. */
export async function leaseSubscriptions(
  sql: Sql,
  limit: number,
  leaseSeconds: number,
  { scope, tenantId }: { readonly scope?: TenantScope | undefined; readonly tenantId?: string | undefined },
): Promise<{ row: Subscription; tenant: Tenant }[]> {
  const rows = await sql<Subscription[]>`
    update subscriptions s set next_try_at = now() + ${leaseSeconds} * interval '1 second'
    where (tenant_id, resource) in (
      select tenant_id, resource from subscriptions
      where next_try_at <= now() and ${tenantId === undefined ? inScope(sql, scope, sql`tenant_id`) : sql`tenant_id = ${tenantId}`}
      order by next_try_at limit ${limit} for update skip locked)
    returning ${columns(sql, shape, 's')}`;
  if (rows.length === 0) return [];
  const ids = [...new Set(rows.map((row) => row.tenantId))];
  const tenants = await sql<Tenant[]>`
    select ${tenantColumns(sql)} from tenants where tenant_id = any(${ids}::uuid[])`;
  const byId = new Map(tenants.map((tenant) => [tenant.tenantId, tenant]));
  return rows.flatMap((row) => {
    const tenant = byId.get(row.tenantId);
    return tenant ? [{ row, tenant }] : [];
  });
}

/** Present state of a subscription, and the time of its next check. */
export interface SubscriptionOutcome {
  readonly state: SubscriptionState;
  readonly objectId?: string | null;
  readonly subscriptionId?: string | null;
  readonly clientStateHash?: string | null;
  readonly expiresAt?: Date | null;
  readonly lastError: string | null;
  readonly againInSeconds: number;
}

/** Members that are not given stay as they are. Says whether the row is still that of `row`. */
export async function settleSubscription(
  sql: Queries,
  row: Subscription,
  outcome: SubscriptionOutcome,
): Promise<boolean> {
  const { objectId, subscriptionId, clientStateHash, expiresAt } = { ...row, ...outcome };
  const { count } = await sql`
    update subscriptions set state = ${outcome.state}, object_id = ${objectId}, subscription_id = ${subscriptionId},
      client_state_hash = ${clientStateHash}, expires_at = ${expiresAt}, last_error = ${outcome.lastError},
      next_try_at = now() + ${outcome.againInSeconds} * interval '1 second', updated_at = now()
    where tenant_id = ${row.tenantId} and resource = ${row.resource}
      and client_state_hash is not distinct from ${row.clientStateHash}`;
  return count > 0;
}

/** Before Graph is asked: a notification may come before its answer does. */
export async function prepareSubscription(
  sql: Queries,
  row: Subscription,
  change: { readonly objectId: string | null; readonly clientStateHash: string },
): Promise<Subscription> {
  await sql`
    update subscriptions set object_id = ${change.objectId}, client_state_hash = ${change.clientStateHash},
      subscription_id = null, expires_at = null, updated_at = now()
    where tenant_id = ${row.tenantId} and resource = ${row.resource}`;
  return { ...row, ...change, subscriptionId: null, expiresAt: null };
}

export const removeSubscription = (sql: Queries, { resource, tenantId }: Subscription) => sql`
  delete from subscriptions where tenant_id = ${tenantId} and resource = ${resource}`;

/** Something that decides about the tenant's subscriptions has changed. */
export const makeSubscriptionsDue = (sql: Queries, tenantId: string) => sql`
  update subscriptions set next_try_at = now() where tenant_id = ${tenantId}`;

/** Remembers that Graph has told of something; `renew` makes the row due. Nothing happens to one that was made anew. */
export async function markNotified(
  tx: Queries,
  { clientStateHash, resource, tenantId }: Subscription,
  renew: boolean,
): Promise<void> {
  await tx`
    update subscriptions set last_notification_at = now(),
      next_try_at = case when ${renew} then now() else next_try_at end
    where tenant_id = ${tenantId} and resource = ${resource} and client_state_hash = ${clientStateHash}`;
}

/** Graph has ended the subscription, so that the next one is due. */
export async function markRemoved(
  tx: Queries,
  { clientStateHash, resource, tenantId }: Subscription,
): Promise<void> {
  await tx`
    update subscriptions set state = 'removed', subscription_id = null, client_state_hash = null, expires_at = null,
      next_try_at = now(), last_notification_at = now(), last_error = 'Graph has removed the subscription.',
      updated_at = now()
    where tenant_id = ${tenantId} and resource = ${resource} and client_state_hash = ${clientStateHash}`;
}
