import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { badge, chips, table } from '../parts.ts';
import type { ConsolePage } from '../visit.ts';

/** The settings in force, to be read: they are changed where the gateway is started. */

interface Setting {
  readonly name: string;
  readonly group: string;
  readonly value: string;
  readonly set: boolean;
  readonly secret: boolean;
  readonly default: string;
  readonly meaning: string;
}

/** Words between backticks are code, as in docs/settings.md. */
const words = (text: string): readonly (Html | string)[] =>
  text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part));

/** A default that is a value is code, one that is a remark is not. */
const valueCell = ({ secret, set, value }: Setting): Html => {
  if (set) return html`<code>${value}</code>${secret ? html` ${badge('secret')}` : ''}`;
  return /^\S+$/.test(value) && value !== 'unset'
    ? html`<code>${value}</code>`
    : html`<span class="quiet">${value}</span>`;
};

const settingsOf = (
  group: string,
  results: readonly Setting[],
): Html => html`<section class="settings"><h2>${group}</h2>
  ${table<Setting>(
    group,
    [
      {
        title: 'Setting',
        cell: ({ meaning, name }) =>
          html`<code>${name}</code><br /><span class="quiet">${words(meaning)}</span>`,
      },
      { title: 'Value', cell: valueCell },
      { title: 'From', cell: ({ set }) => (set ? badge('set', 'good') : badge('default')) },
    ],
    results,
    'There is no setting here.',
  )}</section>`;

export const settings: ConsolePage = {
  path: '/settings',
  menu: { label: 'Settings', key: 's', allTenants: true },
  show: async ({ api, query }) => {
    const { results } = await api.get<{ results: Setting[] }>('/settings');
    const onlySet = query.get('show') === 'set';
    const shown = onlySet ? results.filter(({ set }) => set) : results;
    const groups = [...new Set(shown.map(({ group }) => group))];
    const count = results.filter(({ set }) => set).length;
    return {
      title: 'Settings',
      body: [
        html`<p>What the process that answers works with. Settings are environment variables: they are changed where the gateway is started, and hold from its next start on. Secrets are not shown.</p>`,
        chips('Which settings', [
          { label: 'All', count: results.length, href: '/settings', current: !onlySet },
          { label: 'Set', count, href: '/settings?show=set', current: onlySet },
        ]),
        ...groups.map((group) =>
          settingsOf(
            group,
            shown.filter((one) => one.group === group),
          ),
        ),
        groups.length === 0 ? html`<p class="empty">Nothing is set: every default holds.</p>` : html``,
      ],
    };
  },
};
