import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { badge, card, id, none, reasonField, type Tone, table, time, writeForm } from '../parts.ts';
import type { Person } from '../visit.ts';
import { englishMail, frenchMail } from './mail.ts';

/** What the pages of a connection are made of: consents, links, Intune's side. */

export interface Tenant {
  readonly tenantId: string;
  readonly displayName: string;
  readonly cloud: string;
  readonly mode: string;
  readonly connectionType: string;
  readonly connectionState: string;
  readonly application: { readonly clientId: string } | null;
}

export interface Consent {
  readonly app: 'connector' | 'user-registration';
  readonly clientId: string;
  readonly state: 'not-asked' | 'open' | 'given' | 'declined' | 'failed' | 'expired';
  readonly detail: string | null;
  readonly remedy: string | null;
  readonly at: string | null;
  readonly linkExpiresAt: string | null;
}

export interface Links {
  readonly consentUrls: readonly { readonly app: Consent['app']; readonly url: string }[];
  readonly expiresAt: string;
}

export const consoleAddress = ({ tenantId }: Pick<Tenant, 'tenantId'>): string =>
  at`/tenants/${tenantId}/connect`;

const appNames: Readonly<Record<Consent['app'], string>> = {
  connector: 'Connector',
  'user-registration': 'User registration',
};

const consentStates: Readonly<Record<Consent['state'], readonly [text: string, tone: Tone]>> = {
  'not-asked': ['no link yet', 'quiet'],
  open: ['waiting', 'warn'],
  given: ['given', 'good'],
  declined: ['declined', 'bad'],
  failed: ['failed', 'bad'],
  expired: ['link expired', 'bad'],
};

/** Says in words how a consent stands, with the remedy where it was not given. */
const consentWords = ({ at: when, detail, linkExpiresAt, remedy, state }: Consent): Html => {
  if (state === 'given') return html`Given ${time(when)}.`;
  const link = linkExpiresAt === null ? none : html` The newest link expires ${time(linkExpiresAt)}.`;
  const said = detail === null ? none : html`<p class="quiet">Microsoft said: ${detail}</p>`;
  if (state === 'not-asked')
    return html`Make the links below and send them to an administrator of the tenant.`;
  if (state === 'open') return html`The administrator has not answered yet.${link}`;
  return html`<p>${remedy}${link}</p>${said}`;
};

/** Brings itself up to date while the administrator answers; without scripts a reload does. */
export const consentsPart = (tenant: Tenant, consents: readonly Consent[]): Html => {
  const isWhole = consents.length > 0 && consents.every(({ state }) => state === 'given');
  const address = `${consoleAddress(tenant)}?step=consents`;
  const live = isWhole
    ? none
    : html` hx-get="${address}" hx-select="#consents" hx-trigger="every 5s" hx-swap="outerHTML"`;
  return html`<div aria-live="polite"><div id="consents"${live}>
    ${table<Consent>(
      'Consents',
      [
        { title: 'Application', cell: ({ app, clientId }) => html`${appNames[app]} ${id(clientId)}` },
        { title: 'Consent', cell: ({ state }) => badge(...consentStates[state]) },
        { title: 'What is known', cell: consentWords },
      ],
      consents,
      'No application of this gateway asks for consent in this cloud.',
    )}
    ${
      isWhole
        ? html`<p>All consents are given.</p>
          <p class="actions"><a class="button main" href="${consoleAddress(tenant)}?step=intune">Go on to Intune</a></p>`
        : none
    }
  </div></div>`;
};

