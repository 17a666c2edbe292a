import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { badge, card, id, none, said, table, time } from '../parts.ts';
import type { Names } from './device-answers.ts';

/** What Jamf Pro says beside what Intune was told beside what Entra shows, with what differs marked. */

interface Said {
  readonly verdict: string | null;
  readonly managed: boolean | null;
  readonly userId: string | null;
  readonly deviceName: string | null;
  readonly osVersion: string | null;
}

export interface Comparison {
  readonly jamf:
    | (Said & {
        readonly instanceId: string;
        readonly lastCheckInAt: string | null;
        readonly reportedAt: string | null;
        readonly readWaits: boolean;
        readonly readError: string | null;
      })
    | null;
  readonly intune:
    | (Said & {
        readonly sentAt: string | null;
        readonly completedAt: string | null;
        readonly newest: boolean;
        readonly refused: boolean;
      })
    | null;
  readonly entra: {
    readonly isCompliant: boolean | null;
    readonly enabled: boolean | null;
    readonly enabledSeenAt: string | null;
    readonly verification: string | null;
    readonly verifiedAt: string | null;
    readonly detail: string | null;
  };
  readonly differences: readonly string[];
}

const unknown = html`<span class="quiet">not known</span>`;
const notShown = html`<span class="quiet">not looked at</span>`;
const text = (value: string | null | undefined): Html => (value ? html`${value}` : unknown);
const verdict = (value: string | null | undefined): Html => (value ? html`${said(value)}` : unknown);
const flag = (value: boolean | null | undefined, yes: string, no: string): Html =>
  value === null || value === undefined ? unknown : html`${value ? yes : no}`;
const user = (value: string | null | undefined): Html => (value ? id(value) : unknown);

const notLookedUp: Readonly<Record<string, string>> = {
  pending: 'being looked up now',
  'not-sampled': 'not looked up: only a sample of the messages is',
  'not-applicable': 'not compared: Intune makes the verdict itself',
  'not-visible': 'could not be seen',
};

function entraVerdict({ detail, isCompliant, verification }: Comparison['entra']): Html {
  if (isCompliant !== null) return html`${isCompliant ? 'compliant' : 'not compliant'}`;
  const why = verification === null ? 'not looked up since the last message' : notLookedUp[verification];
  return html`<span class="quiet">${why ?? 'no value'}${detail === null ? '' : `: ${detail}`}</span>`;
}

interface Line {
  readonly title: string;
  readonly fields: readonly string[];
  readonly jamf: Html;
  readonly intune: Html;
  readonly entra: Html;
}

function linesOf({ entra, intune, jamf }: Comparison): readonly Line[] {
  return [
    {
      title: 'Verdict',
      fields: ['verdict', 'entra'],
      jamf: verdict(jamf?.verdict),
      intune:
        intune !== null && intune.verdict === null ? html`none: Intune makes it` : verdict(intune?.verdict),
      entra: entraVerdict(entra),
    },
    {
      title: 'Management',
      fields: ['managed'],
      jamf: flag(jamf?.managed, 'managed', 'not managed'),
      intune: flag(intune?.managed, 'managed', 'not managed'),
      entra:
        entra.enabled === null
          ? notShown
          : html`device ${entra.enabled ? 'enabled' : 'disabled'}, seen ${time(entra.enabledSeenAt)}`,
    },
    {
      title: 'User',
      fields: ['userId'],
      jamf: user(jamf?.userId),
      intune: user(intune?.userId),
      entra: notShown,
    },
    {
      title: 'Name',
      fields: ['deviceName'],
      jamf: text(jamf?.deviceName),
      intune: text(intune?.deviceName),
      entra: notShown,
    },
    {
      title: 'macOS',
      fields: ['osVersion'],
      jamf: text(jamf?.osVersion),
      intune: text(intune?.osVersion),
      entra: notShown,
    },
    {
      title: 'As of',
      fields: [],
      jamf: time(jamf?.reportedAt),
      intune: time(intune?.completedAt ?? intune?.sentAt),
      entra: entra.isCompliant === null ? notShown : time(entra.verifiedAt),
    },
  ];
}

/** What somebody who sees a difference wants to know next. */
function summary({ differences, intune, jamf }: Comparison): Html {
  if (intune === null) return html`<p>Intune was told nothing of this Mac yet.</p>`;
  if (intune.refused)
    return html`<p><strong>Intune refused what it was told last.</strong> It holds what it took before that, or nothing.</p>`;
  if (differences.includes('entra'))
    return html`<p><strong>Entra shows something else than Intune was told.</strong> Look at the compliance policies in Intune that are assigned to the user: they count as well.</p>`;
  if (differences.length > 0)
    return html`<p><strong>Jamf Pro says something else than Intune was told.</strong> ${
      intune.newest
        ? 'The next report brings it to Intune.'
        : 'The newer state waits to be told; the timeline says how far it is.'
    }</p>`;
  return jamf === null
    ? html`<p>No instance speaks for the Mac any more; this is what Intune was told last.</p>`
    : html`<p>All sides say the same, as far as they are known.</p>`;
}

export const comparisonCard = (comparison: Comparison, names: Names): Html => {
  const { differences, jamf } = comparison;
  return card(
    'The three sides',
    html`${summary(comparison)}
    ${jamf?.readWaits ? html`<p>The computer is about to be read again${jamf.readError === null ? '' : html`; the last try ended with: ${names.inText(jamf.readError)}`}.</p>` : none}
    ${table<Line>(
      'What Jamf Pro says, what Intune was told, what Entra shows',
      [
        {
          title: 'What',
          cell: ({ fields, title }) =>
            html`<strong>${title}</strong> ${fields.some((field) => differences.includes(field)) ? badge('differs', 'warn') : ''}`,
        },
        {
          title: `${jamf === null ? 'Jamf Pro' : names.of(jamf.instanceId)} says`,
          cell: (line) => line.jamf,
        },
        { title: 'Intune was told', cell: ({ intune }) => intune },
        { title: 'Entra shows', cell: ({ entra }) => entra },
      ],
      linesOf(comparison),
      '',
    )}`,
  );
};
