/** What targets are sent, whatever its form: a body in the words of Standard Webhooks, and the id that a repetition has too. */

import { nilGuid } from '../ids.ts';
import type { HistoryPlace } from '../store/alerts/history-cursors.ts';
import type { ToldAlert } from '../store/alerts/tellings.ts';
import type { ChainedRow } from '../store/history.ts';
import { type AttentionKind, attentionNames } from './attention.ts';

/** An alert as a message tells it. */
export interface AlertNews {
  readonly alertId: string;
  readonly event: 'opened' | 'resolved';
  readonly kind: string;
  readonly title: string;
  readonly cause: string;
  /** null: the gateway itself. */
  readonly tenantId: string | null;
  readonly tenantName: string | null;
  readonly instanceId: string | null;
  readonly instanceName: string | null;
  readonly count: number;
  readonly countIsLeast: boolean;
  readonly owner: string;
  readonly remedy: string;
  readonly since: string | null;
  readonly openedAt: string;
  readonly resolvedAt: string | null;
  /** The console's page; null where ESPALIER_ADMIN_URL is not set. */
  readonly url: string | null;
}

interface Typed<Type extends string, Data> {
  readonly type: Type;
  /** When what it tells came about, not when it was sent. */
  readonly timestamp: string;
  readonly data: Data;
}

export type AlertsBody = Typed<'alerts.changed', { readonly alerts: readonly AlertNews[] }>;
export type TestBody = Typed<'alerts.test', { readonly target: string; readonly url: string | null }>;
export type HistoryBody = Typed<
  'history.appended',
  {
    readonly tenantId: string | null;
    /** Entries that retention removed before they could be streamed. */
    readonly missing: number;
    readonly entries: readonly unknown[];
  }
>;

export type MessageBody = AlertsBody | HistoryBody | TestBody;

export interface Message {
  readonly id: string;
  readonly body: MessageBody;
}

const isKind = (kind: string): kind is AttentionKind => kind in attentionNames;

const pageOf = (adminUrl: string | undefined, href: string): string | null =>
  adminUrl === undefined ? null : new URL(href, adminUrl).href;

function newsOf(
  { facts, openedAt, resolvedAt, ...alert }: ToldAlert,
  adminUrl: string | undefined,
): AlertNews {
  const { alertId, cause, event, kind, tenantId } = alert;
  const { href, ...shown } = facts;
  return {
    ...{ alertId, event, kind, cause },
    title: isKind(kind) ? attentionNames[kind] : kind,
    tenantId: tenantId === nilGuid ? null : tenantId,
    ...shown,
    openedAt: openedAt.toISOString(),
    // That it ended later is told by a message of its own.
    resolvedAt: event === 'resolved' ? (resolvedAt?.toISOString() ?? null) : null,
    url: pageOf(adminUrl, href),
  };
}

/** A message with these alerts, of which there is at least one. */
export function alertsMessage(
  alerts: readonly ToldAlert[],
  adminUrl: string | undefined,
): Message | undefined {
  const news = alerts.map((alert) => newsOf(alert, adminUrl));
  const last = news.at(-1);
  const id = alerts[0]?.messageId;
  if (last === undefined || id === undefined) return undefined;
  return {
    id,
    body: {
      type: 'alerts.changed',
      timestamp: last.resolvedAt ?? last.openedAt,
      data: { alerts: news },
    },
  };
}

export const testMessage = (
  id: string,
  target: { readonly name: string; readonly targetId: string },
  { adminUrl, now }: { readonly adminUrl: string | undefined; readonly now: Date },
): Message => ({
  id,
  body: {
    type: 'alerts.test',
    timestamp: now.toISOString(),
    data: { target: target.name, url: pageOf(adminUrl, `/alerts/${target.targetId}`) },
  },
});

const parsed = (text: string | null): unknown => (text === null ? null : JSON.parse(text));

/** Entries of one chain, of which there is at least one, as the API shows them. */
export function historyMessage(place: HistoryPlace, entries: readonly ChainedRow[]): Message | undefined {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const { sequence, tenantId } = place;
  const shownId = tenantId === nilGuid ? null : tenantId;
  return {
    id: `history-${tenantId}-${sequence + 1}-${last.sequence}`,
    body: {
      type: 'history.appended',
      timestamp: last.recordedAt.toISOString(),
      data: {
        tenantId: shownId,
        missing: first.sequence - sequence - 1,
        entries: entries.map(({ after, before, recordedAt, ...entry }) => ({
          id: `${tenantId}:${entry.sequence}`,
          ...entry,
          tenantId: shownId,
          recordedAt: recordedAt.toISOString(),
          before: parsed(before),
          after: parsed(after),
        })),
      },
    },
  };
}
