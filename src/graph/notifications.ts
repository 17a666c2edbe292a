/**
 * The body of change and lifecycle notifications ("changeNotificationCollection" on learn.microsoft.com). Members that
 * are not known are nobody's fault; an entry that cannot be read does not take the others with it.
 */

import { parseGuid } from '../ids.ts';
import { notificationsPerBody } from '../limits.ts';
import { asObject, type JsonObject, parseBoundedJson } from '../untrusted/bounded-json.ts';
import { asString } from './call.ts';

/** Graph's demands on a subscription's owner ("Reduce missing subscriptions and change notifications"). */
export type LifecycleEvent = 'reauthorizationRequired' | 'subscriptionRemoved' | 'missed';

export interface MemberChange {
  readonly objectId: string;
  readonly change: 'added' | 'removed';
}

export interface Notification {
  readonly subscriptionId: string;
  readonly clientState: string;
  /** The tenant that Graph says it is about; absent in some. */
  readonly tenantId: string | undefined;
  readonly what:
    | { readonly kind: 'lifecycle'; readonly lifecycle: LifecycleEvent }
    | {
        readonly kind: 'change';
        readonly change: 'updated' | 'deleted';
        /** Undefined: the notification does not say which object. */
        readonly objectId: string | undefined;
        /** Changed members of a group; undefined where the notification does not name them. */
        readonly members: readonly MemberChange[] | undefined;
      }
    /** A change type or lifecycle event of another time: nothing follows from it. */
    | { readonly kind: 'other' };
}

export type ParsedNotifications =
  | { readonly ok: true; readonly notifications: readonly Notification[]; readonly unreadable: number }
  | { readonly ok: false; readonly field: string | null; readonly description: string };

const lifecycleEvents: readonly string[] = ['reauthorizationRequired', 'subscriptionRemoved', 'missed'];
const isLifecycle = (text: string | undefined): text is LifecycleEvent =>
  text !== undefined && lifecycleEvents.includes(text);

/**
 * Members that joined or left. The form is not documented but seen: `members@delta` in `resourceData`, each with `id`,
 * those that left with `@removed`.
 */
function membersOf(resourceData: JsonObject): MemberChange[] | undefined {
  const delta = resourceData['members@delta'];
  if (!Array.isArray(delta)) return undefined;
  return delta.flatMap((entry): MemberChange[] => {
    const member = asObject(entry);
    const objectId = parseGuid(asString(member?.id));
    if (member === undefined || objectId === undefined) return [];
    return [{ objectId, change: Object.hasOwn(member, '@removed') ? 'removed' : 'added' }];
  });
}

function whatOf(entry: JsonObject): Notification['what'] {
  if (entry.lifecycleEvent !== undefined && entry.lifecycleEvent !== null) {
    const lifecycle = asString(entry.lifecycleEvent);
    return isLifecycle(lifecycle) ? { kind: 'lifecycle', lifecycle } : { kind: 'other' };
  }
  const { changeType } = entry;
  if (changeType !== 'updated' && changeType !== 'deleted') return { kind: 'other' };
  const data = asObject(entry.resourceData);
  return {
    kind: 'change',
    change: changeType,
    objectId: parseGuid(asString(data?.id)),
    members: data && membersOf(data),
  };
}

function notificationOf(value: unknown): Notification | undefined {
  const entry = asObject(value);
  const subscriptionId = asString(entry?.subscriptionId);
  if (entry === undefined || subscriptionId === undefined) return undefined;
  return {
    subscriptionId,
    // Without one it is not of a subscription of ours.
    clientState: asString(entry.clientState) ?? '',
    tenantId: parseGuid(asString(entry.tenantId)),
    what: whatOf(entry),
  };
}

/** Reads a body; `field` names what is wrong. */
export function parseNotifications(text: string): ParsedNotifications {
  let body: unknown;
  try {
    body = parseBoundedJson(text);
  } catch (error) {
    return { ok: false, field: null, description: `the body is not JSON: ${(error as Error).message}` };
  }
  const value = asObject(body)?.value;
  if (!Array.isArray(value))
    return { ok: false, field: 'value', description: 'is not a list of notifications' };
  if (value.length > notificationsPerBody) {
    return {
      ok: false,
      field: 'value',
      description: `may hold ${notificationsPerBody} notifications at most`,
    };
  }
  const notifications = value.map(notificationOf).filter((one) => one !== undefined);
  return { ok: true, notifications, unreadable: value.length - notifications.length };
}
