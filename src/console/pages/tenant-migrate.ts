import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { badge, card, counted, facts, none, reasonField, select, table, time, writeForm } from '../parts.ts';
import { aboveTenant, readTenant, type Tenant, tenantPath } from '../tenant.ts';
import type { ConsolePage, Form, GoOn, PageContent, Visit } from '../visit.ts';

/** A change of mode or connection type: chosen, shown as the API's plan, and what Espalier can do of it done. */

interface Target {
  readonly mode: Tenant['mode'];
  readonly connectionType: Tenant['connectionType'];
}

interface PlanStep {
  readonly name: string;
  readonly who: 'espalier' | 'operator';
  readonly done: boolean;
  readonly detail: string;
}

interface Plan {
  readonly from: Target;
  readonly to: Target;
  readonly steps: readonly PlanStep[];
  readonly window?: { readonly endsAt: string; readonly hoursLeft: number };
  readonly dates: Readonly<
    Record<'terminatedAt' | 'deprovisionedAt' | 'devicesMarkedAt' | 'devicesRemovedAt', string | null>
  >;
  readonly devices: number;
  readonly warnings: readonly string[];
}

const modes = [
  { value: 'device-compliance', label: 'Device compliance' },
  { value: 'conditional-access', label: 'Conditional Access (ended by Microsoft)' },
];
const types = [
  { value: 'cloud-connector', label: 'Cloud connector' },
  { value: 'manual', label: 'Manual, with an application of its own' },
];

const isAsked = (query: URLSearchParams): boolean => query.has('mode') || query.has('connectionType');

/** Takes the wished mode and type as they were typed, because the API refuses those it does not know. */
const targetOf = (from: URLSearchParams, tenant: Tenant) => ({
  mode: from.get('mode') || tenant.mode,
  connectionType: from.get('connectionType') || tenant.connectionType,
});

const chooser = (
  tenant: Tenant,
  to: { mode: string; connectionType: string },
): Html => html`<form class="filters" method="get">
  ${select('mode', 'Mode', modes, to.mode)}
  ${select('connectionType', 'Connection type', types, to.connectionType)}
  <button>Show the plan</button>
  <a href="${at`/tenants/${tenant.id}`}">Back</a>
</form>`;

const dated = (at: string | null): Html | null => (at === null ? null : time(at));

const planOf = ({ dates, devices, steps, warnings, window }: Plan): Html[] => [
  ...warnings.map((warning) => html`<p class="warning">${warning}</p>`),
  table<PlanStep>(
    'Steps of the migration',
    [
      { title: 'Step', cell: ({ name }) => html`<code>${name}</code>` },
      { title: 'Who', cell: ({ who }) => badge(who === 'espalier' ? 'Espalier' : 'you') },
      { title: 'State', cell: ({ done }) => (done ? badge('done', 'good') : badge('to do', 'warn')) },
      { title: 'What is done', cell: ({ detail }) => detail },
    ],
    steps,
    'Nothing has to be done: the tenant is so already.',
  ),
  card(
    'Dates',
    facts([
      ['Kept with routes and reports', counted(devices, 'device')],
      ['Registered Macs go on if connected until', window && time(window.endsAt)],
      ['Connection ended by Intune', dated(dates.terminatedAt)],
      ['Connection ended from here', dated(dates.deprovisionedAt)],
      ['Devices marked as not reporting', dated(dates.devicesMarkedAt)],
      ['Devices removed at Intune', dated(dates.devicesRemovedAt)],
    ]),
  ),
];

async function show(visit: Visit): Promise<PageContent> {
  const { body: tenant, etag } = await readTenant(visit);
  const to = targetOf(visit.query, tenant);
  const frame = { title: `Migrate ${tenant.displayName}`, above: aboveTenant(tenant) };
  if (!visit.may('admin')) return { ...frame, body: html`<p>A migration is for the role admin.</p>` };
  if (!isAsked(visit.query))
    return {
      ...frame,
      body: [
        html`<p>Choose what the tenant shall become. The next page shows every step, who takes it and what is done already. Nothing is changed by looking.</p>`,
        chooser(tenant, to),
      ],
    };
  const plan = await visit.api.dryRun<Plan>(visit.person, `${tenantPath(visit)}/migrate`, to);
  const ours = plan.steps.filter(({ done, who }) => who === 'espalier' && !done);
  return {
    ...frame,
    body: [
      chooser(tenant, to),
      ...planOf(plan),
      ours.length === 0
        ? none
        : writeForm(visit.person, {
            action: at`/tenants/${tenant.id}/migrate/go`,
            className: 'fields',
            content: html`
              <p>Espalier takes: ${ours.map(({ name }) => html`<code>${name}</code> `)}</p>
              <input type="hidden" name="version" value="${etag ?? ''}" />
              <input type="hidden" name="mode" value="${to.mode}" />
              <input type="hidden" name="connectionType" value="${to.connectionType}" />
              ${reasonField()}
              <p class="actions"><button class="danger">Take the steps of Espalier</button></p>`,
          }),
    ],
  };
}

async function go(visit: Visit, form: Form): Promise<GoOn | PageContent> {
  const { body: tenant } = await readTenant(visit);
  const to = targetOf(form, tenant);
  await visit.api.write<Plan>('POST', `${tenantPath(visit)}/migrate?dry-run=false`, {
    ifMatch: form.get('version') || undefined,
    reason: form.get('reason') ?? undefined,
    body: to,
  });
  return { goTo: `${at`/tenants/${tenant.id}/migrate`}?${new URLSearchParams(to)}`, done: 'migrated' };
}

export const tenantMigrate: ConsolePage = {
  path: '/tenants/:tenantId/migrate',
  notices: { migrated: 'Espalier has taken its steps. What is left is shown below.' },
  show,
  acts: { go },
};
