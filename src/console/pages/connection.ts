import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { confirm, confirmStep, readConfirmation } from '../connect/confirm.ts';
import {
  type Consent,
  consentsPart,
  consoleAddress,
  intunePart,
  type Links,
  linksForm,
  linksPart,
  type Tenant,
} from '../connect/parts.ts';
import { type Step, stepOfState, stepsOf } from '../connect/steps.ts';
import { card, none, reasonField, writeForm } from '../parts.ts';
import type { ConsolePage, GoOn, PageContent, Visit } from '../visit.ts';

/** A tenant's way from its entry here to connected. It is left and taken up again at any time. */

type Shown = Exclude<Step, 'tenant'>;

const titles: Readonly<Record<Shown, string>> = {
  consents: 'Consents',
  intune: 'Application id for Intune',
  confirm: 'Confirm the connection',
};

const readTenant = ({ api, param }: Visit): Promise<Tenant> =>
  api.get<Tenant>(at`/tenants/${param('tenantId')}`);

const readConsents = async ({ api }: Visit, { tenantId }: Tenant): Promise<readonly Consent[]> =>
  (await api.get<{ results: Consent[] }>(at`/tenants/${tenantId}/consents`)).results;

const frame = (tenant: Tenant, step: Shown, body: readonly Html[]): PageContent => ({
  title: `${titles[step]}: ${tenant.displayName}`,
  above: [
    ['Tenants', '/tenants'],
    [tenant.displayName, at`/tenants/${tenant.tenantId}`],
  ],
  body: [stepsOf(step, tenant.tenantId), ...body],
});

const onlyAdmin = html`<p class="quiet">Going on takes the role admin.</p>`;

/** A manual tenant's own application is granted by its administrator in Entra; nothing comes back from there. */
const ownConsent = ({ may, person }: Visit, tenant: Tenant): Html =>
  card('The tenant’s own application', [
    html`<p>This tenant has the connection type manual. Its administrator grants the permissions to the application that he
      registered: Microsoft Entra admin center, App registrations, the application, API permissions, Grant admin consent.</p>`,
    may('admin')
      ? writeForm(person, {
          action: `${consoleAddress(tenant)}/links`,
          className: 'fields',
          content: html`${reasonField()}<p><button class="main">It is granted, go on</button></p>`,
        })
      : onlyAdmin,
  ]);

async function consentsStep(visit: Visit, tenant: Tenant): Promise<Html[]> {
  if (tenant.connectionType === 'manual') return [ownConsent(visit, tenant)];
  const consents = await readConsents(visit, tenant);
  const isGiven = consents.length > 0 && consents.every((consent) => consent.state === 'given');
  const skip =
    tenant.connectionState === 'new'
      ? html`<p>Were they given before, to an earlier gateway? <a href="${consoleAddress(tenant)}?step=confirm">Confirm finds out</a>.</p>`
      : none;
  const links = visit.may('admin') ? linksForm(visit.person, tenant, consents) : onlyAdmin;
  return [
    html`<p>The connection needs the agreement of the tenant to ${consents.length === 1 ? 'one application' : `${consents.length} applications`}.
      You can leave this page: it shows where it stands when you come back.</p>`,
    consentsPart(tenant, consents),
    isGiven ? html`<details><summary>Ask for the consents again</summary>${links}</details>` : links,
    skip,
  ];
}

async function intuneStep(visit: Visit, tenant: Tenant): Promise<Html[]> {
  const consents = await readConsents(visit, tenant);
  const { results: clouds } = await visit.api.get<{ results: { name: string; portal: string }[] }>('/clouds');
  const applicationId =
    tenant.connectionType === 'manual'
      ? tenant.application?.clientId
      : consents.find(({ app }) => app === 'connector')?.clientId;
  const missing = consents.filter((consent) => consent.state !== 'given' && consent.state !== 'not-asked');
  return [
    missing.length === 0
      ? none
      : html`<p class="problem">A consent is still missing: <a href="${consoleAddress(tenant)}?step=consents">see which one</a>.</p>`,
    intunePart(tenant, applicationId, clouds.find(({ name }) => name === tenant.cloud)?.portal),
  ];
}

/** The step at which whoever comes back goes on: that of the state, or the confirmation that was tried since. */
async function stepToGoOn(visit: Visit, tenant: Tenant): Promise<Shown> {
  const { startedAt, state } = await readConfirmation(visit, tenant);
  if (state === 'running') return 'confirm';
  const usual = stepOfState(tenant.connectionState, tenant.connectionType === 'manual');
  if (usual !== 'intune' || startedAt === null) return usual;
  const consents = await readConsents(visit, tenant);
  return consents.every(({ at: given }) => given === null || given < startedAt) ? 'confirm' : usual;
}

async function show(visit: Visit): Promise<PageContent> {
  const tenant = await readTenant(visit);
  const asked = visit.query.get('step');
  const isStep = (text: string | null): text is Shown => text !== null && Object.hasOwn(titles, text);
  const step = isStep(asked) ? asked : await stepToGoOn(visit, tenant);
  switch (step) {
    case 'consents':
      return frame(tenant, step, await consentsStep(visit, tenant));
    case 'intune':
      return frame(tenant, step, await intuneStep(visit, tenant));
    case 'confirm':
      return frame(tenant, step, await confirmStep(visit, tenant));
  }
}

/** The links are in this answer only, so it is the page itself and no other leads to it. */
async function makeLinks(visit: Visit, form: URLSearchParams): Promise<GoOn | PageContent> {
  const path = at`/tenants/${visit.param('tenantId')}/connect`;
  const { body: links } = await visit.api.write<Links>('POST', path, { reason: form.get('reason') ?? '' });
  const tenant = await readTenant(visit);
  if (links.consentUrls.length === 0) return { goTo: `${consoleAddress(tenant)}?step=intune` };
  const consents = await readConsents(visit, tenant);
  return frame(tenant, 'consents', [linksPart(tenant, links), consentsPart(tenant, consents)]);
}

export const connection: ConsolePage = {
  path: '/tenants/:tenantId/connect',
  show,
  notices: { created: 'The tenant is added. Nothing was sent to Microsoft yet.' },
  acts: { links: makeLinks, confirm },
};
