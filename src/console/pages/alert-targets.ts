import { html } from 'hono/html';
import { attentionNames } from '../../alerts/attention.ts';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { tenantNames } from '../names.ts';
import {
  actButton,
  badge,
  card,
  facts,
  id,
  none,
  pager,
  reasonField,
  select,
  type Tone,
  table,
  time,
  writeForm,
} from '../parts.ts';
import type { ConsolePage, Form, PageContent, Person, Visit } from '../visit.ts';
import { tenantsOf, tenantsShown } from './keys.ts';

/** Targets of alerts: who is told what needs a person, whether it arrives, adding, testing and removing them. */

interface Target {
  readonly id: string;
  readonly name: string;
  readonly format: 'standard' | 'slack' | 'teams';
  readonly address: string;
  readonly tenants: readonly string[] | null;
  readonly kinds: readonly string[] | null;
  readonly history: boolean;
  readonly enabled: boolean;
  readonly state: 'disabled' | 'failing' | 'given-up' | 'ok';
  readonly attempts: number;
  readonly failingSince: string | null;
  readonly lastError: string | null;
  readonly lastToldAt: string | null;
  readonly createdAt: string;
}

const pageSize = 100;

const formats = [
  { value: 'standard', label: 'a program: JSON, signed' },
  { value: 'teams', label: 'Teams' },
  { value: 'slack', label: 'Slack' },
];
const formatName = ({ format }: Target): string =>
  formats.find(({ value }) => value === format)?.label ?? format;

const states: Readonly<Record<Target['state'], readonly [label: string, tone: Tone]>> = {
  ok: ['takes them', 'good'],
  failing: ['fails', 'bad'],
  'given-up': ['given up', 'bad'],
  disabled: ['disabled', 'quiet'],
};
const stateBadge = ({ state }: Target): Html => badge(...states[state]);

const kindNamesOf = ({ kinds }: Target): string =>
  kinds === null
    ? 'everything'
    : kinds
        .map((kind) => Object.entries(attentionNames).find(([one]) => one === kind)?.[1] ?? kind)
        .join(', ');

/** Which boxes are checked says what it hears of; none of them: everything. */
const kindBoxes = html`<fieldset><legend>Hears of; none chosen: everything</legend>
  ${Object.entries(attentionNames).map(
    ([kind, name]) =>
      html`<label class="inline"><input type="checkbox" name="kinds" value="${kind}" /> ${name}</label>`,
  )}</fieldset>`;

const newTargetForm = (person: Person): Html =>
  card('Add a target', [
    html`<p>The address of a channel comes from Teams (a workflow that posts what a webhook receives) or from Slack (an incoming webhook). Whoever has it can write there: Espalier keeps it sealed and shows only its beginning.</p>`,
    writeForm(person, {
      action: '/alerts/create',
      className: 'fields',
      content: html`<label>Name, who reads there <input name="name" required maxlength="100" autocomplete="off" /></label>
        ${select('format', 'Read by', formats, 'standard')}
        <label>Address <input name="url" type="url" required maxlength="2000" autocomplete="off" spellcheck="false" placeholder="https://…" /></label>
        <label>Tenants, one id a line; empty for all of them and the gateway itself
          <textarea name="tenants" rows="3">${person.tenants === null ? '' : person.tenants.join('\n')}</textarea></label>
        ${kindBoxes}
        <label class="inline"><input type="checkbox" name="history" value="true" /> Send every entry of the history too, for a SIEM (programs only)</label>
        ${reasonField()}
        <p><button class="main">Add the target</button></p>`,
    }),
  ]);

async function create({ api }: Visit, form: Form): Promise<PageContent> {
  const tenants = (form.get('tenants') ?? '').split(/[\s,]+/).filter((one) => one !== '');
  const kinds = form.getAll('kinds');
  const { body } = await api.write<{ id: string; secret: string | null }>('POST', '/alerts/targets', {
    reason: form.get('reason') ?? undefined,
    body: {
      name: form.get('name') ?? '',
      format: form.get('format') ?? '',
      url: form.get('url') ?? '',
      ...(tenants.length === 0 ? {} : { tenants }),
      ...(kinds.length === 0 ? {} : { kinds }),
      history: form.get('history') === 'true',
    },
  });
  const go = html`<p><a class="button" href="${at`/alerts/${body.id}`}">Go on to a test</a></p>`;
  return {
    title: 'The target is added',
    above: [['Alerts', '/alerts']],
    body:
      body.secret === null
        ? card('See whether it arrives', [go])
        : card('Copy the secret now', [
            html`<p>The receiver checks with it that a message is from here, by any library of Standard Webhooks. It is shown this once.</p>
              <p><code class="secret" data-copy>${body.secret}</code></p>`,
            go,
          ]),
  };
}

