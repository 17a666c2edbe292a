import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { type Api, at } from '../api.ts';
import { filterForm, filterOf, textFilter } from '../filters.ts';
import { tenantNames } from '../names.ts';
import {
  badge,
  card,
  facts,
  id,
  none,
  pager,
  reasonField,
  select,
  table,
  time,
  writeForm,
} from '../parts.ts';
import type { ConsolePage, Form, Person, Visit } from '../visit.ts';
import { tenantsOf, tenantsShown } from './keys.ts';

/** Whom Entra signs in, the tenants that they are bound to, and binding them. */

interface Operator {
  readonly id: string;
  readonly entraTenantId: string;
  /** null: everybody of the Entra tenant. */
  readonly objectId: string | null;
  readonly name: string | null;
  readonly role: string | null;
  readonly lastSeenAt: string | null;
  readonly tenants: readonly string[] | null;
  readonly assignment: 'own' | 'entra-tenant' | 'none';
  readonly assignedAt: string | null;
  readonly admitted: boolean;
}

interface List {
  readonly totalCount: number;
  readonly results: readonly Operator[];
}

const pageSize = 100;
/** What the API takes in a filter for everybody of an Entra tenant. */
const everybody = '00000000-0000-0000-0000-000000000000';

type NameOf = (tenantId: string) => Html;

const nameOf = ({ name, objectId }: Operator): string =>
  objectId === null ? 'Everybody of the Entra tenant' : (name ?? 'Not seen yet');

const because = ({ assignment, objectId }: Operator): string => {
  if (assignment === 'none') return 'nothing is assigned';
  return assignment === 'own' && objectId !== null ? 'own assignment' : 'everybody of the Entra tenant';
};

const idsOf = (form: Form): string[] =>
  (form.get('tenants') ?? '').split(/[\s,]+/).filter((tenantId) => tenantId !== '');

const choices = [
  { value: 'some', label: 'only the tenants below' },
  { value: 'all', label: 'all tenants' },
];

const tenantFields = (person: Person, tenants: readonly string[] | null): Html => {
  const shown = tenants ?? person.tenants ?? [];
  // A person who is bound to tenants cannot give anybody all tenants.
  const offered = person.tenants === null ? choices : choices.slice(0, 1);
  return html`${select('sees', 'Sees', offered, tenants === null && person.tenants === null ? 'all' : 'some')}
    <label>Tenants, one id a line; none of them: nothing is to be seen
      <textarea name="tenants" rows="3">${shown.join('\n')}</textarea></label>`;
};

async function assign({ api }: Visit, operatorId: string, form: Form, ifMatch?: string): Promise<void> {
  await api.write('PUT', at`/operators/${operatorId}`, {
    reason: form.get('reason') ?? undefined,
    ifMatch,
    body: { tenants: form.get('sees') === 'all' ? null : idsOf(form) },
  });
}

const assignForm = (person: Person): Html =>
  card('Bind somebody who has not come yet', [
    html`<p>The ids are in Entra: of the tenant on its overview, of a person under Users, of an application under Enterprise applications.</p>`,
    writeForm(person, {
      action: '/operators/assign',
      className: 'fields',
      content: html`<label>Entra tenant, its id <input name="entraTenant" required autocomplete="off" spellcheck="false" /></label>
        <label>Object id of the person or application; empty for everybody of the Entra tenant <input name="object" autocomplete="off" spellcheck="false" /></label>
        ${tenantFields(person, [])}
        ${reasonField()}
        <p><button class="main">Assign</button></p>`,
    }),
  ]);

const organisations = (rows: readonly Operator[], tenant: NameOf): Html =>
  table<Operator>(
    'Entra tenants',
    [
      {
        title: 'Entra tenant',
        cell: ({ admitted, entraTenantId }) =>
          html`${tenant(entraTenantId)} ${admitted ? none : badge('may not sign in', 'quiet')}`,
      },
      { title: 'Its people see', cell: (row) => tenantsOf(row.tenants, tenant) },
      { title: 'Assigned', cell: ({ assignedAt }) => time(assignedAt) },
      {
        title: 'Binding',
        cell: (row) =>
          html`<a href="${at`/operators/${row.id}`}">${row.assignedAt === null ? 'Bind its people' : 'Change'}</a>`,
      },
    ],
    rows,
    'Nobody signs in with Entra yet. ESPALIER_OPERATOR_TENANTS names the Entra tenants whose people may.',
  );

const people = (rows: readonly Operator[], tenant: NameOf): Html =>
  table<Operator>(
    'People and applications',
    [
      {
        title: 'Who',
        cell: (row) =>
          html`<a href="${at`/operators/${row.id}`}">${nameOf(row)}</a><div class="quiet">${row.role === null ? id(row.objectId ?? '') : `role ${row.role}`}</div>`,
      },
      { title: 'Entra tenant', cell: ({ entraTenantId }) => tenant(entraTenantId) },
      {
        title: 'Sees',
        cell: (row) => html`${tenantsOf(row.tenants, tenant)}<div class="quiet">${because(row)}</div>`,
      },
      { title: 'Last seen', cell: ({ lastSeenAt }) => time(lastSeenAt) },
    ],
    rows,
    'Nobody has signed in with Entra. Whoever does is listed here with the role that Entra gave.',
  );

