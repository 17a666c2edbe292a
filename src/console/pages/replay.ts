import { html } from 'hono/html';
import { tenantNames } from '../names.ts';
import { card, counted, reasonField, state, table, writeForm } from '../parts.ts';
import type { ConsolePage, Form, GoOn, PageContent, Visit } from '../visit.ts';
import { devicePage, type Report } from './reports.ts';

/** Telling Intune again what a filter matches: first what it would do, then the button. */

interface Replay {
  readonly matched: number;
  readonly replayed: number;
  readonly skipped: number;
  readonly ratePerSecond: number;
  readonly sample: readonly Pick<Report, 'tenantId' | 'deviceId' | 'state' | 'reason'>[];
}

/** The dry run of a replay, and the button that does it. */
async function preview({ api, may, person, query }: Visit): Promise<PageContent> {
  const filter = query.get('filter') ?? '';
  const title = 'Replay reports';
  const above = [['Reports', '/reports']] as const;
  if (!may('operator'))
    return { title, above, body: html`<p>It takes the role operator to replay reports.</p>` };
  if (filter.trim() === '')
    return {
      title,
      above,
      body: html`<p>Choose a cause or set filters on <a href="/reports">the page of reports</a>, or write a filter as the API takes it.</p>
        <form class="filters"><label>Filter <input name="filter" placeholder="state==failed" /></label><button>See what it would do</button></form>`,
    };
  const would = await api.dryRun<Replay>(person, '/reports/replay', { filter });
  const tenant = await tenantNames(
    api,
    would.sample.map(({ tenantId }) => tenantId),
  );
  return {
    title,
    above,
    body: [
      card('What this will do', [
        html`<p>Intune is told again of <strong>${would.replayed}</strong> of the ${would.matched} reports that match, behind what is new and at most ${would.ratePerSecond} a second for each tenant. ${
          would.skipped === 0 ? '' : html`${would.skipped} are under way already and are left as they are.`
        }</p>`,
        html`<p class="quiet">Filter: <code>${filter}</code></p>`,
        would.replayed === 0
          ? html`<p>There is nothing to replay.</p>`
          : writeForm(person, {
              action: '/reports/replay/start',
              className: 'fields',
              content: html`<input type="hidden" name="filter" value="${filter}" />
                ${reasonField()}<p><button class="main">Replay ${counted(would.replayed, 'report')}</button></p>`,
            }),
      ]),
      table<Replay['sample'][number]>(
        'Some of them',
        [
          { title: 'Device', cell: devicePage },
          { title: 'Tenant', cell: ({ tenantId }) => tenant(tenantId) },
          { title: 'State', cell: (one) => state(one.state) },
          { title: 'Reason', cell: ({ reason }) => reason },
        ],
        would.sample,
        'No report matches.',
      ),
    ],
  };
}

/** On to some of the reports, which show how far they are. */
async function start({ api }: Visit, form: Form): Promise<GoOn> {
  const filter = form.get('filter') ?? '';
  const { body } = await api.write<Replay>('POST', '/reports/replay', {
    body: { filter },
    reason: form.get('reason') ?? undefined,
  });
  const device = body.sample.map(({ deviceId }) => deviceId).join(',');
  return { goTo: `/reports?${new URLSearchParams({ device })}#list`, done: 'replayed' };
}

export const replay: ConsolePage = {
  path: '/reports/replay',
  show: preview,
  acts: { start },
};
