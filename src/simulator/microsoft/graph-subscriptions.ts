/** Graph's change notifications of one cloud: subscriptions, the handshake, notifications and their repetition. */

import { randomUUID } from 'node:crypto';
import type { DirectoryEvent } from '../directory.ts';
import type { AcceptedToken } from './bearer.ts';
import { type CloudContext, isRecord } from './context.ts';
import { type GraphAnswer, notFound } from './graph-answer.ts';
import { createNotificationClient, type Handshake } from './notification-delivery.ts';
import {
  badRequest,
  readExpiration,
  readSubscription,
  type WantedSubscription,
} from './subscription-request.ts';

export type LifecycleEvent = 'reauthorizationRequired' | 'subscriptionRemoved' | 'missed';

export interface GraphSubscription extends WantedSubscription {
  readonly id: string;
  readonly tenantId: string;
  readonly applicationId: string;
  expiresAt: number;
}

export interface GraphSubscriptions {
  create(token: AcceptedToken, body: unknown): Promise<GraphAnswer>;
  list(token: AcceptedToken): GraphAnswer;
  renew(token: AcceptedToken, id: string, body: unknown): GraphAnswer;
  remove(token: AcceptedToken, id: string): GraphAnswer;
  /** Those of a tenant that have not ended. */
  of(tenantId: string): readonly GraphSubscription[];
  /** Sends the event to the owners of the tenant's subscriptions to this set; `subscriptionRemoved` ends them first. */
  lifecycle(tenantId: string, set: string, event: LifecycleEvent): number;
  /** Notifications of the tenant that were delivered, that wait, and that were given up. */
  counts(tenantId: string): {
    readonly delivered: number;
    readonly waiting: number;
    readonly dropped: number;
  };
  close(): Promise<void>;
}

/** The least privileged permission of each, and the only one that is taken ("Create subscription"). */
export const subscriptionRole: Readonly<Record<WantedSubscription['set'], string>> = {
  users: 'User.Read.All',
  groups: 'Group.Read.All',
  devices: 'Device.Read.All',
};

const iso = (ms: number): string => new Date(ms).toISOString();

const entityOf = (one: GraphSubscription): Record<string, unknown> => ({
  id: one.id,
  resource: one.resource,
  applicationId: one.applicationId,
  changeType: one.changeTypes.join(','),
  // Graph keeps it to itself in every answer.
  clientState: null,
  notificationUrl: one.notificationUrl,
  lifecycleNotificationUrl: one.lifecycleNotificationUrl ?? null,
  expirationDateTime: iso(one.expiresAt),
  latestSupportedTlsVersion: 'v1_2',
  includeResourceData: null,
});

const typeNames = { users: 'User', groups: 'Group', devices: 'Device' } as const;

/** The form of a group's members is not documented but seen. */
function changeNotification(one: GraphSubscription, event: DirectoryEvent): Record<string, unknown> {
  const name = typeNames[event.set];
  const path = `${name}s/${event.objectId}`;
  const { added = [], removed = [] } = event.members ?? {};
  const members = [...added.map((id) => ({ id })), ...removed.map((id) => ({ id, '@removed': 'deleted' }))];
  return {
    changeType: event.change,
    clientState: one.clientState,
    resource: path,
    resourceData: {
      '@odata.type': `#Microsoft.Graph.${name}`,
      '@odata.id': path,
      id: event.objectId,
      organizationId: one.tenantId,
      sequenceNumber: Date.now() * 10_000,
      ...(members.length > 0 && { 'members@delta': members }),
    },
    subscriptionExpirationDateTime: iso(one.expiresAt),
    subscriptionId: one.id,
    tenantId: one.tenantId,
  };
}

const lifecycleNotification = (one: GraphSubscription, event: LifecycleEvent): Record<string, unknown> => ({
  clientState: one.clientState,
  lifecycleEvent: event,
  resource: one.resource,
  subscriptionExpirationDateTime: iso(one.expiresAt),
  subscriptionId: one.id,
  tenantId: one.tenantId,
});

interface Waiting {
  readonly url: string;
  readonly tenantId: string;
  readonly value: Record<string, unknown>[];
}