const namesFor = (api: Api, rows: readonly Operator[]) =>
  tenantNames(
    api,
    rows.flatMap(({ entraTenantId, tenants }) => [entraTenantId, ...(tenants?.slice(0, tenantsShown) ?? [])]),
  );

export const operators: ConsolePage = {
  path: '/operators',
  menu: { label: 'Operators', key: 'p', role: 'admin' },
  notices: {
    assigned: 'The assignment holds from the next request on.',
    ended: 'The assignment ended. It holds from the next request on.',
  },
  acts: {
    assign: async (visit, form) => {
      const object = (form.get('object') ?? '').trim();
      const entraTenant = (form.get('entraTenant') ?? '').trim();
      await assign(visit, object === '' ? entraTenant : `${entraTenant}:${object}`, form);
      return { goTo: '/operators', done: 'assigned' };
    },
  },
  show: async ({ api, person, query }) => {
    const wanted = filterOf([['name', '==', query.get('name')]]);
    const [tenantsOfEntra, found] = await Promise.all([
      api.get<List>('/operators', { filter: `objectId==${everybody}`, 'page-size': pageSize }),
      api.get<List>('/operators', {
        filter: [`objectId!=${everybody}`, ...(wanted === undefined ? [] : [wanted])].join(';'),
        sort: 'lastSeenAt:desc',
        page: query.get('page') ?? 0,
        'page-size': pageSize,
      }),
    ]);
    const tenant = await namesFor(api, [...tenantsOfEntra.results, ...found.results]);
    return {
      title: 'Operators',
      body: [
        html`<p>People and applications that Microsoft Entra signs in. Entra gives the role, an assignment here the tenants; <strong>whoever has none sees all tenants</strong>. <a href="/keys">Keys</a> are bound when they are made, and <a href="/sessions">Sessions</a> lists the browsers that are signed in.</p>`,
        card('Entra tenants', organisations(tenantsOfEntra.results, tenant)),
        card('People and applications', [
          filterForm([textFilter(query, 'name', 'Name', 'anna*')]),
          people(found.results, tenant),
          pager(query, found.totalCount, pageSize),
        ]),
        assignForm(person),
      ],
    };
  },
};

const bindCard = (person: Person, one: Operator, etag: string | undefined): Html =>
  card('Bind to tenants', [
    html`<p>It holds from the next request on, and on open pages within two seconds. ${one.objectId === null ? 'A person who has an assignment of his own keeps that.' : none}</p>`,
    person.kind === 'user' && person.id === one.objectId
      ? html`<p><strong>It is you.</strong> Bound to tenants, you cannot take that back yourself.</p>`
      : none,
    writeForm(person, {
      action: at`/operators/${one.id}/assign`,
      className: 'fields',
      content: html`<input type="hidden" name="etag" value="${etag ?? ''}" />
        ${tenantFields(person, one.tenants)}
        ${reasonField()}
        <p><button class="main">Assign</button></p>`,
    }),
  ]);

const endCard = (person: Person, one: Operator): Html =>
  one.assignedAt === null
    ? none
    : card('End the assignment', [
        html`<p>${one.objectId === null ? 'Its people see all tenants then, save those who have an assignment of their own.' : 'What everybody of the Entra tenant is bound to holds then. Where nothing is assigned to everybody, all tenants are seen.'}</p>`,
        writeForm(person, {
          action: at`/operators/${one.id}/unassign`,
          className: 'fields',
          content: html`${reasonField()}<p><button class="danger" data-ask="End this assignment?">End it</button></p>`,
        }),
      ]);

export const operator: ConsolePage = {
  path: '/operators/:operatorId',
  acts: {
    assign: async (visit, form) => {
      await assign(visit, visit.param('operatorId'), form, form.get('etag') || undefined);
      return { goTo: '/operators', done: 'assigned' };
    },
    unassign: async ({ api, param }, form) => {
      await api.write('DELETE', at`/operators/${param('operatorId')}`, {
        reason: form.get('reason') ?? undefined,
      });
      return { goTo: '/operators', done: 'ended' };
    },
  },
  show: async ({ api, param, person }) => {
    const { body: one, etag } = await api.read<Operator>(at`/operators/${param('operatorId')}`);
    const tenant = await tenantNames(api, [one.entraTenantId, ...(one.tenants ?? [])]);
    return {
      title: nameOf(one),
      above: [['Operators', '/operators']],
      body: [
        card('Operator', [
          facts([
            ['Entra tenant', tenant(one.entraTenantId)],
            ['Object id', one.objectId === null ? undefined : id(one.objectId)],
            ['Role', one.role],
            [
              'Sees',
              one.tenants === null || one.tenants.length === 0
                ? tenantsOf(one.tenants, tenant)
                : html`${one.tenants.map((each) => html`${tenant(each)}<br />`)}`,
            ],
            ['Because of', because(one)],
            ['Assigned', time(one.assignedAt)],
            ['Last seen', one.objectId === null ? undefined : time(one.lastSeenAt)],
          ]),
          one.admitted
            ? none
            : html`<p class="quiet">ESPALIER_OPERATOR_TENANTS does not name this Entra tenant: its people cannot sign in.</p>`,
          html`<p><a href="${`/history?kind=operator&object=${one.id}`}">Its entries in the history</a></p>`,
        ]),
        bindCard(person, one, etag),
        endCard(person, one),
      ],
    };
  },
};
