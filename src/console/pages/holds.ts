import { html } from 'hono/html';
import { at } from '../api.ts';
import { pager, state, table, time } from '../parts.ts';
import { aboveTenant, readTenant, tenantPath } from '../tenant.ts';
import type { ConsolePage } from '../visit.ts';

/** Mass changes of a tenant: the one in force, and what became of earlier ones. */

export interface Hold {
  readonly id: string;
  readonly state: 'open' | 'refused' | 'released' | 'over';
  readonly mode: 'hold-unmanaged' | 'hold-all' | 'alert';
  readonly percent: number;
  readonly cause: string;
  readonly macs: number;
  readonly unmanaged: number;
  readonly notCompliant: number;
  readonly held: number;
  readonly openedAt: string;
  readonly decidedBy: string | null;
  readonly decidedAt: string | null;
  readonly reason: string | null;
  readonly endedAt: string | null;
}

const pageSize = 100;

export const holds: ConsolePage = {
  path: '/tenants/:tenantId/holds',
  show: async (visit) => {
    const path = tenantPath(visit);
    const [{ body: tenant }, { results, totalCount }] = await Promise.all([
      readTenant(visit),
      visit.api.get<{ totalCount: number; results: Hold[] }>(`${path}/holds`, {
        page: visit.query.get('page') ?? 0,
        'page-size': pageSize,
      }),
    ]);
    return {
      title: `Mass changes of ${tenant.displayName}`,
      above: aboveTenant(tenant),
      body: [
        html`<p>When too many Macs become unmanaged or not compliant within an hour, a person says whether that is right before Intune locks them out.</p>`,
        table<Hold>(
          'Mass changes',
          [
            {
              title: 'What happened',
              cell: (one) => html`<a href="${at`/tenants/${tenant.id}/holds/${one.id}`}">${one.cause}</a>`,
            },
            { title: 'Held now', numeric: true, cell: ({ held }) => held.toLocaleString('en') },
            { title: 'Began', cell: ({ openedAt }) => time(openedAt) },
            { title: 'State', cell: (one) => state(one.state) },
            { title: 'Decided by', cell: ({ decidedBy }) => decidedBy },
          ],
          results,
          'Never have too many Macs changed for the worse at once.',
        ),
        pager(visit.query, totalCount, pageSize),
      ],
    };
  },
};
