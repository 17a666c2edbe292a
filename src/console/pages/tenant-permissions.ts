import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { badge, card, none, ownerWords, table, time } from '../parts.ts';
import { aboveTenant, type Cause, readTenant, tenantPath } from '../tenant.ts';
import type { ConsolePage } from '../visit.ts';

/** What the applications were granted in a tenant, beside what they must have; read at Entra now. */

interface Application {
  readonly app: string;
  readonly state: string;
  readonly expected: readonly string[];
  readonly granted: readonly string[];
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly problem?: Cause;
}

interface Line {
  readonly name: string;
  readonly expected: boolean;
  readonly granted: boolean;
  readonly mark: Html;
}

function linesOf({ expected, extra, granted, missing }: Application): Line[] {
  const names = [...new Set([...expected, ...granted])];
  return names.map((name) => ({
    name,
    expected: expected.includes(name),
    granted: granted.includes(name),
    mark: missing.includes(name)
      ? badge('missing', 'bad')
      : extra.includes(name)
        ? badge('not expected', 'warn')
        : granted.includes(name)
          ? badge('ok', 'good')
          : badge('not known'),
  }));
}

const application = (one: Application): Html =>
  card(one.app === 'connector' ? 'Connector application' : `Application ${one.app}`, [
    one.problem === undefined
      ? none
      : html`<div class="problem"><p>${one.problem.detail}</p><p><strong>What to do:</strong> ${one.problem.remedy}</p>
          <p class="quiet">It is for ${ownerWords(one.problem.owner)}.</p></div>`,
    table<Line>(
      `Permissions of ${one.app}`,
      [
        { title: 'Permission', cell: ({ name }) => html`<code>${name}</code>` },
        { title: 'Expected', cell: ({ expected }) => (expected ? 'yes' : 'no') },
        { title: 'Granted', cell: ({ granted }) => (granted ? 'yes' : 'no') },
        { title: 'State', cell: ({ mark }) => mark },
      ],
      linesOf(one),
      `Nothing is known of it: ${one.state}.`,
    ),
  ]);

export const tenantPermissions: ConsolePage = {
  path: '/tenants/:tenantId/permissions',
  show: async (visit) => {
    const { body: tenant } = await readTenant(visit);
    const { applications, checkedAt } = await visit.api.get<{
      checkedAt: string;
      applications: Application[];
    }>(`${tenantPath(visit)}/permissions`);
    return {
      title: `Permissions in ${tenant.displayName}`,
      above: aboveTenant(tenant),
      body: [
        html`<p class="quiet">Read ${time(checkedAt)}. What is missing is granted by an administrator of the tenant: connect again and have the consent given anew.</p>`,
        ...applications.map(application),
      ],
    };
  },
};
