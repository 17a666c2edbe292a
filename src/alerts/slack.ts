/** Alerts for an incoming webhook of Slack (api.slack.com/messaging/webhooks): a text for notifications, and blocks. */

import type { ChatLine, ChatText } from './chat-text.ts';

/** What Slack reads as a mention or a link begins with one of these (api.slack.com/reference/surfaces/formatting). */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Names are plain text elements, in which nothing is a mark-up; only our own words are bold. */
const section = ({ about, isResolved, remedy, title, url }: ChatLine) => ({
  type: 'section',
  text: {
    type: 'mrkdwn',
    text: `${isResolved ? ':white_check_mark:' : ':warning:'} *${escaped(title)}*${url === null ? '' : ` <${url}|Open>`}`,
  },
  fields: [about, remedy]
    .filter((text) => text !== '')
    .map((text) => ({ type: 'plain_text', text, emoji: false })),
});

export const slackBody = ({ heading, lines, rest }: ChatText) => ({
  text: escaped(heading),
  blocks: [
    { type: 'header', text: { type: 'plain_text', text: heading.slice(0, 150), emoji: false } },
    ...lines.map(section),
    ...(rest === ''
      ? []
      : [{ type: 'context', elements: [{ type: 'plain_text', text: rest, emoji: false }] }]),
  ],
});
