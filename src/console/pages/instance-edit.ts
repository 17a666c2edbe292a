import { html } from 'hono/html';
import type { ApiProblem } from '../api.ts';
import { aboveInstance, type Instance, instancePath, readInstance } from '../instance.ts';
import { reasonOf, versionOf } from '../instance-acts.ts';
import { changeIn, instanceFields, orAgain, valuesOf } from '../instance-form.ts';
import { none, problemBox, reasonField, writeForm } from '../parts.ts';
import type { ConsolePage, Form, PageContent, Visit } from '../visit.ts';

/** The settings of an instance, to be changed as they were seen: what somebody else changed meanwhile is not overwritten. */

async function page(
  visit: Visit,
  instance: Instance,
  { problem, values, version }: { values: Form; version: string; problem?: ApiProblem },
): Promise<PageContent> {
  const path = instancePath(visit);
  return {
    title: `Edit ${instance.name}`,
    above: await aboveInstance(visit, instance),
    body: [
      problem === undefined ? none : problemBox(problem),
      problem?.status === 412
        ? html`<p><a href="${path}/edit">Begin again with what is there now</a>; what you typed below is lost then.</p>`
        : none,
      visit.may('admin')
        ? writeForm(visit.person, {
            action: `${path}/edit/save`,
            className: 'fields card',
            content: html`<input type="hidden" name="version" value="${version}" />
              ${instanceFields(values, false)}
              ${reasonField(values.get('reason') ?? '')}
              <div class="actions">
                <button class="main">Save</button>
                <a class="button" href="${path}">Cancel</a>
              </div>`,
          })
        : html`<p class="empty">Changing an instance takes the role admin. Yours is ${visit.person.role}.</p>`,
    ],
  };
}

async function save(visit: Visit, form: Form, instance: Instance) {
  const path = instancePath(visit);
  await visit.api.write('PATCH', path, {
    body: changeIn(form, instance),
    ifMatch: versionOf(form),
    reason: reasonOf(form),
  });
  return { goTo: path, done: 'changed' };
}

export const instanceEdit: ConsolePage = {
  path: '/tenants/:tenantId/instances/:instanceId/edit',
  forms: 'long',
  show: async (visit) => {
    const { body, etag } = await readInstance(visit);
    return page(visit, body, { values: valuesOf(body), version: etag ?? '' });
  },
  acts: {
    save: async (visit, form) => {
      const { body } = await readInstance(visit);
      return orAgain(
        () => save(visit, form, body),
        (problem) => page(visit, body, { values: form, version: versionOf(form) ?? '', problem }),
      );
    },
  },
};
