/**
 * Alerts for the webhook of a workflow in Teams: a message with an Adaptive Card of version 1.4, which is what its trigger
 * "When a Teams webhook request is received" posts to a channel.
 */

import type { ChatLine, ChatText } from './chat-text.ts';

const block = (text: string, more: object = {}) => ({ type: 'TextBlock', text, wrap: true, ...more });

/** A RichTextBlock knows no Markdown, so a name makes no link of itself. */
const plainBlock = (text: string) => ({ type: 'RichTextBlock', inlines: [{ type: 'TextRun', text }] });

const container = ({ about, isResolved, remedy, title, url }: ChatLine) => ({
  type: 'Container',
  separator: true,
  items: [
    block(title, { weight: 'Bolder', color: isResolved ? 'Good' : 'Warning' }),
    plainBlock(about),
    ...(remedy === '' ? [] : [plainBlock(remedy)]),
    ...(url === null
      ? []
      : [{ type: 'ActionSet', actions: [{ type: 'Action.OpenUrl', title: 'Open', url }] }]),
  ],
});

export const teamsBody = ({ heading, lines, rest }: ChatText) => ({
  type: 'message',
  attachments: [
    {
      contentType: 'application/vnd.microsoft.card.adaptive',
      contentUrl: null,
      content: {
        $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
        type: 'AdaptiveCard',
        version: '1.4',
        body: [
          {
            type: 'RichTextBlock',
            inlines: [{ type: 'TextRun', text: heading, size: 'Medium', weight: 'Bolder' }],
          },
          ...lines.map(container),
          ...(rest === '' ? [] : [block(rest, { isSubtle: true })]),
        ],
      },
    },
  ],
});
