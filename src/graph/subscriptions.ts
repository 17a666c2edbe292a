/**
 * Subscriptions to change notifications, as Microsoft documents them: "subscription resource type" and "Receive change
 * notifications through webhooks" on learn.microsoft.com (docs/notifications.md says which fact is how sure).
 */

import type { JsonObject } from '../untrusted/bounded-json.ts';
import {
  asString,
  type GraphCall,
  type GraphFailure,
  getCollection,
  isMissing,
  type RefusedHost,
  sendObject,
} from './call.ts';

export interface Subscription {
  readonly id: string;
  readonly resource: string;
  readonly notificationUrl: string | undefined;
  /** The expiry that Graph grants, which may be earlier than was asked for. */
  readonly expiresAt: Date;
}

export interface NewSubscription {
  /** Below the version: `users`, `groups/{id}`. */
  readonly resource: string;
  readonly changeTypes: readonly ('updated' | 'deleted')[];
  /** https; both addresses are called back before Graph answers. */
  readonly notificationUrl: string;
  readonly expiresAt: Date;
  /** State of at most 128 characters that comes back with every notification. */
  readonly clientState: string;
}

/** `taken`: Graph has one like it already. `unsupported`: it says that the request itself is wrong. */
export type SubscriptionResult =
  | { readonly ok: true; readonly subscription: Subscription }
  | (GraphFailure & { readonly refusal?: 'taken' | 'unsupported' });

function subscriptionOf(body: JsonObject): Subscription | undefined {
  const id = asString(body.id);
  const expiresAt = new Date(asString(body.expirationDateTime) ?? '');
  if (id === undefined || id === '' || Number.isNaN(expiresAt.getTime())) return undefined;
  return {
    id,
    resource: asString(body.resource) ?? '',
    notificationUrl: asString(body.notificationUrl),
    expiresAt,
  };
}

/** The words for a duplicate are not published: the status 409, or the text of another. */
function refusalOf({ detail, httpStatus }: GraphFailure): 'taken' | 'unsupported' | undefined {
  if (httpStatus === 409 || (httpStatus === 400 && /already exist|duplicate/i.test(detail))) return 'taken';
  return httpStatus === 400 ? 'unsupported' : undefined;
}

const read = (answer: Awaited<ReturnType<typeof sendObject>>): SubscriptionResult => {
  if (!answer.ok) {
    const refusal = refusalOf(answer);
    return refusal === undefined ? answer : { ...answer, refusal };
  }
  const subscription = subscriptionOf(answer.body);
  return subscription === undefined
    ? { ok: false, failure: 'error', detail: 'Graph answered no subscription' }
    : { ok: true, subscription };
};

/** Needs the application permission to read what is subscribed to. */
export const createSubscription = async (call: GraphCall & NewSubscription): Promise<SubscriptionResult> =>
  read(
    await sendObject(call, 'POST', 'subscriptions', {
      changeType: call.changeTypes.join(','),
      notificationUrl: call.notificationUrl,
      lifecycleNotificationUrl: call.notificationUrl,
      resource: call.resource,
      expirationDateTime: call.expiresAt.toISOString(),
      clientState: call.clientState,
      latestSupportedTlsVersion: 'v1_2',
    }),
  );

const pathOf = (id: string): string => `subscriptions/${encodeURIComponent(id)}`;

/** `missing`: Graph has no such subscription any more. */
export async function renewSubscription(
  call: GraphCall & { readonly id: string; readonly expiresAt: Date },
): Promise<SubscriptionResult | { readonly ok: false; readonly failure: 'missing' }> {
  const answer = await sendObject(call, 'PATCH', pathOf(call.id), {
    expirationDateTime: call.expiresAt.toISOString(),
  });
  if (!answer.ok && isMissing(answer)) return { ok: false, failure: 'missing' };
  return read(answer);
}

/** One that is not there any more counts as deleted. */
export async function deleteSubscription(
  call: GraphCall & { readonly id: string },
): Promise<{ readonly ok: true } | GraphFailure> {
  const answer = await sendObject(call, 'DELETE', pathOf(call.id));
  return answer.ok || isMissing(answer) ? { ok: true } : answer;
}

/** Those of the token's application in the token's tenant. */
export async function listSubscriptions(
  call: GraphCall,
): Promise<
  { readonly ok: true; readonly subscriptions: readonly Subscription[] } | GraphFailure | RefusedHost
> {
  const answer = await getCollection(call, 'subscriptions');
  if (!answer.ok) return answer;
  return {
    ok: true,
    subscriptions: answer.items.map(subscriptionOf).filter((one) => one !== undefined),
  };
}
