import { base64url } from 'jose';
import type { Cloud } from '../../entra/clouds.ts';
import type { GraphCall, GraphFailure } from '../../graph/call.ts';
import { findGroup } from '../../graph/groups.ts';
import {
  createSubscription,
  deleteSubscription,
  type Subscription as GraphSubscription,
  listSubscriptions,
  renewSubscription,
  type SubscriptionResult,
} from '../../graph/subscriptions.ts';
import { newId } from '../../ids.ts';
import { type Send, sendFor } from '../../outbound/port.ts';
import { webSha256 } from '../../secrets/sha256.ts';
import type { Sql } from '../../store/database.ts';
import { anything, recordDirectoryChanges } from '../../store/directory.ts';
import { type SubscribedResource, subscribable } from '../../store/row-types.ts';
import {
  addMissingSubscriptions,
  leaseSubscriptions,
  prepareSubscription,
  removeSubscription,
  type Subscription,
  type SubscriptionOutcome,
  settleSubscription,
} from '../../store/subscriptions.ts';
import type { TenantScope } from '../../store/tenant-scope.ts';
import type { AccessFailure, Tenant } from '../../store/tenants/tenant.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ConnectionAccess } from '../access.ts';
import type { NotificationSettings } from './notification-settings.ts';

/**
 * Graph's change notifications of connected tenants, where the diagnostic application is configured and may: made,
 * renewed before they end, and removed when a tenant leaves, by whichever process takes the row. Nothing else depends
 * on them: without them the same is learnt later.
 */
export interface SubscriptionOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  readonly send: Send;
  readonly log: Log;
  readonly access: ConnectionAccess;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly hasDiagnostic: (cloud: string) => boolean;
  readonly publicUrl: string;
  readonly timeoutMs: number;
  readonly notifications: NotificationSettings;
}

const batch = 20;
/** A handshake answers within 10 s, two of them and a few calls more. */
const leaseSeconds = 180;
const refusedSeconds = 86_400;
const failedSeconds = 300;
const withoutGroupSeconds = 3_600;
/** Graph makes any shorter lifetime 45 minutes ("subscription resource type"). */
const soonestSeconds = 60;

/** Asked for again when two thirds of the time are over, a tenth earlier or later, so that tenants drift apart. */
function renewInSeconds({ expiresAt }: GraphSubscription): number {
  const left = Math.max(0, (expiresAt.getTime() - Date.now()) / 1_000);
  const wanted = left * (0.6 + 0.1 * Math.random());
  return left > soonestSeconds * 3 ? Math.max(soonestSeconds, wanted) : wanted;
}

export const notificationUrl = (publicUrl: string, tenantId: string): string =>
  `${publicUrl}/t/${tenantId}/notifications`;

/** Changes of users and groups come as `updated`, their soft deletion too ("subscription resource type"). */
const changeTypes = ['updated', 'deleted'] as const;

const permissions: Readonly<Record<SubscribedResource, string>> = {
  groups: 'Group.Read.All',
  users: 'User.Read.All',
  devices: 'Device.Read.All',
};

interface Turn {
  readonly row: Subscription;
  readonly tenant: Tenant;
  readonly call: GraphCall;
  readonly options: SubscriptionOptions;
}

const refused = (lastError: string): SubscriptionOutcome => ({
  state: 'refused',
  lastError,
  againInSeconds: refusedSeconds,
});

const passing = (
  { row }: Pick<Turn, 'row'>,
  lastError: string,
  seconds = failedSeconds,
): SubscriptionOutcome => ({
  state: row.subscriptionId === null ? 'none' : row.state,
  lastError,
  againInSeconds: seconds,
});

/** Translates Graph's refusal into the words that the status shows. */
function failed(turn: Turn, failure: GraphFailure & { readonly refusal?: string }): SubscriptionOutcome {
  const { resource } = turn.row;
  const { detail, retryAfterSeconds } = failure;
  if (failure.failure === 'forbidden') {
    return refused(
      `Graph refuses ${resource}: give the diagnostic application ${permissions[resource]} and consent again. ${detail}`,
    );
  }
  if (failure.failure === 'unauthenticated') turn.options.access.invalidate(turn.tenant, 'token');
  if (failure.refusal === 'unsupported')
    return refused(`Graph does not take a subscription to ${resource}: ${detail}`);
  return passing(turn, `${failure.failure}: ${detail}`, retryAfterSeconds ?? failedSeconds);
}

