import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { type ApiAnswer, at } from '../api.ts';
import { card, id, none, reasonField, time, writeForm } from '../parts.ts';
import { stepTable } from '../steps.ts';
import { aboveTenant, readTenant, type Step, type Tenant, tenantPath } from '../tenant.ts';
import { type ActionName, actions } from '../tenant-actions.ts';
import type { ConsolePage, Form, GoOn, PageContent, Visit } from '../visit.ts';

/** What an action will do to a tenant's connection, the form that does it, and what came of it. */

const named = ({ param }: Visit): ActionName | undefined =>
  (Object.keys(actions) as ActionName[]).find((name) => name === param('action'));

const unknown: PageContent = {
  title: 'There is no such page',
  body: html`<p>The address names nothing that can be done to a tenant.</p>`,
  status: 404,
};

const titleOf = (name: ActionName, { displayName }: Tenant): string =>
  `${actions[name].label}: ${displayName}`;

const retractChoice = html`<fieldset>
  <legend>What Intune shall hold of the devices</legend>
  <label class="inline"><input type="radio" name="retract" value="false" checked /> Leave what it was told last</label>
  <label class="inline"><input type="radio" name="retract" value="true" /> Retract: every device becomes not managed and not compliant first</label>
</fieldset>`;

function form(visit: Visit, name: ActionName, { body, etag }: ApiAnswer<Tenant>): Html {
  const { danger, label } = actions[name];
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
  const plan = await actions[name].plan(visit, tenant.body);
  return {
    title: titleOf(name, tenant.body),
    above: aboveTenant(tenant.body),
    body: [
      card('What it will do', plan),
      visit.may(actions[name].role)
        ? form(visit, name, tenant)
        : html`<p>Your role may not do this. Ask somebody with the role ${actions[name].role}.</p>`,
    ],
  };
}

const result = (name: ActionName, tenant: Tenant, body: readonly Html[]): PageContent => ({
  title: titleOf(name, tenant),
  above: aboveTenant(tenant),
  body: [
    ...body,
    html`<p class="actions"><a class="button main" href="${at`/tenants/${tenant.id}`}">To the tenant</a></p>`,
  ],
});

interface Outcome {
  readonly ok?: boolean;
  readonly steps?: readonly Step[];
  readonly consentUrls?: readonly { readonly app: string; readonly url: string }[];
  readonly expiresAt?: string;
}

const stepsDone = ({ ok, steps = [] }: Outcome): Html[] => [
  ok === true
    ? html`<p class="notice" role="status">Every step is done. The tenant is connected.</p>`
    : html`<p class="problem" role="alert">Not every step was done. Do what the failed ones say, and then press it again.</p>`,
  stepTable(steps),
];

const consentLinks = ({ consentUrls = [], expiresAt }: Outcome): Html[] => [
  html`<p>Send the first link to an administrator of the tenant. It leads on to the other consent by itself. The links work once, until ${time(expiresAt)}.</p>`,
  card(
    'Links',
    html`<dl class="facts">${consentUrls.map(
      ({ app, url }) =>
        html`<dt>${app === 'connector' ? 'First consent' : 'Second consent'}</dt><dd>${id(url)}</dd>`,
    )}</dl>`,
  ),
];

const waiting = html`<p class="notice" role="status">Nothing is done yet. Another operator has to approve it first: see <a href="/approvals">Approvals</a>.</p>`;

const doneOf: Partial<Record<ActionName, string>> = {
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
  const { body, status } = await visit.api.write<Outcome>('POST', `${tenantPath(visit)}/${name}`, {
    ifMatch: given.get('version') || undefined,
    reason: given.get('reason') ?? undefined,
    ...(name === 'disconnect' ? { body: { retract: given.get('retract') === 'true' } } : {}),
  });
  if (status === 202) return result(name, tenant, [waiting]);
  if (name === 'confirm' || name === 'enable') return result(name, tenant, stepsDone(body));
  if (name === 'connect') return result(name, tenant, consentLinks(body));
  return { goTo: at`/tenants/${tenant.id}`, done: doneOf[name] ?? '' };
}

export const tenantAction: ConsolePage = {
  path: '/tenants/:tenantId/actions/:action',
  show,
  acts: { go },
};
