import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { instancesOf } from '../names.ts';
import { badge, type Column, named, pager, state, table, time } from '../parts.ts';
import type { ConsolePage } from '../visit.ts';

/** The moves of a tenant: which take devices from which instance to which, and how far they are. */

export interface Move {
  readonly id: string;
  readonly tenantId: string;
  readonly from: string;
  readonly to: string;
  readonly filter: string | null;
  readonly unclaimed: boolean;
  readonly shadow: boolean;
  readonly threshold: number;
  readonly stepPercent: number;
  readonly state: 'planned' | 'shadowing' | 'moving' | 'done' | 'rolled-back';
  readonly paused: boolean;
  readonly percent: number;
  readonly devices: Readonly<Record<'total' | 'planned' | 'moved' | 'rolledBack' | 'skipped', number>>;
  readonly skipped: readonly Skipped[];
  readonly pending: number;
  readonly shadowing: {
    readonly startedAt: string | null;
    readonly compared: number;
    readonly differed: number;
    readonly share: number;
    readonly needed: number;
  };
  readonly author: string;
  readonly reason: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface Skipped {
  readonly reason: string;
  readonly count: number;
}

const pageSize = 50;

const skipWords: Readonly<Record<string, string>> = {
  pinned: 'They are pinned, and pins stay.',
  'not-claimed': 'The new instance does not claim them.',
  'not-found-at-target': 'The new instance has no computer with their UDID or serial number.',
  ambiguous: 'The new instance has several computers with their UDID or serial number.',
  left: 'Their route went elsewhere meanwhile.',
};

export const skippedTable = (skipped: readonly Skipped[]): Html =>
  table<Skipped>(
    'Devices that stay where they are',
    [
      { title: 'Devices', numeric: true, cell: ({ count }) => count },
      { title: 'Why they stay', cell: ({ reason }) => skipWords[reason] ?? reason },
      { title: 'Reason', cell: ({ reason }) => html`<code>${reason}</code>` },
    ],
    skipped,
    'No device is skipped.',
  );

export const instanceName = (
  tenantId: string,
  names: ReadonlyMap<string, string>,
  instanceId: string,
): Html => named(names.get(instanceId), at`/tenants/${tenantId}/instances/${instanceId}`, instanceId);

export const progress = ({ devices }: Pick<Move, 'devices'>): Html => {
  const going = devices.total - devices.skipped;
  return html`<progress max="${Math.max(1, going)}" value="${devices.moved}" aria-label="Devices moved"></progress> ${devices.moved} of ${going}`;
};

export const stateOf = ({ paused, state: word }: Pick<Move, 'paused' | 'state'>): Html =>
  html`${state(word)}${paused ? html` ${badge('paused', 'warn')}` : ''}`;

/** The columns of a list of moves; `nameOf` says the name of an instance. */
export const moveColumns = (nameOf: (move: Move, instanceId: string) => string): readonly Column<Move>[] => [
  {
    title: 'Move',
    cell: (move) =>
      html`<a href="${at`/tenants/${move.tenantId}/moves/${move.id}`}">${nameOf(move, move.from)} to ${nameOf(move, move.to)}</a><br /><span class="quiet">${move.reason}</span>`,
  },
  { title: 'State', cell: stateOf },
  { title: 'Percent', numeric: true, cell: ({ percent }) => `${percent} %` },
  { title: 'Devices', cell: progress },
  { title: 'Begun by', cell: ({ author }) => author },
  { title: 'Changed', cell: ({ updatedAt }) => time(updatedAt) },
];

export const moves: ConsolePage = {
  path: '/tenants/:tenantId/moves',
  show: async ({ api, may, param, query }) => {
    const tenantId = param('tenantId');
    const path = at`/tenants/${tenantId}`;
    const tenant = await api.get<{ displayName: string }>(path);
    const names = await instancesOf(api, tenantId);
    const { results, totalCount } = await api.get<{ totalCount: number; results: Move[] }>(`${path}/moves`, {
      page: query.get('page') ?? 0,
      'page-size': pageSize,
    });
    return {
      title: 'Moves',
      above: [
        ['Tenants', '/tenants'],
        [tenant.displayName, path],
      ],
      body: [
        html`<p>A move takes devices from one Jamf Pro instance to another: planned, compared, cut over step by step, and taken back if need be.</p>`,
        may('operator')
          ? html`<p class="actions"><a class="button main" href="${path}/moves/new">Plan a move</a></p>`
          : html``,
        table<Move>(
          'Moves',
          moveColumns((_, instanceId) => names.get(instanceId) ?? instanceId),
          results,
          'No device of this tenant has been moved. Plan a move to see which devices would go.',
        ),
        pager(query, totalCount, pageSize),
      ],
    };
  },
};
