import { html } from 'hono/html';
import { filterForm, filterOf, tenantFilter } from '../filters.ts';
import { instanceNames, tenantNames } from '../names.ts';
import { pager, select, table } from '../parts.ts';
import type { ConsolePage } from '../visit.ts';
import { type Move, moveColumns } from './moves.ts';

/** The moves of all tenants: which are under way, and how far each is. */

const pageSize = 50;

const states = [
  { value: 'planned', label: 'planned' },
  { value: 'shadowing', label: 'shadowing' },
  { value: 'moving', label: 'moving' },
  { value: 'done', label: 'done' },
  { value: 'rolled-back', label: 'rolled back' },
];

export const allMoves: ConsolePage = {
  path: '/moves',
  menu: { label: 'Moves', key: 'm' },
  show: async ({ api, query }) => {
    const { results, totalCount } = await api.get<{ totalCount: number; results: Move[] }>('/moves', {
      page: query.get('page') ?? 0,
      'page-size': pageSize,
      filter: filterOf([
        ['state', '==', query.get('state')],
        ['tenantId', '==', query.get('tenant')],
      ]),
    });
    const [tenant, instances, offered] = await Promise.all([
      tenantNames(
        api,
        results.map(({ tenantId }) => tenantId),
      ),
      instanceNames(
        api,
        results.flatMap(({ from, tenantId, to }) =>
          [from, to].map((instanceId) => ({ tenantId, instanceId })),
        ),
      ),
      tenantFilter(api, query),
    ]);
    const isFiltered = [query.get('state'), query.get('tenant')].some(
      (value) => value !== null && value !== '',
    );
    const [move, ...rest] = moveColumns(({ tenantId }, instanceId) => instances(tenantId, instanceId));
    return {
      title: 'Moves',
      body: [
        html`<p>Moves of devices from one Jamf Pro instance to another. A move is planned on the page of its tenant.</p>`,
        filterForm([
          select('state', 'State', [{ value: '', label: 'any' }, ...states], query.get('state') ?? ''),
          offered,
        ]),
        table<Move>(
          'Moves',
          [
            ...(move === undefined ? [] : [move]),
            { title: 'Tenant', cell: ({ tenantId }) => tenant(tenantId) },
            ...rest,
          ],
          results,
          isFiltered
            ? html`No move is like that. <a href="/moves">Show all of them</a>.`
            : html`No device has been moved. Open a <a href="/tenants">tenant</a> to plan a move between its instances.`,
        ),
        pager(query, totalCount, pageSize),
      ],
    };
  },
};
