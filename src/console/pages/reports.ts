import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { filterForm, filterOf, tenantFilter, textFilter } from '../filters.ts';
import { tenantNames } from '../names.ts';
import { idLink, none, ownerWords, pager, select, state, table, time } from '../parts.ts';
import type { ConsolePage, Visit } from '../visit.ts';
import { sentence } from '../words.ts';

/** Why reports failed or are held, and how far each is. */

interface Cause {
  readonly tenantId: string;
  readonly state: string;
  readonly reason: string;
  readonly count: number;
  readonly oldest: string | null;
  readonly exampleDetail: string | null;
  readonly owner: string;
  readonly remedy?: string;
}

export interface Report {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly serialNumber: string | null;
  readonly instanceId: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly verification: string | null;
  readonly attempts: number;
  readonly updatedAt: string;
}

const states = ['due', 'held', 'sent', 'accepted', 'completed', 'verified', 'failed'] as const;
const causesShown = 50;
const pageSize = 50;

export const devicePage = ({ deviceId, tenantId }: Pick<Report, 'tenantId' | 'deviceId'>): Html =>
  idLink(at`/tenants/${tenantId}/devices/${deviceId}`, deviceId);

/** Several ids, as they are after a replay, or one. */
const devicesIn = (query: URLSearchParams): readonly string[] =>
  (query.get('device') ?? '').split(/[\s,]+/).filter((one) => one !== '');

/** The filters of the address, as the API takes them. */
function asked(query: URLSearchParams): string | undefined {
  const devices = devicesIn(query).map((deviceId) => filterOf([['deviceId', '==', deviceId]]));
  const parts = [
    filterOf([
      ['state', '==', query.get('state')],
      ['tenantId', '==', query.get('tenant')],
      ['instanceId', '==', query.get('instance')],
      ['reason', '==', query.get('reason')],
    ]),
    devices.length === 0 ? undefined : `(${devices.join(',')})`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(';');
}

/** Reports that were asked for by their devices are followed until each has come to an end. */
const isUnderWay = ({ state: word, verification }: Report): boolean =>
  ['due', 'sent', 'accepted'].includes(word) || verification === 'pending';

const followed = (query: URLSearchParams, results: readonly Report[]): Html =>
  devicesIn(query).length > 0 && results.some(isUnderWay)
    ? html` hx-get="${`/reports?${query}`}" hx-select="#reports" hx-swap="outerHTML" hx-trigger="load delay:2s"`
    : none;

const reportTable = (
  query: URLSearchParams,
  results: readonly Report[],
  tenant: (tenantId: string) => Html,
  empty: Html | string,
): Html =>
  html`<div id="reports"${followed(query, results)}>${table<Report>(
    'Reports',
    [
      {
        title: 'Device',
        cell: (one) =>
          html`${one.serialNumber === null ? '' : html`${one.serialNumber}<br />`}${devicePage(one)}`,
      },
      { title: 'Tenant', cell: ({ tenantId }) => tenant(tenantId) },
      { title: 'State', cell: (one) => state(one.state) },
      {
        title: 'Reason',
        cell: ({ detail, reason }) =>
          html`${reason === null ? '' : html`<code>${reason}</code>`}${detail === null ? '' : html`<br /><span class="quiet">${sentence(detail)}</span>`}`,
      },
      { title: 'Attempts', numeric: true, cell: ({ attempts }) => attempts },
      { title: 'Changed', cell: ({ updatedAt }) => time(updatedAt) },
    ],
    results,
    empty,
  )}</div>`;

const ofCause = ({ reason, state: held, tenantId }: Cause): string =>
  `${filterOf([
    ['state', '==', held],
    ['tenantId', '==', tenantId],
    ['reason', '==', reason],
  ])}`;

const replayLink = (filter: string, label: string): Html =>
  html`<a class="button" href="${`/reports/replay?${new URLSearchParams({ filter })}`}">${label}</a>`;

async function causes({ api, may, query }: Visit): Promise<Html> {
  const { results, totalCount } = await api.get<{ totalCount: number; results: Cause[] }>('/reports/causes', {
    'page-size': causesShown,
    filter: filterOf([['tenantId', '==', query.get('tenant')]]),
  });
  const tenant = await tenantNames(
    api,
    results.map(({ tenantId }) => tenantId),
  );
  return html`<h2>By cause</h2>
    ${table<Cause>(
      'Failed and held reports by cause',
      [
        { title: 'Reports', numeric: true, cell: ({ count }) => count },
        {
          title: 'Cause',
          cell: (cause) =>
            html`${state(cause.state)} <a href="${`?${new URLSearchParams({ state: cause.state, tenant: cause.tenantId, reason: cause.reason })}#list`}">${cause.reason}</a>${
              cause.exampleDetail === null
                ? ''
                : html`<br /><span class="quiet">${sentence(cause.exampleDetail)}</span>`
            }`,
        },
        {
          title: 'What ends it',
          cell: ({ owner, remedy }) =>
            html`${sentence(remedy ?? 'Nothing is known: look at one of the devices')}<br /><span class="quiet">For ${ownerWords(owner)}.</span>`,
        },
        { title: 'Tenant', cell: ({ tenantId }) => tenant(tenantId) },
        { title: 'Since', cell: ({ oldest }) => time(oldest) },
        {
          title: '',
          cell: (cause) => (may('operator') ? replayLink(ofCause(cause), 'Replay…') : ''),
        },
      ],
      results,
      'No report failed or is held. What Intune holds is what Jamf Pro says, or it is on its way.',
    )}
    ${totalCount > results.length ? html`<p class="quiet">The ${results.length} largest of ${totalCount} causes. Choose a tenant to see its own.</p>` : ''}`;
}

async function list({ api, may, query }: Visit): Promise<Html> {
  const filter = asked(query);
  const { results, totalCount } = await api.get<{ totalCount: number; results: Report[] }>('/reports', {
    page: query.get('page') ?? 0,
    'page-size': pageSize,
    filter,
  });
  const tenant = await tenantNames(
    api,
    results.map(({ tenantId }) => tenantId),
  );
  return html`<h2 id="list">Reports</h2>
    ${filterForm([
      select(
        'state',
        'State',
        [{ value: '', label: 'any' }, ...states.map((value) => ({ value, label: value }))],
        query.get('state') ?? '',
      ),
      await tenantFilter(api, query),
      textFilter(query, 'instance', 'Instance', 'Id of the instance'),
      textFilter(query, 'reason', 'Reason', 'user-not-* for several'),
      textFilter(query, 'device', 'Device', 'Id in Entra, or several'),
    ])}
    ${
      filter !== undefined && may('operator') && totalCount > 0
        ? html`<p class="actions"><span>${totalCount} match.</span> ${replayLink(filter, 'Replay them…')}</p>`
        : ''
    }
    ${reportTable(
      query,
      results,
      tenant,
      filter === undefined
        ? 'No device has been reported to Intune yet. Connect a tenant and add its Jamf Pro.'
        : html`No report is like that. <a href="/reports">Show all of them</a>.`,
    )}
    ${pager(query, totalCount, pageSize)}`;
}

export const reports: ConsolePage = {
  path: '/reports',
  menu: { label: 'Reports', key: 'r' },
  notices: {
    replayed: 'They are due again. Some of them are shown below, with how far each of them is.',
  },
  show: async (visit) => ({ title: 'Reports', body: [await causes(visit), await list(visit)] }),
};
