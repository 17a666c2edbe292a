import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { neededPrivileges } from '../../jamf/privileges.ts';
import type { ApiProblem } from '../api.ts';
import { aboveInstances, instancesPath } from '../instance.ts';
import { reasonOf } from '../instance-acts.ts';
import { instanceFields, newInstanceIn, orAgain } from '../instance-form.ts';
import { card, copyable, none, problemBox, reasonField, writeForm } from '../parts.ts';
import type { ConsolePage, Form, PageContent, Visit } from '../visit.ts';

/** Adding a Jamf Pro instance: what to make there, and what to tell of it here. */

const roleCard = card('First, in Jamf Pro', [
  html`<ol>
    <li>Open Settings, System, API roles and clients. Make an API role, for example ${copyable('Espalier')}, with exactly these privileges:
      <ul>${Object.values(neededPrivileges).map(
        ({ for: purpose, name }) =>
          html`<li>${copyable(name)} <span class="quiet">for ${purpose}</span></li>`,
      )}</ul></li>
    <li>Make an API client with this role, enable it, and generate its secret. Jamf Pro shows the secret once.</li>
  </ol>`,
]);

const formCard = ({ param, person }: Visit, values: Form): Html =>
  card(
    'Then, here',
    writeForm(person, {
      action: `${instancesPath({ param })}/new/add`,
      className: 'fields',
      content: html`${instanceFields(values, true)}
        ${reasonField(values.get('reason') ?? '')}
        <div class="actions"><button class="main">Add the instance</button></div>`,
    }),
  );

async function page(visit: Visit, values: Form, problem?: ApiProblem): Promise<PageContent> {
  return {
    title: 'Add a Jamf Pro instance',
    above: await aboveInstances(visit),
    body: [
      problem === undefined ? none : problemBox(problem),
      roleCard,
      visit.may('admin')
        ? formCard(visit, values)
        : html`<p class="empty">Adding an instance takes the role admin. Yours is ${visit.person.role}.</p>`,
    ],
  };
}

interface Created {
  readonly id: string;
  readonly warnings?: readonly { readonly description: string }[];
}

async function add(visit: Visit, form: Form) {
  const path = instancesPath(visit);
  const { body } = await visit.api.write<Created>('POST', path, {
    body: newInstanceIn(form),
    reason: reasonOf(form),
  });
  const goTo = `${path}/${encodeURIComponent(body.id)}`;
  if (body.warnings === undefined) return { goTo, done: 'added' };
  return {
    title: 'The instance was added, with a warning',
    above: await aboveInstances(visit),
    body: html`<ul>${body.warnings.map(({ description }) => html`<li>${description}</li>`)}</ul>
      <p class="actions"><a class="button main" href="${goTo}">To the instance</a></p>`,
  };
}

export const instanceNew: ConsolePage = {
  path: '/tenants/:tenantId/instances/new',
  forms: 'long',
  show: (visit) => page(visit, new URLSearchParams()),
  acts: {
    add: (visit, form) =>
      orAgain(
        () => add(visit, form),
        (problem) => page(visit, form, problem),
      ),
  },
};
