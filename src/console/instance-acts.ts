import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import { aboveInstance, aboveInstances, instancePath, instancesPath, readInstance } from './instance.ts';
import { card, facts, none, reasonField, writeForm } from './parts.ts';
import { type StepNames, stepList } from './steps.ts';
import type { Step } from './tenant.ts';
import type { ConsolePage, Form, GoOn, PageContent, Visit } from './visit.ts';

/** What the buttons of an instance's page do. What is dangerous is planned first: the API says what it would do. */

type Act = (visit: Visit, form: Form) => Promise<GoOn | PageContent>;

export const reasonOf = (form: Form): string | undefined => form.get('reason') ?? undefined;
/** Of the instance as the person saw it. */
export const versionOf = (form: Form): string | undefined => form.get('version') || undefined;

const stepNames: Readonly<Record<string, string>> = {
  token: 'Sign-in of the API client',
  version: 'Version of Jamf Pro',
  inventory: 'Inventory',
  compliance: 'Compliance',
};
const nameOf: StepNames = (name) => stepNames[name] ?? name;

const test: Act = async (visit, form) => {
  const { body: instance } = await readInstance(visit);
  const { body } = await visit.api.write<{ ok: boolean; steps: readonly Step[] }>(
    'POST',
    `${instancePath(visit)}/test`,
    { reason: reasonOf(form) },
  );
  return {
    title: `Test of ${instance.name}`,
    above: await aboveInstance(visit, instance),
    body: [
      html`<p>${
        body.ok
          ? 'Everything that the gateway needs of this instance works.'
          : 'Something that the gateway needs of this instance does not work. Each step says what to do.'
      }</p>`,
      stepList(body.steps, nameOf),
      html`<p class="actions"><a class="button" href="${instancePath(visit)}">Back to the instance</a></p>`,
    ],
  };
};

const reconcile: Act = async (visit, form) => {
  const { body } = await visit.api.write<{ requestedAt: string }>(
    'POST',
    `${instancePath(visit)}/reconcile`,
    {
      ifMatch: versionOf(form),
      reason: reasonOf(form),
    },
  );
  const asked = new URLSearchParams({ asked: body.requestedAt });
  return { goTo: `${instancePath(visit)}?${asked}`, done: 'reconcile' };
};

const post =
  (verb: 'pause' | 'resume'): Act =>
  async (visit, form) => {
    await visit.api.write('POST', `${instancePath(visit)}/${verb}`, {
      ifMatch: versionOf(form),
      reason: reasonOf(form),
    });
    return { goTo: instancePath(visit), done: verb };
  };

const setEnabled =
  (enabled: boolean): Act =>
  async (visit, form) => {
    await visit.api.write('PATCH', instancePath(visit), {
      body: { enabled },
      ifMatch: versionOf(form),
      reason: reasonOf(form),
    });
    return { goTo: instancePath(visit), done: enabled ? 'enable' : 'disable' };
  };

/** The second page of a dangerous action: what will happen, the reason again, and the button that does it. */
export const confirmForm = (
  visit: Visit,
  {
    act,
    choices = none,
    danger = true,
    form,
    label,
  }: { act: string; label: string; form: Form; choices?: Html; danger?: boolean },
): Html =>
  writeForm(visit.person, {
    action: `${instancePath(visit)}/${act}`,
    className: 'fields',
    content: html`<input type="hidden" name="version" value="${form.get('version') ?? ''}" />
      ${choices}
      ${reasonField(form.get('reason') ?? '')}
      <div class="actions">
        <button${danger ? html` class="danger"` : html` class="main"`}>${label}</button>
        <a class="button" href="${instancePath(visit)}">Cancel</a>
      </div>`,
  });

interface Rerouted {
  readonly routes?: { readonly devices: number; readonly changed: number; readonly ended: number };
}

