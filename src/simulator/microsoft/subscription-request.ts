/** The demands on a subscription, as "subscription resource type" and "Create subscription" on learn.microsoft.com have it. */

import type { CloudContext } from './context.ts';
import { isRecord } from './context.ts';
import type { GraphAnswer } from './graph-answer.ts';

export interface WantedSubscription {
  readonly resource: string;
  readonly set: 'users' | 'groups' | 'devices';
  /** undefined: all of the set. */
  readonly objectId: string | undefined;
  readonly changeTypes: readonly string[];
  readonly notificationUrl: string;
  readonly lifecycleNotificationUrl: string | undefined;
  readonly expiresAt: number;
  readonly clientState: string | null;
}

export type SubscriptionInput<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly answer: GraphAnswer };

export const badRequest = (message: string): GraphAnswer => ({
  kind: 'failure',
  status: 400,
  code: 'InvalidRequest',
  message,
});

const refuse = (message: string): { readonly ok: false; readonly answer: GraphAnswer } => ({
  ok: false,
  answer: badRequest(message),
});

const longestClientState = 128;
const minuteMs = 60_000;
/** The longest life of a subscription to directory resources: under 29 days. */
const longestMs = 41_760 * minuteMs;
const shortestMs = 45 * minuteMs;

const isHttps = (value: unknown): value is string =>
  typeof value === 'string' && URL.canParse(value) && new URL(value).protocol === 'https:';

/** A time that ends in the future and not too late; a very short one is made 45 minutes. */
export function readExpiration(cloud: CloudContext, value: unknown): SubscriptionInput<number> {
  const at = typeof value === 'string' && /(?:Z|[+-]\d\d:\d\d)$/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) return refuse('expirationDateTime is not a valid date and time.');
  const left = at - cloud.callerNow();
  if (left <= 0) return refuse('Subscription expiration must be in the future.');
  if (left > longestMs) {
    return refuse('Subscription expiration can only be 41760 minutes in the future.');
  }
  return { ok: true, value: cloud.callerNow() + Math.max(left, shortestMs) };
}

function readResource(
  supported: readonly string[],
  value: unknown,
): SubscriptionInput<Pick<WantedSubscription, 'resource' | 'set' | 'objectId'>> {
  const match = /^\/?(users|groups|devices)(?:\/([0-9a-f-]{36}))?$/i.exec(
    typeof value === 'string' ? value : '',
  );
  const set = match?.[1]?.toLowerCase();
  if (!match || (set !== 'users' && set !== 'groups' && set !== 'devices') || !supported.includes(set)) {
    return refuse(`Resource '${String(value)}' is not supported for change notifications.`);
  }
  return { ok: true, value: { resource: match[0], set, objectId: match[2]?.toLowerCase() } };
}

/** Directory resources know `updated` and `deleted`; a creation comes as an update. */
function readChangeTypes(value: unknown): SubscriptionInput<readonly string[]> {
  const types = (typeof value === 'string' ? value : '').split(',').map((type) => type.trim());
  const wrong = types.find((type) => type !== 'updated' && type !== 'deleted');
  return wrong === undefined
    ? { ok: true, value: [...types].sort() }
    : refuse(`changeType '${wrong}' is not supported for this resource.`);
}

export function readSubscription(
  cloud: CloudContext,
  supported: readonly string[],
  body: unknown,
): SubscriptionInput<WantedSubscription> {
  if (!isRecord(body)) return refuse('The request has no valid body.');
  const { clientState = null, lifecycleNotificationUrl, notificationUrl } = body;
  const resource = readResource(supported, body.resource);
  if (!resource.ok) return resource;
  const changeTypes = readChangeTypes(body.changeType);
  if (!changeTypes.ok) return changeTypes;
  if (!isHttps(notificationUrl)) return refuse('notificationUrl must be a valid https URL.');
  if (lifecycleNotificationUrl !== undefined && !isHttps(lifecycleNotificationUrl)) {
    return refuse('lifecycleNotificationUrl must be a valid https URL.');
  }
  if (clientState !== null && (typeof clientState !== 'string' || clientState.length > longestClientState)) {
    return refuse(`clientState may have ${longestClientState} characters at most.`);
  }
  const expiration = readExpiration(cloud, body.expirationDateTime);
  if (!expiration.ok) return expiration;
  return {
    ok: true,
    value: {
      ...resource.value,
      changeTypes: changeTypes.value,
      notificationUrl,
      lifecycleNotificationUrl,
      expiresAt: expiration.value,
      clientState,
    },
  };
}
