import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { filterForm, filterOf, tenantFilter, textFilter } from '../filters.ts';
import { tenantNames } from '../names.ts';
import { pager, select, state, table, time } from '../parts.ts';
import type { ConsolePage, Visit } from '../visit.ts';

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
  readonly instanceId: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly attempts: number;
  readonly updatedAt: string;
}

const states = ['due', 'held', 'sent', 'accepted', 'completed', 'verified', 'failed'] as const;
const causesShown = 50;
const pageSize = 100;

const owners: Readonly<Record<string, string>> = {
  caller: 'An operator',
  configuration: 'The administrator of Entra and Intune',
  instance: 'The administrator of Jamf Pro',
  microsoft: 'Microsoft',
  espalier: 'This gateway',
};

export const devicePage = ({ deviceId, tenantId }: Pick<Report, 'tenantId' | 'deviceId'>): Html =>
  html`<a href="${at`/tenants/${tenantId}/devices/${deviceId}`}">${deviceId}</a>`;

/** The filters of the address, as the API takes them. */
const asked = (query: URLSearchParams): string | undefined =>
  filterOf([
    ['state', '==', query.get('state')],
    ['tenantId', '==', query.get('tenant')],
    ['instanceId', '==', query.get('instance')],
    ['reason', '==', query.get('reason')],
  ]);

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
                : html`<br /><span class="quiet">${cause.exampleDetail}</span>`
            }`,
        },
        {
          title: 'Who ends it, and how',
          cell: ({ owner, remedy }) =>
            html`<strong>${owners[owner] ?? owner}:</strong> ${remedy ?? 'Nothing is known; look at one of the devices.'}`,
        },
        { title: 'Tenant', cell: ({ tenantId }) => tenant(tenantId) },
        { title: 'Since', cell: ({ oldest }) => time(oldest) },
        {
          title: 'Replay',
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
    ])}
    ${
      filter !== undefined && may('operator') && totalCount > 0
        ? html`<p class="actions"><span>${totalCount} match.</span> ${replayLink(filter, 'Replay them…')}</p>`
        : ''
    }
    ${table<Report>(
      'Reports',
      [
        { title: 'Device', cell: (one) => html`${devicePage(one)}` },
        { title: 'Tenant', cell: ({ tenantId }) => tenant(tenantId) },
        { title: 'State', cell: (one) => state(one.state) },
        {
          title: 'Reason',
          cell: ({ detail, reason }) =>
            html`${reason}${detail === null ? '' : html`<br /><span class="quiet">${detail}</span>`}`,
        },
        { title: 'Attempts', numeric: true, cell: ({ attempts }) => attempts },
        { title: 'Changed', cell: ({ updatedAt }) => time(updatedAt) },
      ],
      results,
      filter === undefined
        ? 'No device has been reported to Intune yet. Connect a tenant and add its Jamf Pro.'
        : html`No report is like that. <a href="/reports">Show all of them</a>.`,
    )}
    ${pager(query, totalCount, pageSize)}`;
}

export const reports: ConsolePage = {
  path: '/reports',
  menu: { label: 'Reports', key: 'r' },
  show: async (visit) => ({ title: 'Reports', body: [await causes(visit), await list(visit)] }),
};