/** `isFirst`: no link was made since the tenant is here or its connection ended. */
export const linksForm = (person: Person, tenant: Tenant, consents: readonly Consent[]): Html => {
  const isFirst = consents.every(({ state }) => state === 'not-asked');
  const isAnyGiven = consents.some(({ state }) => state === 'given');
  const warning = isAnyGiven
    ? 'New links make the old ones void, and every consent is asked for again. What works goes on working meanwhile.'
    : 'New links make the old ones void.';
  return card(isFirst ? 'Links for the administrator' : 'New links', [
    html`<p>An administrator of the tenant who may consent for the whole organisation opens them, within an hour. They are shown
      once, on the next page, with the text of a mail.${isFirst ? none : html` ${warning}`}</p>`,
    writeForm(person, {
      action: `${consoleAddress(tenant)}/links`,
      className: 'fields',
      content: html`${reasonField()}<p><button class="${isFirst ? 'main' : 'again'}">${isFirst ? 'Make the links' : 'Make new links'}</button></p>`,
    }),
  ]);
};

const mail = (language: 'en' | 'fr', title: string, text: string): Html =>
  html`<details><summary>${title}</summary><pre class="mail" lang="${language}" tabindex="0" role="region" aria-label="${title}" data-copy>${text}</pre></details>`;

/** Shown once: the gateway keeps a digest of what makes a link work. */
export const linksPart = ({ displayName }: Tenant, { consentUrls, expiresAt }: Links): Html => {
  const of = { displayName, expiresAt, urls: consentUrls.map(({ url }) => url) };
  return card('Send these links to the administrator', [
    html`<p>Each works once. They expire ${time(expiresAt)}, and are not shown again. The second consent follows the first by
      itself; its link is for the case that it does not.</p>`,
    html`<dl class="facts">${consentUrls.map(
      ({ app, url }, index) =>
        html`<dt>${index + 1}. ${appNames[app]}</dt><dd><code class="id" data-copy>${url}</code></dd>`,
    )}</dl>`,
    mail('en', 'Mail in English', englishMail(of)),
    mail('fr', 'Mail in French', frenchMail(of)),
  ]);
};

const compliancePartner = (): Html => html`<ol>
    <li>Open <strong>Tenant administration</strong>, <strong>Connectors and tokens</strong>, <strong>Partner compliance management</strong>.</li>
    <li>Choose <strong>Add compliance partner</strong>, the partner of this connector, and the platform <strong>macOS</strong>.</li>
    <li>Assign it to the groups of the users who have Macs, never to all users.</li>
    <li>Choose <strong>Review and create</strong>, and save.</li>
    <li>Come back here and confirm.</li>
  </ol>`;

const deviceManagementPartner = (): Html => html`<ol>
    <li>Open <strong>Tenant administration</strong>, <strong>Connectors and tokens</strong>, <strong>Partner device management</strong>.</li>
    <li>Paste the application id into <strong>Specify the Microsoft Entra App ID for Jamf</strong>.</li>
    <li>Choose <strong>Save</strong>. The partner is shown as not active until the next step.</li>
    <li>Come back here and confirm.</li>
  </ol>`;

/** The Application ID page: what to copy, where it goes, and the way back. `portal` is the cloud's admin centre. */
export const intunePart = (
  tenant: Tenant,
  applicationId: string | undefined,
  portal: string | undefined,
): Html => {
  const isLegacy = tenant.mode === 'conditional-access';
  const link = `${portal}/#view/Microsoft_Intune_DeviceSettings/TenantAdminMenu/~/connectorsAndTokens`;
  return card('In the Intune admin center', [
    html`<p>${
      isLegacy
        ? 'Intune takes what this gateway sends once it knows the id of the application.'
        : 'Intune takes what this gateway sends once the compliance partner is added. The partner belongs to the application below.'
    } An Intune administrator of the tenant does this once.</p>
    <dl class="facts"><dt>Application id</dt><dd>${
      applicationId === undefined
        ? html`<span class="quiet">No connector application is set up for this cloud.</span>`
        : id(applicationId)
    }</dd></dl>`,
    portal === undefined
      ? none
      : html`<p class="actions"><a class="button" href="${link}" target="_blank" rel="noopener noreferrer">Open Intune</a></p>`,
    isLegacy ? deviceManagementPartner() : compliancePartner(),
    html`<p class="actions"><a class="button main" href="${consoleAddress(tenant)}?step=confirm">Go on to confirm</a></p>`,
  ]);
};