/** Sends what is gathered for an address, again and again until it is answered 2xx or given up. */
function createSender(cloud: CloudContext) {
  const client = createNotificationClient(cloud);
  const gathered = new Map<string, Waiting>();
  const timers = new Set<NodeJS.Timeout>();
  const counts = new Map<string, { delivered: number; waiting: number; dropped: number }>();
  let closed = false;
  const countsOf = (tenantId: string) => {
    const known = counts.get(tenantId) ?? { delivered: 0, waiting: 0, dropped: 0 };
    counts.set(tenantId, known);
    return known;
  };
  const later = (ms: number, work: () => void): void => {
    if (closed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.add(timer.unref());
  };
  const settingsOf = (tenantId: string) => cloud.settings.tenant(tenantId).graph.notifications;
  const send = async (one: Waiting, startedAt: number, waitMs: number): Promise<void> => {
    const status = await client.post(one.url, { value: one.value });
    const count = countsOf(one.tenantId);
    if (status !== undefined && status >= 200 && status < 300) {
      count.waiting -= one.value.length;
      count.delivered += one.value.length;
    } else if (Date.now() + waitMs - startedAt > settingsOf(one.tenantId).giveUpMs) {
      count.waiting -= one.value.length;
      count.dropped += one.value.length;
    } else later(waitMs, () => void send(one, startedAt, waitMs * 2));
  };
  return {
    client,
    countsOf,
    add: (url: string, tenantId: string, notification: Record<string, unknown>): void => {
      countsOf(tenantId).waiting += 1;
      const known = gathered.get(url);
      if (known) {
        known.value.push(notification);
        return;
      }
      const one: Waiting = { url, tenantId, value: [notification] };
      gathered.set(url, one);
      const { gatherMs, retryMs } = settingsOf(tenantId);
      later(gatherMs, () => {
        gathered.delete(url);
        void send(one, Date.now(), retryMs);
      });
    },
    close: async () => {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      await client.close();
    },
  };
}

const failure = (status: 403 | 409, code: string, message: string): GraphAnswer => ({
  kind: 'failure',
  status,
  code,
  message,
});

const fitsEvent = (one: GraphSubscription, event: DirectoryEvent): boolean =>
  one.set === event.set &&
  one.changeTypes.includes(event.change) &&
  (one.objectId === undefined || one.objectId === event.objectId);

const duplicate = failure(
  409,
  'Conflict',
  'A subscription for this application, resource and notification URL already exists.',
);

const isSameSubscription = (one: GraphSubscription, wanted: WantedSubscription): boolean =>
  one.resource === wanted.resource &&
  one.notificationUrl === wanted.notificationUrl &&
  one.changeTypes.join() === wanted.changeTypes.join();

/** Undefined: the token may subscribe to this. */
function refusalOf({ roles, tenant }: AcceptedToken, { objectId, set }: WantedSubscription) {
  if (!roles.includes(subscriptionRole[set]))
    return failure(
      403,
      'ExtensionError',
      'Operation: Create; Exception: [Status Code: Forbidden; Reason: Insufficient privileges to complete the operation.]',
    );
  return objectId !== undefined && set === 'groups' && !tenant.groups.has(objectId)
    ? notFound(objectId)
    : undefined;
}

async function shakeHands(
  client: ReturnType<typeof createNotificationClient>,
  urls: readonly (string | undefined)[],
): Promise<Handshake> {
  for (const url of urls) {
    if (url === undefined) continue;
    const token = `Validation: Testing client application reachability for subscription Request-Id: ${randomUUID()}`;
    const shaken = await client.handshake(url, token);
    if (!shaken.ok) return shaken;
  }
  return { ok: true };
}

export function createGraphSubscriptions(cloud: CloudContext): GraphSubscriptions {
  const all = new Map<string, GraphSubscription>();
  const sender = createSender(cloud);
  const of = (tenantId: string): GraphSubscription[] => {
    for (const [id, one] of all) if (one.expiresAt <= cloud.callerNow()) all.delete(id);
    return [...all.values()].filter((one) => one.tenantId === tenantId);
  };
  const owned = (token: AcceptedToken): GraphSubscription[] =>
    of(token.tenant.tenantId).filter((one) => one.applicationId === token.appId);
  const granted = (tenantId: string, expiresAt: number): number => {
    const { grantedMs } = cloud.settings.tenant(tenantId).graph.notifications;
    return grantedMs === null ? expiresAt : Math.min(expiresAt, cloud.callerNow() + grantedMs);
  };
  cloud.directory.onChange((event) => {
    for (const one of of(event.tenantId)) {
      if (fitsEvent(one, event))
        sender.add(one.notificationUrl, event.tenantId, changeNotification(one, event));
    }
  });
  return {
    of,
    counts: (tenantId) => ({ ...sender.countsOf(tenantId) }),
    list: (token) => ({
      kind: 'collection',
      set: 'subscriptions',
      items: owned(token).map(entityOf),
      pageSize: null,
    }),
    create: async (token, body) => {
      const { tenantId } = token.tenant;
      const { resources } = cloud.settings.tenant(tenantId).graph.notifications;
      const wanted = readSubscription(cloud, resources, body);
      if (!wanted.ok) return wanted.answer;
      const { value } = wanted;
      const refusal = refusalOf(token, value);
      if (refusal) return refusal;
      const shaken = await shakeHands(sender.client, [value.notificationUrl, value.lifecycleNotificationUrl]);
      if (!shaken.ok) return badRequest(`Subscription validation request failed. ${shaken.reason}.`);
      if (owned(token).some((one) => isSameSubscription(one, value))) return duplicate;
      const made: GraphSubscription = {
        ...value,
        id: randomUUID(),
        tenantId,
        applicationId: token.appId,
        expiresAt: granted(tenantId, value.expiresAt),
      };
      all.set(made.id, made);
      return { kind: 'entity', set: 'subscriptions', entity: entityOf(made), status: 201 };
    },
    renew: (token, id, body) => {
      const one = owned(token).find((known) => known.id === id);
      if (!one) return notFound(id);
      const expiration = readExpiration(cloud, isRecord(body) ? body.expirationDateTime : undefined);
      if (!expiration.ok) return expiration.answer;
      if (!token.roles.includes(subscriptionRole[one.set])) {
        return failure(403, 'ExtensionError', 'Insufficient privileges to complete the operation.');
      }
      one.expiresAt = granted(one.tenantId, expiration.value);
      return { kind: 'entity', set: 'subscriptions', entity: entityOf(one) };
    },
    remove: (token, id) => {
      const one = owned(token).find((known) => known.id === id);
      if (!one) return notFound(id);
      all.delete(id);
      return { kind: 'no-content' };
    },
    lifecycle: (tenantId, set, event) => {
      const concerned = of(tenantId).filter((one) => one.set === set);
      for (const one of concerned) {
        if (event === 'subscriptionRemoved') all.delete(one.id);
        const url = one.lifecycleNotificationUrl ?? one.notificationUrl;
        sender.add(url, tenantId, lifecycleNotification(one, event));
      }
      return concerned.length;
    },
    close: sender.close,
  };
}