export const alertTargets: ConsolePage = {
  path: '/alerts',
  menu: { label: 'Alerts', key: 'l' },
  notices: { removed: 'The target was removed. It is told nothing more.' },
  acts: { create },
  show: async ({ api, may, person, query }) => {
    const { results, totalCount } = await api.get<{ totalCount: number; results: Target[] }>(
      '/alerts/targets',
      {
        page: query.get('page') ?? 0,
        'page-size': pageSize,
      },
    );
    const tenant = await tenantNames(
      api,
      results.flatMap(({ tenants }) => tenants?.slice(0, tenantsShown) ?? []),
    );
    return {
      title: 'Alerts',
      body: [
        html`<p>What the <a href="/">overview</a> says needs a person is told to these targets, and that it is over.</p>`,
        table<Target>(
          'Targets',
          [
            {
              title: 'Target',
              cell: (row) =>
                html`<a href="${at`/alerts/${row.id}`}">${row.name}</a><br /><code>${row.address}</code>`,
            },
            { title: 'Read by', cell: formatName },
            { title: 'For', cell: ({ tenants }) => tenantsOf(tenants, tenant) },
            { title: 'State', cell: stateBadge },
            { title: 'Last told', cell: ({ lastToldAt }) => time(lastToldAt) },
          ],
          results,
          'Nobody is told yet: who does not look at the overview does not hear of what needs a person.',
        ),
        pager(query, totalCount, pageSize),
        may('admin') ? newTargetForm(person) : none,
      ],
    };
  },
};

const trouble = ({ attempts, failingSince, lastError, state }: Target): Html =>
  lastError === null
    ? none
    : html`<p class="problem">${state === 'given-up' ? 'It was given up, and hears of nothing any more.' : `The last ${attempts} tries failed.`} ${lastError}. It has taken nothing since ${time(failingSince)}.</p>`;

const acts = (visit: Visit, target: Target): Html[] => {
  const { may, person } = visit;
  const path = at`/alerts/${target.id}`;
  const toggle = target.enabled
    ? { action: `${path}/disable`, label: 'Disable' }
    : { action: `${path}/enable`, label: 'Enable' };
  return [
    may('operator') ? actButton(person, { action: `${path}/test`, label: 'Send a test' }) : none,
    may('admin') ? actButton(person, toggle) : none,
    may('admin')
      ? actButton(person, { action: `${path}/remove`, label: 'Remove', ask: 'Remove this target?' })
      : none,
  ];
};

const switched =
  (enabled: boolean) =>
  async ({ api, param }: Visit) => {
    await api.write('PATCH', at`/alerts/targets/${param('targetId')}`, { body: { enabled } });
    return { goTo: at`/alerts/${param('targetId')}`, done: enabled ? 'enabled' : 'disabled' };
  };

export const alertTarget: ConsolePage = {
  path: '/alerts/:targetId',
  notices: {
    arrived: 'The test arrived.',
    enabled: 'The target is told again.',
    disabled: 'The target is told nothing until it is enabled.',
  },
  acts: {
    test: async ({ api, param }) => {
      const { body } = await api.write<{ ok: boolean; detail: string | null }>(
        'POST',
        at`/alerts/targets/${param('targetId')}/test`,
        {},
      );
      if (body.ok) return { goTo: at`/alerts/${param('targetId')}`, done: 'arrived' };
      return {
        title: 'The test did not arrive',
        above: [
          ['Alerts', '/alerts'],
          ['The target', at`/alerts/${param('targetId')}`],
        ],
        body: html`<p class="problem">${body.detail ?? 'There was no answer'}.</p>`,
      };
    },
    enable: switched(true),
    disable: switched(false),
    remove: async ({ api, param }) => {
      await api.write('DELETE', at`/alerts/targets/${param('targetId')}`, {});
      return { goTo: '/alerts', done: 'removed' };
    },
  },
  show: async (visit) => {
    const { api, param } = visit;
    const target = await api.get<Target>(at`/alerts/targets/${param('targetId')}`);
    const tenant = await tenantNames(api, target.tenants ?? []);
    return {
      title: target.name,
      above: [['Alerts', '/alerts']],
      body: [
        card('Target', [
          trouble(target),
          facts([
            ['State', stateBadge(target)],
            ['Address', html`<code>${target.address}</code>/…`],
            ['Read by', formatName(target)],
            [
              'For',
              target.tenants === null
                ? 'all tenants and the gateway itself'
                : tenantsOf(target.tenants, tenant),
            ],
            ['Hears of', kindNamesOf(target)],
            ['History', target.history ? 'every entry' : 'no'],
            ['Last told', time(target.lastToldAt)],
            ['Added', time(target.createdAt)],
            ['Id', id(target.id)],
          ]),
          html`<div class="actions">${acts(visit, target)}</div>`,
          html`<p><a href="${`/history?kind=alert-target&object=${target.id}`}">Its entries in the history</a></p>`,
        ]),
      ],
    };
  },
};
