import { html } from 'hono/html';
import { filterForm, filterOf, textFilter } from '../filters.ts';
import { named, pager, state, table, time } from '../parts.ts';
import { tagLinks } from '../tenant.ts';
import type { ConsolePage } from '../visit.ts';

/** All tenants that the person sees. */

interface Tenant {
  readonly id: string;
  readonly displayName: string;
  readonly cloud: string;
  readonly mode: string;
  readonly connectionState: string;
  readonly connectedAt: string | null;
  readonly tags: readonly string[];
}

const pageSize = 100;

export const tenants: ConsolePage = {
  path: '/tenants',
  menu: { label: 'Tenants', key: 't' },
  show: async ({ api, may, query }) => {
    const { results, totalCount } = await api.get<{ totalCount: number; results: Tenant[] }>('/tenants', {
      filter: filterOf([['tags', '==', query.get('tag')]]),
      page: query.get('page') ?? 0,
      'page-size': pageSize,
      sort: query.get('sort') ?? 'displayName:asc',
    });
    const isFiltered = (query.get('tag') ?? '').trim() !== '';
    return {
      title: 'Tenants',
      body: [
        may('admin')
          ? html`<p class="actions"><a class="button main" href="/connect">Connect a tenant</a></p>`
          : html``,
        filterForm([textFilter(query, 'tag', 'Tag')]),
        table<Tenant>(
          'Tenants',
          [
            { title: 'Tenant', cell: ({ displayName, id }) => named(displayName, `/tenants/${id}`, id) },
            { title: 'State', cell: ({ connectionState }) => state(connectionState) },
            { title: 'Cloud', cell: ({ cloud }) => cloud },
            { title: 'Mode', cell: ({ mode }) => mode },
            { title: 'Tags', cell: ({ tags }) => tagLinks(tags) },
            { title: 'Connected', cell: ({ connectedAt }) => time(connectedAt) },
          ],
          results,
          isFiltered
            ? 'No tenant has this tag.'
            : html`No tenant is here yet. Connect the first one: it takes the id of the Entra tenant and one of its administrators.`,
        ),
        pager(query, totalCount, pageSize),
      ],
    };
  },
};
