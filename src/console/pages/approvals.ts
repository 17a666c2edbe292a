import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { filterForm, filterOf, tenantFilter } from '../filters.ts';
import { tenantNames } from '../names.ts';
import { pager, select, state, table, time } from '../parts.ts';
import type { ConsolePage, Person } from '../visit.ts';

/** What waits for a second operator, and what became of it. */

interface Named {
  readonly kind: string;
  readonly id: string | null;
  readonly name: string;
}

export interface Approval {
  readonly id: string;
  readonly tenantId: string;
  readonly state: string;
  readonly action: string;
  readonly summary: string;
  readonly devices: number;
  readonly role: Person['role'];
  readonly request: { readonly method: string; readonly target: string };
  readonly requestedBy: Named & { readonly role: string };
  readonly source: string | null;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly decidedBy: Named | null;
  readonly decidedAt: string | null;
  readonly reason: string | null;
  readonly outcome: {
    readonly status: number | null;
    readonly answer: unknown;
    readonly detail: string | null;
  } | null;
}

/** What the operator who reads this decides on, before the ids. */
const words: Readonly<Record<string, string>> = {
  'connection.disconnect': 'Disconnect the tenant from Intune',
  'tenant.delete': 'Delete the tenant with its devices',
  'instance.delete': 'Delete an instance with what it claims',
  'move.advance': 'Take a move a step further',
  'move.rollback': 'Take a move back',
};

export const whatOf = ({ action }: Pick<Approval, 'action'>): string => words[action] ?? action;

export const isOwn = ({ requestedBy }: Approval, { id, kind }: Person): boolean =>
  requestedBy.kind === kind && requestedBy.id === id;

const states = ['waiting', 'approved', 'done', 'failed', 'rejected', 'expired'] as const;
const pageSize = 100;

const who = (approval: Approval, person: Person): Html =>
  html`${approval.requestedBy.name}${isOwn(approval, person) ? html` <span class="quiet">(you)</span>` : ''}`;

export const approvals: ConsolePage = {
  path: '/approvals',
  menu: { label: 'Approvals', key: 'a' },
  show: async ({ api, person, query }) => {
    const chosen = query.get('state') ?? 'waiting';
    const { results, totalCount } = await api.get<{ totalCount: number; results: Approval[] }>('/approvals', {
      page: query.get('page') ?? 0,
      'page-size': pageSize,
      filter: filterOf([
        ['state', '==', chosen === 'any' ? null : chosen],
        ['tenantId', '==', query.get('tenant')],
      ]),
    });
    const tenant = await tenantNames(
      api,
      results.map(({ tenantId }) => tenantId),
    );
    return {
      title: 'Approvals',
      body: [
        html`<p>A disconnect, a move or a delete that touches more than 100 devices waits here for a second operator, where the gateway is set so. Whoever asked cannot approve it.</p>`,
        filterForm([
          select(
            'state',
            'State',
            [...states, 'any'].map((value) => ({ value, label: value })),
            chosen,
          ),
          await tenantFilter(api, query),
        ]),
        table<Approval>(
          'Approvals',
          [
            {
              title: 'What',
              cell: (one) =>
                html`<a href="${at`/approvals/${one.id}`}">${whatOf(one)}</a><br /><span class="quiet">${one.summary}</span>`,
            },
            { title: 'Tenant', cell: ({ tenantId }) => tenant(tenantId) },
            { title: 'Devices', numeric: true, cell: ({ devices }) => devices },
            { title: 'Asked by', cell: (one) => who(one, person) },
            { title: 'Asked', cell: ({ createdAt }) => time(createdAt) },
            {
              title: 'State',
              cell: (one) =>
                html`${state(one.state)}${one.state === 'waiting' ? html`<br /><span class="quiet">until ${time(one.expiresAt)}</span>` : ''}`,
            },
          ],
          results,
          chosen === 'waiting'
            ? 'Nothing waits for a second operator.'
            : html`No approval is like that. <a href="?state=any">Show all of them</a>.`,
        ),
        pager(query, totalCount, pageSize),
      ],
    };
  },
};
