/** Alerts as a person reads them in a chat: the first ones with their remedy, of the others how many there are. */

import { alertsShown } from '../limits.ts';
import type { AlertNews, AlertsBody, TestBody } from './message.ts';

export interface ChatLine {
  readonly isResolved: boolean;
  /** Says what it is, in our words. */
  readonly title: string;
  /** Says whom or what it is about; names that operators chose. */
  readonly about: string;
  readonly remedy: string;
  readonly url: string | null;
}

export interface ChatText {
  readonly heading: string;
  readonly lines: readonly ChatLine[];
  /** Empty where all are shown. */
  readonly rest: string;
}

/** One line of plain text: a name must not bring a line or a direction of writing of its own. */
const plain = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, 200);

const aboutOf = ({ instanceName, tenantId, tenantName }: AlertNews): string => {
  const names = [tenantName ?? tenantId ?? 'This gateway', instanceName].filter((name) => name !== null);
  return names.map(plain).join(' / ');
};

const countOf = ({ count, countIsLeast }: AlertNews): string =>
  count > 1 || countIsLeast ? ` (${countIsLeast ? 'at least ' : ''}${count})` : '';

const lineOf = (news: AlertNews): ChatLine => ({
  isResolved: news.event === 'resolved',
  title: news.event === 'resolved' ? `Resolved: ${news.title}` : `${news.title}${countOf(news)}`,
  about: `${aboutOf(news)} · ${plain(news.cause)}`,
  remedy: news.event === 'resolved' ? '' : plain(news.remedy),
  url: news.url,
});

const headingOf = (alerts: readonly AlertNews[]): string => {
  const opened = alerts.filter(({ event }) => event === 'opened').length;
  const resolved = alerts.length - opened;
  const parts = [opened > 0 ? `${opened} new` : '', resolved > 0 ? `${resolved} resolved` : ''];
  return `Espalier: ${parts.filter((part) => part !== '').join(', ')}`;
};

export function chatTextOf(body: AlertsBody | TestBody): ChatText {
  if (body.type === 'alerts.test')
    return { heading: `Espalier: a test of the target ${plain(body.data.target)}`, lines: [], rest: '' };
  const { alerts } = body.data;
  const more = alerts.length - alertsShown;
  return {
    heading: headingOf(alerts),
    lines: alerts.slice(0, alertsShown).map(lineOf),
    rest: more > 0 ? `and ${more} more: see the overview` : '',
  };
}
