import { html } from 'hono/html';
import { LRUCache } from 'lru-cache';
import { type AttentionKind, attentionNames } from '../../alerts/attention.ts';
import type { Html } from '../../gateway/page-layout.ts';
import { overviewsDrawn } from '../../limits.ts';
import {
  atLeast,
  badge,
  chips,
  moment,
  named,
  ownerWords,
  pager,
  state,
  type Tone,
  table,
  time,
} from '../parts.ts';
import type { ConsolePage, Visit } from '../visit.ts';
import { sentence } from '../words.ts';

/** What needs a person, and how all tenants are. The live part fetches itself anew when something has changed. */

interface Attention {
  readonly kind: AttentionKind;
  readonly tenantId: string | null;
  readonly tenantName: string | null;
  readonly instanceId: string | null;
  readonly instanceName: string | null;
  readonly cause: string;
  readonly detail: string;
  readonly remedy: string;
  readonly owner: string;
  readonly since: string | null;
  readonly count: number;
  readonly countIsLeast: boolean;
  readonly action: { readonly label: string; readonly href: string };
}

interface TenantRow {
  readonly tenantId: string;
  readonly displayName: string;
  readonly connectionState: string;
  readonly held: boolean;
  readonly paused: boolean;
  readonly instances: number;
  readonly backlog: { readonly computers: number; readonly reports: number; readonly isLeast: boolean };
  readonly oldestUndeliveredAt: string | null;
  readonly lastHeartbeatAt: string | null;
}

interface Overview {
  readonly attention: {
    readonly totalCount: number;
    readonly kinds: readonly { readonly kind: AttentionKind; readonly count: number }[];
    readonly results: readonly Attention[];
  };
  readonly totalCount: number;
  readonly results: readonly TenantRow[];
}

const pageSize = 50;
/** A longer one is an address that somebody made up, or of a person with very many tenants. */
const keyCharacters = 500;

const kindTones: Readonly<Record<AttentionKind, Tone>> = {
  'tenant-held': 'bad',
  'tenant-terminated': 'bad',
  'mass-change': 'bad',
  'approval-waiting': 'warn',
  'instance-unreachable': 'bad',
  'reports-failed': 'bad',
  'permission-drift': 'warn',
  'certificate-not-renewed': 'bad',
  'alert-target-failing': 'bad',
  'credential-expiring': 'warn',
  'connection-unfinished': 'warn',
  paused: 'quiet',
};

const subject = ({ instanceId, instanceName, tenantId, tenantName }: Attention): Html =>
  tenantId === null
    ? html`This gateway`
    : html`<a href="/tenants/${tenantId}">${tenantName ?? tenantId}</a>${
        instanceId === null
          ? ''
          : html` <span class="quiet" aria-hidden="true">/</span> <a href="/tenants/${tenantId}/instances/${instanceId}">${instanceName ?? instanceId}</a>`
      }`;

const attentionItem = (item: Attention): Html => html`<li>
  <p>${badge(attentionNames[item.kind], kindTones[item.kind])}</p>
  <div>
    <p class="subject"><strong>${subject(item)}</strong>${
      item.count > 1 || item.countIsLeast
        ? html` <span class="quiet">${atLeast(item.count, item.countIsLeast)} ${item.kind === 'reports-failed' ? 'reports' : 'devices'}</span>`
        : ''
    }</p>
    <p>${sentence(item.detail)} ${sentence(item.remedy)}</p>
    <p class="quiet">For ${ownerWords(item.owner)}${
      item.since === null
        ? ''
        : html`, ${item.kind === 'credential-expiring' ? 'until' : 'since'} ${moment(item.since)}`
    } · <code>${item.cause}</code></p>
  </div>
  <p class="do"><a class="button" href="${item.action.href}">${item.action.label}</a></p>
</li>`;

/** The kinds as links that narrow the list; the address says which one is chosen. */
const kindLinks = ({ attention: { kinds } }: Overview, chosen: string | undefined): Html =>
  chips('Kinds', [
    {
      label: 'All',
      count: kinds.reduce((sum, { count }) => sum + count, 0),
      href: '/',
      current: chosen === undefined,
    },
    ...kinds.map(({ count, kind }) => ({
      label: attentionNames[kind],
      count,
      href: `/?kind=${kind}`,
      current: kind === chosen,
    })),
  ]);

