import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { type ApiAnswer, type ApiProblem, ApiRefusal, at } from '../api.ts';
import { none, problemBox, reasonField, select, table, writeForm } from '../parts.ts';
import { aboveTenant, type Instance, readTenant, type Tenant, tenantPath } from '../tenant.ts';
import type { ConsolePage, Form, GoOn, PageContent, Visit } from '../visit.ts';

/** A tenant's name, where its landing pages lead, and its partner group. What was changed meanwhile is shown beside it. */

type Values = Readonly<
  Record<'displayName' | 'choice' | 'customUrl' | 'defaultInstanceId' | 'group', string>
>;

const labels: Readonly<Record<keyof Values, string>> = {
  displayName: 'Name',
  choice: 'Landing page',
  customUrl: 'Address of your own page',
  defaultInstanceId: 'Default instance',
  group: 'Partner group',
};

const names = Object.keys(labels) as (keyof Values)[];

const valuesOf = ({ displayName, landing, partnerGroup }: Tenant): Values => ({
  displayName,
  choice: landing.choice,
  customUrl: landing.customUrl ?? '',
  defaultInstanceId: landing.defaultInstanceId ?? '',
  group: partnerGroup?.id ?? partnerGroup?.displayName ?? '',
});

const given = (form: Form): Values => ({
  displayName: form.get('displayName') ?? '',
  choice: form.get('choice') ?? '',
  customUrl: form.get('customUrl')?.trim() ?? '',
  defaultInstanceId: form.get('defaultInstanceId') ?? '',
  group: form.get('group')?.trim() ?? '',
});

const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Only what the person changed. The API says whether it fits. */
function changeOf(before: Values, after: Values): Record<string, unknown> {
  const differs = (...of: (keyof Values)[]): boolean => of.some((name) => before[name] !== after[name]);
  const { choice, customUrl, defaultInstanceId, displayName, group } = after;
  return {
    ...(differs('displayName') ? { displayName } : {}),
    ...(differs('choice', 'customUrl', 'defaultInstanceId')
      ? {
          landing: {
            choice,
            ...(customUrl === '' ? {} : { customUrl }),
            ...(defaultInstanceId === '' ? {} : { defaultInstanceId }),
          },
        }
      : {}),
    ...(differs('group')
      ? { partnerGroup: group === '' ? null : guid.test(group) ? { id: group } : { displayName: group } }
      : {}),
  };
}

/** What the person saw when the form was made, to tell what was changed by whom. */
const seenFields = (values: Values): Html =>
  html`${names.map((name) => html`<input type="hidden" name="seen-${name}" value="${values[name]}" />`)}`;

const seen = (form: Form): Values =>
  Object.fromEntries(names.map((name) => [name, form.get(`seen-${name}`) ?? ''])) as Values;

const choices = [
  { value: 'default', label: 'The registration page of the instance, or a choice between them' },
  { value: 'denied', label: 'A page that says that access is denied' },
  { value: 'custom', label: 'A page of your own' },
];

function settingsForm(
  visit: Visit,
  { body: tenant, etag }: ApiAnswer<Tenant>,
  instances: readonly Instance[],
  values: Values,
): Html {
  return writeForm(visit.person, {
    action: at`/tenants/${tenant.id}/settings/save`,
    className: 'fields',
    content: html`
      <input type="hidden" name="version" value="${etag ?? ''}" />
      ${seenFields(valuesOf(tenant))}
      <label>${labels.displayName}
        <input name="displayName" required maxlength="200" value="${values.displayName}" /></label>
      <fieldset>
        <legend>Where a Mac without a route is led to</legend>
        ${select('choice', labels.choice, choices, values.choice)}
        <label>${labels.customUrl}, https
          <input name="customUrl" type="url" maxlength="2000" value="${values.customUrl}" /></label>
        ${select(
          'defaultInstanceId',
          labels.defaultInstanceId,
          [
            { value: '', label: 'None: people choose where there are several' },
            ...instances.map(({ id, name }) => ({ value: id, label: name })),
          ],
          values.defaultInstanceId,
        )}
      </fieldset>
      <label>${labels.group}
        <input name="group" maxlength="256" value="${values.group}" autocomplete="off" />
        <span class="quiet">Name or id of the Entra group that confirm assigns the partner compliance policy to. Empty: you assign it in Intune.</span></label>
      ${reasonField()}
      <p class="actions"><button class="main">Save</button> <a href="${at`/tenants/${tenant.id}`}">Back without saving</a></p>`,
  });
}

/** Which of the values are others now than they were when the form was made. */
function changedMeanwhile(before: Values, now: Values, entered: Values): Html {
  const changed = names.filter((name) => before[name] !== now[name]);
  return html`<div class="problem" role="alert">
      <p><strong>Somebody changed this tenant while you had the page open</strong></p>
      <p>Nothing of yours is saved. Your values are in the form below: look at what is there now, and save again if yours shall stand.</p>
    </div>
    ${
      changed.length === 0
        ? html`<p class="quiet">None of the values below was changed; it was another part of the tenant, such as its state.</p>`
        : table<keyof Values>(
            'What was changed meanwhile',
            [
              { title: 'Setting', cell: (name) => labels[name] },
              { title: 'When you opened it', cell: (name) => before[name] || 'empty' },
              { title: 'Now', cell: (name) => now[name] || 'empty' },
              { title: 'Yours', cell: (name) => entered[name] || 'empty' },
            ],
            changed,
            '',
          )
    }`;
}

async function page(visit: Visit, form?: Form, problem?: ApiProblem): Promise<PageContent> {
  const [tenant, { results }] = await Promise.all([
    readTenant(visit),
    visit.api.get<{ results: Instance[] }>(`${tenantPath(visit)}/instances`, { 'page-size': 500 }),
  ]);
  const now = valuesOf(tenant.body);
  const values = form === undefined ? now : given(form);
  const told =
    problem === undefined
      ? none
      : problem.slug === 'precondition-failed' && form !== undefined
        ? changedMeanwhile(seen(form), now, values)
        : problemBox(problem);
  return {
    title: `Settings of ${tenant.body.displayName}`,
    above: aboveTenant(tenant.body),
    ...(problem === undefined ? {} : { status: problem.slug === 'precondition-failed' ? 409 : 400 }),
    body: [
      told,
      visit.may('admin')
        ? settingsForm(visit, tenant, results, values)
        : html`<p>Settings are for the role admin.</p>`,
    ],
  };
}

async function save(visit: Visit, form: Form): Promise<GoOn | PageContent> {
  try {
    await visit.api.write('PATCH', tenantPath(visit), {
      ifMatch: form.get('version') || undefined,
      reason: form.get('reason') ?? undefined,
      body: changeOf(seen(form), given(form)),
    });
  } catch (error) {
    const shown = ['precondition-failed', 'conflict', 'invalid-request', 'address-refused'];
    if (error instanceof ApiRefusal && shown.includes(error.problem.slug))
      return page(visit, form, error.problem);
    throw error;
  }
  return { goTo: at`/tenants/${visit.param('tenantId')}`, done: 'changed' };
}

export const tenantSettings: ConsolePage = {
  path: '/tenants/:tenantId/settings',
  show: (visit) => page(visit),
  acts: { save },
};