const planEnabled =
  (enabled: boolean): Act =>
  async (visit, form) => {
    const { body: instance } = await readInstance(visit);
    const { body } = await visit.api.write<Rerouted>('PATCH', `${instancePath(visit)}?dry-run=true`, {
      body: { enabled },
      ifMatch: versionOf(form),
    });
    const { changed, devices, ended } = body.routes ?? { devices: 0, changed: 0, ended: 0 };
    const verb = enabled ? 'Enable' : 'Disable';
    return {
      title: `${verb} ${instance.name}`,
      above: await aboveInstance(visit, instance),
      body: [
        card('What this will do', [
          html`<p>${
            enabled
              ? 'The claims of this instance count again, and its computers are read at once.'
              : 'The claims of this instance no longer count, and its webhooks change nothing. Settings, keys and claims are kept.'
          }</p>`,
          facts([
            ['Devices it claims', devices],
            ['Go to another instance', changed],
            ['Are left without an instance', ended],
            ['Stay as they are', devices - changed - ended],
          ]),
          enabled
            ? none
            : html`<p>Of devices that no other instance claims nothing new is told. Intune shows what it was told last, until it takes them for not reporting.</p>`,
        ]),
        confirmForm(visit, {
          act: enabled ? 'enable' : 'disable',
          label: `${verb} this instance`,
          form,
          danger: !enabled,
        }),
      ],
    };
  };

interface Removal {
  readonly devices: number;
  readonly moved: number;
  readonly retracted: number;
}

const removalChoices = ({ devices, moved }: Removal): Html => {
  const left = devices - moved;
  return html`${
    left > 0
      ? html`<fieldset>
        <legend>Devices that no other instance claims: ${left}</legend>
        <label class="inline"><input type="radio" name="retract" value="false" checked />
          <span>Leave them. Intune shows what it was told last, until it takes them for not reporting.</span></label>
        <label class="inline"><input type="radio" name="retract" value="true" />
          <span>Retract them. Intune is told at once that each is not managed and not compliant; people who use them may lose access.</span></label>
      </fieldset>`
      : none
  }${
    devices > 0
      ? html`<label class="inline"><input type="checkbox" name="force" value="true" required />
        <span>Delete it although it has ${devices} ${devices === 1 ? 'device' : 'devices'}</span></label>`
      : none
  }`;
};

const planRemoval: Act = async (visit, form) => {
  const { body: instance } = await readInstance(visit);
  const { body: removal } = await visit.api.write<Removal>('DELETE', `${instancePath(visit)}?dry-run=true`, {
    ifMatch: versionOf(form),
  });
  return {
    title: `Delete ${instance.name}`,
    above: await aboveInstance(visit, instance),
    body: [
      card('What this will do', [
        html`<p>The instance is deleted with its API client's secret, its keys and its claims. It cannot be taken back; to leave it alone for a while, disable or pause it.</p>`,
        facts([
          ['Devices it has or claims', removal.devices],
          ['Go to another instance that claims them', removal.moved],
          ['Are left without an instance', removal.devices - removal.moved],
        ]),
      ]),
      confirmForm(visit, {
        act: 'remove',
        label: 'Delete this instance',
        form,
        choices: removalChoices(removal),
      }),
    ],
  };
};

const remove: Act = async (visit, form) => {
  const above = await aboveInstances(visit);
  const { body: instance } = await readInstance(visit);
  const query = new URLSearchParams({
    force: String(form.get('force') === 'true'),
    retract: String(form.get('retract') === 'true'),
  });
  const { body, status } = await visit.api.write<Removal>('DELETE', `${instancePath(visit)}?${query}`, {
    ifMatch: versionOf(form),
    reason: reasonOf(form),
  });
  const [tenantPath] = instancesPath(visit).split('/instances');
  if (status === 202)
    return {
      title: 'Another operator has to approve this',
      above,
      body: html`<p>Nothing is done yet. Deleting ${instance.name} waits for the approval of a second operator, under <a href="/approvals">Approvals</a>.</p>`,
    };
  return {
    title: `${instance.name} was deleted`,
    above,
    body: [
      facts([
        ['Devices it had or claimed', body.devices],
        ['Went to another instance', body.moved],
        ['Retracted at Intune', body.retracted],
      ]),
      html`<p class="actions"><a class="button" href="${tenantPath ?? '/tenants'}">Back to the tenant</a></p>`,
    ],
  };
};

export const instanceActs: NonNullable<ConsolePage['acts']> = {
  test,
  reconcile,
  pause: post('pause'),
  resume: post('resume'),
  'plan-enable': planEnabled(true),
  'plan-disable': planEnabled(false),
  enable: setEnabled(true),
  disable: setEnabled(false),
  'plan-removal': planRemoval,
  remove,
};
