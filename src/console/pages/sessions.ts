import { html } from 'hono/html';
import { at } from '../api.ts';
import { tenantNames } from '../names.ts';
import { actButton, badge, pager, table, time } from '../parts.ts';
import type { ConsolePage } from '../visit.ts';
import { tenantsOf, tenantsShown } from './keys.ts';

/** Browsers that are signed in, and ending one. */

interface Session {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly keyId: string | null;
  readonly objectId: string | null;
  readonly tenants: readonly string[] | null;
  readonly current: boolean;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  readonly expiresAt: string;
}

const pageSize = 100;

const signedInWith = ({ keyId, objectId }: Session): string => {
  if (objectId !== null) return 'Microsoft Entra';
  return keyId === null ? 'the key of the first start' : 'a key';
};

export const sessions: ConsolePage = {
  path: '/sessions',
  notices: {
    ended: 'The session ended. Its browser is signed out, and open pages lead to the sign-in within seconds.',
  },
  acts: {
    end: async ({ api }, form) => {
      await api.write('DELETE', at`/sessions/${form.get('session') ?? ''}`);
      return { goTo: '/sessions', done: 'ended' };
    },
  },
  show: async ({ api, person, query }) => {
    const { results, totalCount } = await api.get<{ totalCount: number; results: Session[] }>('/sessions', {
      page: query.get('page') ?? 0,
      'page-size': pageSize,
    });
    const tenant = await tenantNames(
      api,
      results.flatMap(({ tenants }) => tenants?.slice(0, tenantsShown) ?? []),
    );
    return {
      title: 'Sessions',
      body: [
        html`<p>Browsers that are signed in. A session ends after half an hour without a request, and with its key.</p>`,
        table<Session>(
          'Sessions',
          [
            {
              title: 'Who',
              cell: ({ current, name, role }) =>
                html`${name} ${current ? badge('this browser', 'good') : ''}<br /><span class="quiet">role ${role} at the sign-in</span>`,
            },
            { title: 'With', cell: signedInWith },
            { title: 'Sees', cell: ({ tenants }) => tenantsOf(tenants, tenant) },
            { title: 'Begun', cell: ({ createdAt }) => time(createdAt) },
            { title: 'Last seen', cell: ({ lastSeenAt }) => time(lastSeenAt) },
            { title: 'Ends', cell: ({ expiresAt }) => time(expiresAt) },
            {
              title: 'End',
              cell: ({ current, id }) =>
                actButton(person, {
                  action: '/sessions/end',
                  label: current ? 'Sign out' : 'End',
                  ask: 'End this session?',
                  fields: { session: id },
                }),
            },
          ],
          results,
          'Nobody is signed in with a browser.',
        ),
        pager(query, totalCount, pageSize),
      ],
    };
  },
};