function withoutToken(row: Subscription, failure: AccessFailure): SubscriptionOutcome {
  const text = `${failure.cause}: ${failure.detail} ${failure.remedy}`;
  return failure.kind === 'hold'
    ? refused(text)
    : passing({ row }, text, failure.retryAfterSeconds ?? failedSeconds);
}

const active = (subscription: GraphSubscription): SubscriptionOutcome => ({
  state: 'active',
  subscriptionId: subscription.id,
  expiresAt: subscription.expiresAt,
  lastError: null,
  againInSeconds: renewInSeconds(subscription),
});

const wantedUntil = ({ options }: Turn): Date =>
  new Date(Date.now() + options.notifications.lifetimeMinutes * 60_000);

type Wanted =
  | { readonly ok: true; readonly path: string; readonly objectId: string | null }
  | { readonly ok: false; readonly outcome: SubscriptionOutcome };

/** The path to subscribe to; for groups that of the one group whose members are in scope, never of all. */
async function wantedPath(turn: Turn): Promise<Wanted> {
  const { call, options, row, tenant } = turn;
  if (row.resource !== 'groups') return { ok: true, path: row.resource, objectId: null };
  const path = (id: string): Wanted => ({
    ok: true,
    path: options.notifications.groupPath.replace('{id}', id),
    objectId: id,
  });
  const { displayName = '', id } = tenant.partnerGroup ?? {};
  if (id !== undefined) return path(id.toLowerCase());
  const found = await findGroup({ ...call, clientRequestId: newId(), group: { displayName } });
  if (!found.ok) {
    const outcome = found.failure === 'refused-host' ? passing(turn, found.detail) : failed(turn, found);
    return { ok: false, outcome };
  }
  if (found.outcome === 'found') return path(found.id.toLowerCase());
  const fault = found.outcome === 'ambiguous' ? 'is there more than once' : 'is not in the tenant';
  return {
    ok: false,
    outcome: refused(`The group ${displayName} ${fault}: set partnerGroup to a group's id.`),
  };
}

/**
 * Removes every earlier subscription of this application to our address: left by a crash between Graph's answer and our
 * record of it, or older.
 */
