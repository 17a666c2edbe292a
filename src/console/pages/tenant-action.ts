import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { type ApiAnswer, at } from '../api.ts';
import { card, none, reasonField, writeForm } from '../parts.ts';
import { aboveTenant, readTenant, type Tenant, tenantPath } from '../tenant.ts';
import { type PlannedName, planned } from '../tenant-actions.ts';
import type { ConsolePage, Form, GoOn, PageContent, Visit } from '../visit.ts';

/** What an action will do to a tenant's connection, the form that does it, and what came of it. */

const named = ({ param }: Visit): PlannedName | undefined =>
  (Object.keys(planned) as PlannedName[]).find((name) => name === param('action'));

const unknown: PageContent = {
  title: 'There is no such page',
  body: html`<p>The address names nothing that can be done to a tenant.</p>`,
  status: 404,
};

const titleOf = (name: PlannedName, { displayName }: Tenant): string =>
  `${planned[name].label}: ${displayName}`;

const retractChoice = html`<fieldset>
  <legend>What Intune shall hold of the devices</legend>
  <label class="inline"><input type="radio" name="retract" value="false" checked /> Leave what it was told last</label>
  <label class="inline"><input type="radio" name="retract" value="true" /> Retract: every device becomes not managed and not compliant first</label>
</fieldset>`;

function form(visit: Visit, name: PlannedName, { body, etag }: ApiAnswer<Tenant>): Html {
  const { danger, label } = planned[name];
  return writeForm(visit.person, {
    action: at`/tenants/${body.id}/actions/${name}/go`,
    className: 'fields',
    content: html`
      <input type="hidden" name="version" value="${etag ?? ''}" />
      ${name === 'disconnect' ? retractChoice : none}
      ${reasonField()}
      <p class="actions">
        <button class="${danger === true ? 'danger' : 'main'}">${label}</button>
        <a href="${at`/tenants/${body.id}`}">Back without doing it</a>
      </p>`,
  });
}

async function show(visit: Visit): Promise<PageContent> {
  const name = named(visit);
  if (name === undefined) return unknown;
  const tenant = await readTenant(visit);
  const plan = await planned[name].plan(visit, tenant.body);
  return {
    title: titleOf(name, tenant.body),
    above: aboveTenant(tenant.body),
    body: [
      card('What it will do', plan),
      visit.may(planned[name].role)
        ? form(visit, name, tenant)
        : html`<p>Your role may not do this. Ask somebody with the role ${planned[name].role}.</p>`,
    ],
  };
}

const result = (name: PlannedName, tenant: Tenant, body: readonly Html[]): PageContent => ({
  title: titleOf(name, tenant),
  above: aboveTenant(tenant),
  body: [
    ...body,
    html`<p class="actions"><a class="button main" href="${at`/tenants/${tenant.id}`}">To the tenant</a></p>`,
  ],
});

interface Waiting {
  readonly approvalId?: string;
}

const waiting = (approvalId: string): Html =>
  html`<p class="notice" role="status">Nothing is done yet. Another operator has to approve it first: see <a href="${at`/approvals/${approvalId}`}">what waits</a>.</p>`;

const doneOf: Readonly<Record<PlannedName, string>> = {
  pause: 'paused',
  resume: 'resumed',
  resync: 'resynced',
  disable: 'disabled',
  disconnect: 'disconnected',
};

async function go(visit: Visit, given: Form): Promise<GoOn | PageContent> {
  const name = named(visit);
  if (name === undefined) return unknown;
  const { body: tenant } = await readTenant(visit);
  const { body, status } = await visit.api.write<Waiting>('POST', `${tenantPath(visit)}/${name}`, {
    ifMatch: given.get('version') || undefined,
    reason: given.get('reason') ?? undefined,
    ...(name === 'disconnect' ? { body: { retract: given.get('retract') === 'true' } } : {}),
  });
  if (status === 202 && body.approvalId !== undefined)
    return result(name, tenant, [waiting(body.approvalId)]);
  return { goTo: at`/tenants/${tenant.id}`, done: doneOf[name] };
}

export const tenantAction: ConsolePage = {
  path: '/tenants/:tenantId/actions/:action',
  show,
  acts: { go },
};
