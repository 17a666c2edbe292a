import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import { type ApiProblem, ApiRefusal } from './api.ts';
import type { Instance } from './instance.ts';
import { select } from './parts.ts';
import type { Form, GoOn, PageContent } from './visit.ts';

/** The settings of an instance as a form: a new one's, and those that are changed. */

export const valuesOf = ({ apiClient, compliance, ...instance }: Instance): Form =>
  new URLSearchParams({
    name: instance.name,
    url: instance.url,
    clientId: apiClient.clientId,
    secretRef: apiClient.secretRef ?? '',
    source: compliance.source,
    applicableGroup: compliance.applicableGroup ?? '',
    complianceGroup: compliance.complianceGroup ?? '',
    caCertificate: instance.caCertificate ?? '',
    clientCertificateSha256: instance.clientCertificateSha256 ?? '',
  });

const textOf = (form: Form, name: string): string => (form.get(name) ?? '').trim();

interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly required?: boolean;
  readonly type?: 'text' | 'url';
  readonly maxLength?: number;
}

const field = (values: Form, { hint, label, maxLength = 200, name, required, type = 'text' }: Field): Html =>
  html`<label>${label}
    <input name="${name}" type="${type}" maxlength="${maxLength}" autocomplete="off" value="${textOf(values, name)}"${
      required === true ? html` required` : html``
    } />${hint === undefined ? html`` : html`<span class="quiet">${hint}</span>`}
  </label>`;

const sources = [
  { value: 'jamf', label: "Jamf Pro's own verdict, from its device compliance settings" },
  { value: 'smart-group', label: 'Membership of a smart group' },
];

/** A secret that was typed is never put into a page again. */
export const instanceFields = (values: Form, isNew: boolean): Html => html`
  ${field(values, { name: 'name', label: 'Name', required: true, maxLength: 100, hint: 'As your colleagues call it. Unique within the tenant.' })}
  ${field(values, { name: 'url', label: 'Address', type: 'url', required: true, maxLength: 500, hint: 'Such as https://contoso.jamfcloud.com.' })}
  <fieldset>
    <legend>API client</legend>
    ${field(values, { name: 'clientId', label: 'Client id', required: true })}
    <label>Client secret
      <input name="clientSecret" type="password" maxlength="1000" autocomplete="new-password" />
      <span class="quiet">${
        isNew
          ? 'It is sealed and never shown again.'
          : 'Empty: as it is. It is needed again where the address leads to another host.'
      }</span>
    </label>
    ${field(values, { name: 'secretRef', label: 'Or where the gateway reads it', maxLength: 1000, hint: 'env:NAME or file:/path on the machine of the gateway, in place of the secret itself.' })}
  </fieldset>
  <fieldset>
    <legend>Compliance</legend>
    ${select('source', 'Whose verdict counts', sources, values.get('source') ?? 'jamf')}
    ${field(values, { name: 'complianceGroup', label: 'Compliance group', hint: 'For the smart group: its members are compliant.' })}
    ${field(values, { name: 'applicableGroup', label: 'Applicable group', hint: 'For the smart group, if not all computers count: those that do.' })}
  </fieldset>
  <details${textOf(values, 'caCertificate') + textOf(values, 'clientCertificateSha256') === '' ? html`` : html` open`}>
    <summary>Certificates, where they are not the usual ones</summary>
    <label>Authority that the address is signed by, in PEM
      <textarea name="caCertificate" rows="6" maxlength="50000" spellcheck="false">${values.get('caCertificate') ?? ''}</textarea>
    </label>
    ${field(values, { name: 'clientCertificateSha256', label: 'SHA-256 fingerprint of the client certificate that its webhooks show', hint: 'In place of a key.' })}
  </details>`;

const given = (text: string, name: string): Readonly<Record<string, string>> =>
  text === '' ? {} : { [name]: text };

interface Client {
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly secretRef?: string;
}

const clientIn = (form: Form): Client => ({
  clientId: textOf(form, 'clientId'),
  // A secret may begin or end with a space.
  ...given(form.get('clientSecret') ?? '', 'clientSecret'),
  ...given(textOf(form, 'secretRef'), 'secretRef'),
});

const complianceIn = (form: Form) =>
  textOf(form, 'source') === 'smart-group'
    ? {
        source: 'smart-group',
        ...given(textOf(form, 'complianceGroup'), 'complianceGroup'),
        ...given(textOf(form, 'applicableGroup'), 'applicableGroup'),
      }
    : { source: 'jamf' };

export const newInstanceIn = (form: Form) => ({
  name: textOf(form, 'name'),
  url: textOf(form, 'url'),
  apiClient: clientIn(form),
  compliance: complianceIn(form),
  ...given(textOf(form, 'caCertificate'), 'caCertificate'),
  ...given(textOf(form, 'clientCertificateSha256'), 'clientCertificateSha256'),
});

/** The API client is sent where something of it changes: the API wants its secret with it. */
export function changeIn(form: Form, { apiClient, url }: Instance) {
  const client = clientIn(form);
  const isOther =
    client.clientSecret !== undefined ||
    client.clientId !== apiClient.clientId ||
    (client.secretRef ?? null) !== apiClient.secretRef ||
    (client.secretRef !== undefined && textOf(form, 'url') !== url);
  return {
    name: textOf(form, 'name'),
    url: textOf(form, 'url'),
    compliance: complianceIn(form),
    caCertificate: textOf(form, 'caCertificate') || null,
    clientCertificateSha256: textOf(form, 'clientCertificateSha256') || null,
    ...(isOther ? { apiClient: client } : {}),
  };
}

const mendable: readonly number[] = [400, 409, 412];

/** What the API refuses because of what was typed is shown above the same form, with what was typed. */
export async function orAgain(
  work: () => Promise<GoOn | PageContent>,
  again: (problem: ApiProblem) => Promise<PageContent>,
): Promise<GoOn | PageContent> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiRefusal) || !mendable.includes(error.problem.status)) throw error;
    return { ...(await again(error.problem)), status: error.problem.status === 409 ? 409 : 400 };
  }
}
