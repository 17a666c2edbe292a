import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { type ApiProblem, ApiRefusal } from '../api.ts';
import { stepsOf } from '../connect/steps.ts';
import { choiceField, type FieldsOf, textField } from '../form-fields.ts';
import { none, problemBox, reasonField, writeForm } from '../parts.ts';
import type { ConsolePage, Form, PageContent, Visit } from '../visit.ts';

/** The first step of a connection: the tenant. The others are `/tenants/:tenantId/connect`. */

interface Cloud {
  readonly name: string;
  readonly authority: string;
  readonly configured: boolean;
}

const modes = [
  { value: 'device-compliance', label: 'Device compliance: Jamf Pro decides, Intune is told the verdict' },
  {
    value: 'conditional-access',
    label: 'Conditional Access: inventory for Intune (Microsoft ended it in 2024)',
  },
];
const types = [
  { value: 'cloud-connector', label: 'Cloud connector: the applications of this gateway, by consent' },
  { value: 'manual', label: 'Manual: an application that the tenant registered itself, one instance' },
];
const landings = [
  { value: 'default', label: 'The registration page of Jamf Pro, with a choice where there are several' },
  { value: 'denied', label: 'A page that says access is denied' },
  { value: 'custom', label: 'An address of your own' },
];

const ownApplication = (of: FieldsOf): Html => html`<fieldset>
      <legend>Application of the tenant, for the manual connection type only</legend>
      ${textField(of, { name: 'application.clientId', label: 'Application (client) id' })}
      ${textField(of, {
        name: 'application.secretRef',
        label: 'Reference to its secret',
        hint: 'env:NAME or file:/path as this gateway reads it; the secret itself is not stored then.',
      })}
      ${textField(of, {
        name: 'application.clientSecret',
        label: 'Or the secret itself',
        hint: 'It is sealed, and never shown again.',
        secret: true,
      })}
    </fieldset>`;

const landingFields = (of: FieldsOf): Html => html`<fieldset>
      <legend>Landing page, for people whose Mac Microsoft does not know</legend>
      ${choiceField(of, { name: 'landing.choice', label: 'They see', choices: landings, fallback: 'default' })}
      ${textField(of, {
        name: 'landing.customUrl',
        label: 'Your own address',
        hint: 'https; only for the third choice.',
        type: 'url',
      })}
    </fieldset>`;

async function formPage({ api, may, person }: Visit, form: Form, problem?: ApiProblem): Promise<PageContent> {
  const above = [['Tenants', '/tenants']] as const;
  const title = 'Connect a tenant';
  if (!may('admin'))
    return {
      title,
      above,
      body: html`<p>Connecting a tenant takes the role admin. Yours is ${person.role}.</p>`,
    };
  const { results: clouds } = await api.get<{ results: Cloud[] }>('/clouds');
  const of: FieldsOf = { form, problem };
  const fields = html`
    ${textField(of, {
      name: 'tenantId',
      label: 'Tenant id',
      hint: 'Of the customer, in the Microsoft Entra admin center under Overview: 36 characters.',
      required: true,
    })}
    ${textField(of, { name: 'displayName', label: 'Name', hint: 'As you call the customer here.', required: true })}
    ${choiceField(of, {
      name: 'cloud',
      label: 'Microsoft cloud',
      hint: 'It stays for good. The tenant must be in this cloud.',
      choices: clouds.map(({ authority, configured, name }) => ({
        value: name,
        label: `${name} (${new URL(authority).host})${configured ? '' : ', no connector application is set up'}`,
      })),
      fallback: 'public',
    })}
    ${choiceField(of, { name: 'mode', label: 'Mode', choices: modes, fallback: 'device-compliance' })}
    ${choiceField(of, { name: 'connectionType', label: 'Connection type', choices: types, fallback: 'cloud-connector' })}
    ${ownApplication(of)}
    ${landingFields(of)}
    ${textField(of, {
      name: 'partnerGroup',
      label: 'User group for the compliance policy',
      hint: 'Name or object id of an Entra group whose users have Macs. Without one it is assigned in Intune by hand.',
    })}
    ${reasonField()}
    <p><button class="main">Go on to the consents</button></p>`;
  return {
    title,
    above,
    body: [
      stepsOf('tenant', undefined),
      problem === undefined ? none : problemBox(problem),
      writeForm(person, { action: '/connect/create', className: 'fields', content: fields }),
    ],
    status: problem === undefined ? 200 : problem.status === 409 ? 409 : 400,
  };
}

const text = (form: Form, name: string): string | undefined => form.get(name)?.trim() || undefined;

/** Left out, not empty, where nothing was typed: the API says what it misses. */
function tenantOf(form: Form): Record<string, unknown> {
  const group = text(form, 'partnerGroup');
  const isId = /^[0-9a-f-]{36}$/i.test(group ?? '');
  const application = {
    clientId: text(form, 'application.clientId'),
    secretRef: text(form, 'application.secretRef'),
    clientSecret: text(form, 'application.clientSecret'),
  };
  const isOwn = Object.values(application).some((value) => value !== undefined);
  return {
    tenantId: text(form, 'tenantId')?.toLowerCase() ?? '',
    displayName: text(form, 'displayName') ?? '',
    cloud: text(form, 'cloud'),
    mode: text(form, 'mode'),
    connectionType: text(form, 'connectionType'),
    landing: {
      choice: text(form, 'landing.choice') ?? 'default',
      customUrl: text(form, 'landing.customUrl'),
    },
    partnerGroup:
      group === undefined ? undefined : isId ? { id: group.toLowerCase() } : { displayName: group },
    application: isOwn ? application : undefined,
  };
}

export const connect: ConsolePage = {
  path: '/connect',
  show: (visit) => formPage(visit, visit.query),
  acts: {
    create: async (visit, form) => {
      try {
        const body = tenantOf(form);
        const made = await visit.api.write<{ id: string }>('POST', '/tenants', {
          body,
          reason: form.get('reason') ?? '',
        });
        return { goTo: `/tenants/${made.body.id}/connect`, done: 'created' };
      } catch (error) {
        // What the fields are wrong about is shown beside them; all else by the frame.
        if (!(error instanceof ApiRefusal) || ![400, 409].includes(error.problem.status)) throw error;
        return formPage(visit, form, error.problem);
      }
    },
  },
};
