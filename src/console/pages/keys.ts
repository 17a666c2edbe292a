import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { tenantNames } from '../names.ts';
import { badge, card, facts, id, pager, reasonField, select, table, time, writeForm } from '../parts.ts';
import type { ConsolePage, Form, PageContent, Person, Visit } from '../visit.ts';

/** Operators' keys: who has which role where, making one and revoking it. */

export interface Key {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly tenants: readonly string[] | null;
  readonly prefix: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly expired: boolean;
  readonly lastUsedAt: string | null;
}

const pageSize = 100;
/** The names that a row shows before it only counts the rest. */
export const tenantsShown = 3;

const roles = [
  { value: 'viewer', label: 'viewer: reads' },
  { value: 'operator', label: 'operator: also devices, moves, reports, pause and resume' },
  { value: 'admin', label: 'admin: everything' },
];

export function tenantsOf(tenants: readonly string[] | null, tenant: (tenantId: string) => Html): Html {
  if (tenants === null) return html`all tenants`;
  if (tenants.length === 0) return html`no tenant`;
  return html`${tenants.slice(0, tenantsShown).map((one) => html`${tenant(one)}<br />`)}${tenants.length > tenantsShown ? html`and ${tenants.length - tenantsShown} more` : ''}`;
}

const newKeyForm = (person: Person): Html =>
  card(
    'Make a key',
    writeForm(person, {
      action: '/keys/create',
      className: 'fields',
      content: html`<label>Name, of the person or program that will have it
          <input name="name" required maxlength="100" autocomplete="off" /></label>
        ${select('role', 'Role', roles, 'viewer')}
        <label>Tenants, one id a line; empty for all of them
          <textarea name="tenants" rows="3">${person.tenants === null ? '' : person.tenants.join('\n')}</textarea></label>
        <label>Ends, UTC; empty for never <input name="expiresAt" type="datetime-local" /></label>
        ${reasonField()}
        <p><button class="main">Make the key</button></p>`,
    }),
  );

async function create({ api }: Visit, form: Form): Promise<PageContent> {
  const tenants = (form.get('tenants') ?? '').split(/[\s,]+/).filter((one) => one !== '');
  const expires = form.get('expiresAt') ?? '';
  const { body } = await api.write<{ id: string; key: string }>('POST', '/keys', {
    reason: form.get('reason') ?? undefined,
    body: {
      name: form.get('name') ?? '',
      role: form.get('role') ?? '',
      ...(tenants.length === 0 ? {} : { tenants }),
      ...(expires === '' ? {} : { expiresAt: `${expires.length === 16 ? `${expires}:00` : expires}Z` }),
    },
  });
  return {
    title: 'The key is made',
    above: [['Keys', '/keys']],
    body: card('Copy it now', [
      html`<p>It is shown this once. Espalier keeps only its hash; whoever loses it needs a new one.</p>
        <p><code class="secret" data-copy>${body.key}</code></p>
        <p><a class="button" href="/keys">I have copied it</a></p>`,
    ]),
  };
}

export const keys: ConsolePage = {
  path: '/keys',
  menu: { label: 'Keys', key: 'k', role: 'admin' },
  notices: { revoked: 'The key was revoked. It opens nothing any more, and its sessions ended.' },
  acts: { create },
  show: async ({ api, person, query }) => {
    const { results, totalCount } = await api.get<{ totalCount: number; results: Key[] }>('/keys', {
      page: query.get('page') ?? 0,
      'page-size': pageSize,
    });
    const tenant = await tenantNames(
      api,
      results.flatMap(({ tenants }) => tenants?.slice(0, tenantsShown) ?? []),
    );
    return {
      title: 'Keys',
      body: [
        html`<p>Each person and each program has a key of its own, with the role and the tenants that it needs. <a href="/sessions">Sessions</a> lists the browsers that are signed in.</p>`,
        table<Key>(
          'Keys',
          [
            {
              title: 'Key',
              cell: (key) =>
                html`<a href="${at`/keys/${key.id}`}">${key.name}</a> ${key.expired ? badge('expired', 'bad') : ''}<br /><code class="id">${key.prefix}…</code>`,
            },
            { title: 'Role', cell: ({ role }) => role },
            { title: 'For', cell: ({ tenants }) => tenantsOf(tenants, tenant) },
            { title: 'Made', cell: ({ createdAt }) => time(createdAt) },
            { title: 'Ends', cell: ({ expiresAt }) => time(expiresAt) },
            { title: 'Last used', cell: ({ lastUsedAt }) => time(lastUsedAt) },
          ],
          results,
          'No key is made yet. You are here with the key of the first start; make one for yourself below.',
        ),
        pager(query, totalCount, pageSize),
        newKeyForm(person),
      ],
    };
  },
};

export const key: ConsolePage = {
  path: '/keys/:keyId',
  acts: {
    revoke: async ({ api, param }, form) => {
      await api.write('DELETE', at`/keys/${param('keyId')}`, { reason: form.get('reason') ?? undefined });
      return { goTo: '/keys', done: 'revoked' };
    },
  },
  show: async ({ api, param, person }) => {
    const one = await api.get<Key>(at`/keys/${param('keyId')}`);
    const tenant = await tenantNames(api, one.tenants ?? []);
    const own = person.id === one.id;
    return {
      title: one.name,
      above: [['Keys', '/keys']],
      body: [
        card('Key', [
          facts([
            ['Role', one.role],
            [
              'For',
              one.tenants === null
                ? 'all tenants'
                : html`${one.tenants.map((each) => html`${tenant(each)}<br />`)}`,
            ],
            ['Begins with', html`<code>${one.prefix}…</code>`],
            ['Made', time(one.createdAt)],
            ['Ends', time(one.expiresAt)],
            ['Last used', time(one.lastUsedAt)],
            ['Id', id(one.id)],
          ]),
          html`<p><a href="${`/history?kind=key&object=${one.id}`}">Its entries in the history</a></p>`,
        ]),
        card('Revoke it', [
          html`<p>From the next request on this key opens nothing, and every browser that was signed in with it is signed out. ${own ? html`<strong>It is the key that you are signed in with.</strong>` : ''} This cannot be taken back.</p>`,
          writeForm(person, {
            action: at`/keys/${one.id}/revoke`,
            className: 'fields',
            content: html`${reasonField()}<p><button class="danger" data-ask="Revoke this key?">Revoke the key</button></p>`,
          }),
        ]),
      ],
    };
  },
};