function attentionList(overview: Overview, chosen: string | undefined): Html {
  const { attention, totalCount } = overview;
  const { results } = attention;
  if (attention.kinds.length === 0)
    return html`<p class="empty">${
      totalCount === 0
        ? 'No tenant is connected yet, so nothing can need you.'
        : 'Nothing needs you at the moment.'
    }</p>`;
  return html`${kindLinks(overview, chosen)}
    ${
      results.length === 0
        ? html`<p class="empty">Nothing of this kind needs you any more.</p>`
        : html`<ul class="attention">${results.map(attentionItem)}</ul>`
    }
    ${
      attention.totalCount > results.length
        ? html`<p class="quiet">The ${results.length} most urgent of ${attention.totalCount} are shown.</p>`
        : ''
    }`;
}

const stateOf = ({ connectionState, held, paused }: TenantRow): Html =>
  html`${state(connectionState)}${held ? html` ${state('held')}` : ''}${paused ? html` ${state('paused')}` : ''}`;

function backlogOf({ backlog: { computers, isLeast, reports } }: TenantRow): Html {
  if (computers + reports === 0) return html`<span class="quiet">none</span>`;
  const parts = [
    computers > 0 ? `${atLeast(computers, isLeast && computers >= reports)} to read` : '',
    reports > 0 ? `${atLeast(reports, isLeast && reports >= computers)} to tell` : '',
  ];
  return html`${parts.filter((part) => part !== '').join(', ')}`;
}

const tenantTable = ({ may }: Visit, { results }: Overview): Html =>
  table<TenantRow>(
    'Tenants',
    [
      {
        title: 'Tenant',
        cell: ({ displayName, tenantId }) => named(displayName, `/tenants/${tenantId}`, tenantId),
      },
      { title: 'State', cell: stateOf },
      { title: 'Instances', cell: ({ instances }) => instances, numeric: true },
      { title: 'Waiting', cell: backlogOf },
      {
        title: 'Oldest waits since',
        cell: ({ oldestUndeliveredAt }) =>
          oldestUndeliveredAt === null ? html`<span class="quiet">none</span>` : time(oldestUndeliveredAt),
      },
      { title: 'Last heartbeat', cell: ({ lastHeartbeatAt }) => time(lastHeartbeatAt) },
    ],
    results,
    may('admin')
      ? html`No tenant is here yet. <a href="/connect">Connect the first one</a>: it takes the id of the Entra tenant and one of its administrators.`
      : 'You see no tenant yet. An administrator of this gateway connects one, or gives you the right to see it.',
  );

const live = (visit: Visit, found: Overview, chosen: string | undefined): Html => {
  const { query } = visit;
  const address = query.size === 0 ? '/' : `/?${query}`;
  return html`<div id="live" data-rest="20" hx-get="${address}" hx-select="#live" hx-swap="outerHTML" hx-trigger="espalier:changed from:body">
    <section aria-labelledby="attention-title">
      <h2 id="attention-title">Needs you</h2>
      ${attentionList(found, chosen)}
    </section>
    <section aria-labelledby="tenants-title">
      <h2 id="tenants-title">Tenants</h2>
      ${tenantTable(visit, found)}
      ${pager(query, found.totalCount, pageSize)}
    </section>
  </div>`;
};

interface Drawn {
  /** Of the API's answer that it was drawn from: who is given the same tag sees the same. */
  readonly tag: string;
  readonly body: Html;
}

/** Fifty people who look at the same are drawn one page. By role and address, which are not in the API's answer. */
const drawn = new LRUCache<string, Drawn>({ max: overviewsDrawn });

export const overview: ConsolePage = {
  path: '/',
  menu: { label: 'Overview', key: 'o' },
  show: async (visit) => {
    const { api, person, query } = visit;
    const chosen = query.get('kind') ?? undefined;
    const asked = { kind: chosen, page: query.get('page') ?? 0, 'page-size': pageSize };
    const key = `${person.role} ${person.tenants?.join() ?? 'all'} ${query}`;
    const known = drawn.get(key);
    const found = await api.readUnlessSame<Overview>('/overview', asked, known?.tag);
    if (found === undefined && known !== undefined) return { title: 'Overview', body: known.body };
    if (found === undefined) throw new Error('an answer is the same as none');
    const body = await live(visit, found.body, chosen);
    if (found.etag !== undefined && key.length <= keyCharacters) drawn.set(key, { tag: found.etag, body });
    return { title: 'Overview', body };
  },
};
