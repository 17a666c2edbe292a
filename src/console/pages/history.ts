import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { filterForm, filterOf, instantOf, tenantFilter, textFilter, timeFilter } from '../filters.ts';
import { tenantNames } from '../names.ts';
import { id, pager, table, time } from '../parts.ts';
import type { ConsolePage, Visit } from '../visit.ts';

/** The history: each entry with its author, its values before and after, and the check of the chain. */

type Values = Readonly<Record<string, unknown>> | null;

interface Entry {
  readonly id: string;
  readonly tenantId: string | null;
  readonly recordedAt: string;
  readonly author: string;
  readonly action: string;
  readonly objectKind: string;
  readonly objectId: string | null;
  readonly objectName: string | null;
  readonly before: Values;
  readonly after: Values;
  readonly reason: string | null;
  readonly requestId: string | null;
  readonly source: string | null;
  readonly approvedBy: string | null;
}

interface Verified {
  readonly ok: boolean;
  readonly entries: number;
  readonly brokenAt?: { readonly tenantId: string | null; readonly sequence: number; readonly fault: string };
}

const pageSize = 50;
const valueCharacters = 400;

const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.length > valueCharacters ? `${text.slice(0, valueCharacters)}…` : text;
};

/** Each member that an entry names, as it was and as it is. */
function difference({ after, before }: Pick<Entry, 'before' | 'after'>): Html {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  if (names.length === 0) return html``;
  const side = (values: Values, name: string): unknown => values?.[name];
  return html`<details><summary>${names.length === 1 ? 'One value' : `${names.length} values`}</summary>
    <dl class="diff">${names.map((name) => {
      const [old, now] = [side(before, name), side(after, name)];
      return html`<dt>${name}</dt><dd>${old === undefined ? '' : html`<del>${shown(old)}</del> `}${now === undefined ? '' : html`<ins>${shown(now)}</ins>`}</dd>`;
    })}</dl></details>`;
}

const faults: Readonly<Record<string, string>> = {
  changed: 'was changed after it was written',
  missing: 'is not there any more',
  unexpected: 'was not written by Espalier',
};

/** Says what `verify` found, with the number of entries that were looked at. */
async function verification({ api, query }: Visit): Promise<Html> {
  if (query.get('verify') === null) return html``;
  const { brokenAt, entries, ok } = await api.get<Verified>('/history/verify');
  if (ok || brokenAt === undefined)
    return html`<p class="notice" role="status">All ${entries} entries that you may see are as they were written.</p>`;
  return html`<div class="problem" role="alert"><p><strong>The history is not as it was written.</strong></p>
    <p>Entry ${brokenAt.sequence} of ${brokenAt.tenantId === null ? 'the chain of no tenant' : html`the tenant ${id(brokenAt.tenantId)}`} ${faults[brokenAt.fault] ?? brokenAt.fault}. ${entries} entries were found right before it; nothing after it was looked at.</p></div>`;
}

const asked = (query: URLSearchParams): string | undefined =>
  filterOf([
    ['tenantId', '==', query.get('tenant')],
    ['author', '==', query.get('author')],
    ['action', '==', query.get('action')],
    ['objectKind', '==', query.get('kind')],
    ['objectId', '==', query.get('object')],
    ['recordedAt', '>=', instantOf(query.get('from'))],
    ['recordedAt', '<=', instantOf(query.get('to'))],
  ]);

/** The same entries as Jamf Pro writes its own: what a log server is fed. */
function asLines({ c }: Visit, filter: string | undefined): Html {
  const address = new URL('/api/v1/history', c.req.url);
  if (filter !== undefined) address.searchParams.set('filter', filter);
  const command = `curl -H 'Accept: text/plain' -H "Authorization: Bearer $ESPALIER_API_KEY" '${address.href.replaceAll("'", '%27')}'`;
  return html`<details><summary>As lines of JAMFChangeManagement.log</summary>
    <p>This command prints all entries that match, oldest first, as Jamf Pro writes its own changes.</p>
    <p><code data-copy>${command}</code></p></details>`;
}

const subject = ({ objectId, objectKind, objectName }: Entry): Html =>
  html`${objectKind} ${objectName ?? ''}${objectId === null ? '' : html`<br />${id(objectId)}`}`;

async function filters({ api, query }: Visit): Promise<Html> {
  return filterForm([
    await tenantFilter(api, query),
    textFilter(query, 'author', 'Author', 'key ann*'),
    textFilter(query, 'action', 'Action', 'connection.*'),
    textFilter(query, 'kind', 'Kind of object', 'tenant, instance, key…'),
    textFilter(query, 'object', 'Id of the object'),
    timeFilter(query, 'from', 'From'),
    timeFilter(query, 'to', 'To'),
  ]);
}

export const history: ConsolePage = {
  path: '/history',
  menu: { label: 'History', key: 'h' },
  show: async (visit) => {
    const { api, query } = visit;
    const filter = asked(query);
    const { results, totalCount } = await api.get<{ totalCount: number; results: Entry[] }>('/history', {
      page: query.get('page') ?? 0,
      'page-size': pageSize,
      filter,
    });
    const tenant = await tenantNames(
      api,
      results.map(({ tenantId }) => tenantId),
    );
    return {
      title: 'History',
      body: [
        await verification(visit),
        await filters(visit),
        table<Entry>(
          'History',
          [
            { title: 'When', cell: ({ recordedAt }) => time(recordedAt) },
            {
              title: 'Who',
              cell: ({ approvedBy, author, source }) =>
                html`${author}${approvedBy === null ? '' : html`<br /><span class="quiet">approved by ${approvedBy}</span>`}${source === null ? '' : html`<br /><span class="quiet">${source}</span>`}`,
            },
            {
              title: 'Did',
              cell: (entry) =>
                html`<code>${entry.action}</code>${entry.reason === null ? '' : html`<br />${entry.reason}`}${difference(entry)}`,
            },
            { title: 'To', cell: subject },
            { title: 'Tenant', cell: ({ tenantId }) => (tenantId === null ? '' : tenant(tenantId)) },
          ],
          results,
          filter === undefined
            ? 'Nothing has been done yet.'
            : html`No entry is like that. <a href="/history">Show all of them</a>.`,
        ),
        pager(query, totalCount, pageSize),
        html`<form class="actions"><input type="hidden" name="verify" value="1" /><button>Verify the history</button>
          <span class="quiet">Each entry holds the hash of the one before, so that a changed or missing one is found.</span></form>`,
        asLines(visit, filter),
      ],
    };
  },
};