async function clearOld(turn: Turn, path: string): Promise<void> {
  const { call, options, tenant } = turn;
  const listed = await listSubscriptions({ ...call, clientRequestId: newId() });
  if (!listed.ok) return;
  const url = notificationUrl(options.publicUrl, tenant.tenantId);
  const bare = (text: string): string => text.replace(/^\//, '').toLowerCase();
  for (const one of listed.subscriptions) {
    if (one.notificationUrl !== url || bare(one.resource) !== bare(path)) continue;
    await deleteSubscription({ ...call, clientRequestId: newId(), id: one.id });
  }
}

async function create(turn: Turn, path: string, objectId: string | null): Promise<SubscriptionOutcome> {
  const { call, options, row, tenant } = turn;
  if (row.clientStateHash !== null) await clearOld(turn, path);
  let prepared = row;
  const attempt = async (): Promise<SubscriptionResult> => {
    const clientState = base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
    const clientStateHash = await webSha256(clientState);
    prepared = await prepareSubscription(options.sql, row, { objectId, clientStateHash });
    return createSubscription({
      ...call,
      clientRequestId: newId(),
      resource: path,
      changeTypes,
      notificationUrl: notificationUrl(options.publicUrl, tenant.tenantId),
      expiresAt: wantedUntil(turn),
      clientState,
    });
  };
  let made = await attempt();
  if (!made.ok && made.refusal === 'taken') {
    await clearOld(turn, path);
    made = await attempt();
  }
  const outcome = made.ok ? active(made.subscription) : failed(turn, made);
  const kept = await settleSubscription(options.sql, prepared, outcome);
  const { tenantId } = tenant;
  if (!made.ok) return outcome;
  if (!kept) {
    // The tenant left while Graph was asked: nobody would know of this one.
    await deleteSubscription({ ...call, clientRequestId: newId(), id: made.subscription.id });
    return outcome;
  }
  options.log.info('subscription.made', { tenantId, resource: path, expiresAt: made.subscription.expiresAt });
  // While there was none, anything may have changed; at the very first, everything is read anyway.
  if (row.subscriptionId !== null || row.state === 'removed' || row.lastNotificationAt !== null) {
    await recordDirectoryChanges(options.sql, tenantId, [anything(tenantId)]);
  }
  return outcome;
}

/** Renewed where it is there; made, or made anew, where it is not or is about another group. */
async function keep(turn: Turn): Promise<SubscriptionOutcome> {
  const { call, options, row } = turn;
  const wanted = await wantedPath(turn);
  if (!wanted.ok) {
    await settleSubscription(options.sql, row, wanted.outcome);
    return wanted.outcome;
  }
  const { objectId, path } = wanted;
  if (row.subscriptionId === null) return create(turn, path, objectId);
  if (row.objectId !== objectId) {
    await deleteSubscription({ ...call, clientRequestId: newId(), id: row.subscriptionId });
    return create(turn, path, objectId);
  }
  const renewed = await renewSubscription({
    ...call,
    clientRequestId: newId(),
    id: row.subscriptionId,
    expiresAt: wantedUntil(turn),
  });
  if (!renewed.ok && renewed.failure === 'missing') return create(turn, path, objectId);
  const outcome = renewed.ok ? active(renewed.subscription) : failed(turn, renewed);
  await settleSubscription(options.sql, row, outcome);
  return outcome;
}

/**
 * Removes a subscription that is not wanted any more, as a best effort: Graph ends the rest by itself, and their
 * notifications have no effect.
 */
async function remove(turn: Omit<Turn, 'call'> & { readonly call: GraphCall | undefined }): Promise<void> {
  const { call, options, row } = turn;
  if (row.subscriptionId !== null && call) {
    const deleted = await deleteSubscription({ ...call, id: row.subscriptionId });
    const { resource, tenantId } = row;
    options.log.info('subscription.removed', { tenantId, resource, ...deleted });
  }
}

async function take(row: Subscription, tenant: Tenant, options: SubscriptionOptions): Promise<void> {
  const { access, clouds, hasDiagnostic, log, notifications, send, sql, timeoutMs } = options;
  const cloud = clouds.get(tenant.cloud);
  const may = cloud !== undefined && hasDiagnostic(tenant.cloud);
  const granted = may ? await access.token(tenant, 'graph', { application: 'diagnostic' }) : undefined;
  const call: GraphCall | undefined =
    cloud && granted?.ok === true
      ? {
          send: sendFor(tenant.tenantId, send),
          cloud,
          accessToken: granted.accessToken,
          clientRequestId: newId(),
          timeoutMs,
        }
      : undefined;
  const listed = notifications.resources.includes(row.resource);
  if (!may || !listed || tenant.connectionState !== 'connected') {
    await remove({ row, tenant, call, options });
    await removeSubscription(sql, row);
    return;
  }
  if (granted?.ok === false) {
    await settleSubscription(sql, row, withoutToken(row, granted));
    return;
  }
  if (!call) return;
  if (row.resource === 'groups' && tenant.partnerGroup === null) {
    await remove({ row, tenant, call, options });
    await settleSubscription(sql, row, {
      state: 'none',
      ...{ objectId: null, subscriptionId: null, clientStateHash: null, expiresAt: null },
      lastError: "No group is named: set the tenant's partnerGroup.",
      againInSeconds: withoutGroupSeconds,
    });
    return;
  }
  const outcome = await keep({ row, tenant, call, options });
  if (outcome.lastError === null) return;
  const { resource, tenantId } = row;
  log.warn('subscription.failed', { tenantId, resource, state: outcome.state, detail: outcome.lastError });
}

/** Takes what is due, of one tenant or of all; the runtime calls it every few seconds. One row's failure does not keep the others. */
export async function keepSubscriptions(options: SubscriptionOptions, tenantId?: string): Promise<void> {
  const { clouds, hasDiagnostic, notifications, scope, sql } = options;
  const able = [...clouds.keys()].filter(hasDiagnostic);
  if (able.length > 0) {
    const resources = subscribable.filter((one) => notifications.resources.includes(one));
    await addMissingSubscriptions(sql, able, resources);
  }
  const due = await leaseSubscriptions(sql, batch, leaseSeconds, { tenantId, scope });
  const results = await Promise.allSettled(due.map(({ row, tenant }) => take(row, tenant, options)));
  const fault = results.find((result) => result.status === 'rejected');
  if (fault) throw fault.reason;
}
