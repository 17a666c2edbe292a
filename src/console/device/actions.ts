import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { type Api, at } from '../api.ts';
import { card, counted, facts, id, none, reasonField, select, writeForm } from '../parts.ts';
import type { ConsolePage, Form, GoOn, PageContent, Visit } from '../visit.ts';
import { type Device, type Explanation, type Names, readNames } from './device-answers.ts';

/** What an operator can do about a device. Each form carries the version that its reader saw. */

const pathOf = (visit: Visit): string =>
  at`/tenants/${visit.param('tenantId')}/devices/${visit.param('deviceId')}`;

interface Shown {
  readonly visit: Visit;
  readonly device: Device;
  readonly etag: string | undefined;
  readonly explanation: Explanation;
  readonly names: Names;
}

const action = (
  { etag, visit }: Shown,
  { button, content, name, summary }: { name: string; summary: string; content: Html; button: string },
): Html => html`<details class="action"><summary>${summary}</summary>
  ${writeForm(visit.person, {
    action: `${pathOf(visit)}/${name}`,
    className: 'fields',
    content: html`<input type="hidden" name="etag" value="${etag ?? ''}" />${content}${reasonField()}<p><button>${button}</button></p>`,
  })}</details>`;

/** Another computer that claims the Mac is the likely one. */
function moveForm(shown: Shown): Html {
  const { device, explanation, names } = shown;
  const other = explanation.claims.find(
    (claim) => claim.instanceId !== device.instanceId || claim.jamfComputerId !== device.jamfComputerId,
  );
  const choices = names.instances.map(({ id: value, name }) => ({ value, label: name }));
  return action(shown, {
    name: 'move',
    summary: 'Move it to another computer record',
    button: 'Move',
    content: html`<p>The record is read at once, and what it says is told to Intune. The Mac stays there until it enrols somewhere else later, or for good if it is pinned.</p>
      ${select('instanceId', 'Instance', choices, other?.instanceId ?? device.instanceId)}
      <label>Number of the computer in that Jamf Pro
        <input name="jamfComputerId" inputmode="numeric" pattern="[0-9]{1,10}" required value="${other?.jamfComputerId ?? ''}" /></label>
      <label class="inline"><input type="checkbox" name="pinned" value="true" /> Pin it there</label>`,
  });
}

const pinForm = (shown: Shown): Html =>
  shown.device.pinned
    ? action(shown, {
        name: 'unpin',
        summary: 'Unpin it',
        button: 'Unpin',
        content: html`<p>The Mac stays where it is until it enrols somewhere else later; from then on the claims of the instances decide.</p>`,
      })
    : action(shown, {
        name: 'pin',
        summary: `Pin it to ${shown.names.of(shown.device.instanceId)}`,
        button: 'Pin',
        content: html`<p>The Mac stays with this record whatever other instances claim, until it is unpinned.</p>`,
      });

export const actionsCard = (shown: Shown): Html =>
  shown.visit.may('operator')
    ? card(
        'What you can do',
        html`${action(shown, {
          name: 'refresh',
          summary: 'Read it again now',
          button: 'Read it again',
          content: html`<p>Every computer record that names this Mac is read at once. A report that is held is looked at again, and one that failed is told again.</p>`,
        })}
        ${pinForm(shown)}
        ${moveForm(shown)}
        ${action(shown, {
          name: 'remove',
          summary: 'End its route',
          button: 'Show what this will do',
          content: html`<p>For a Mac that no instance should speak for any more.</p>`,
        })}`,
      )
    : none;

const written = (form: Form) => ({
  ifMatch: form.get('etag') || undefined,
  reason: form.get('reason') ?? undefined,
});

const readDevice = (api: Api, visit: Visit): Promise<Device> => api.get<Device>(pathOf(visit));

/** The route as it is, put again with or without the pin. */
const pinning =
  (pinned: boolean) =>
  async (visit: Visit, form: Form): Promise<GoOn> => {
    const { instanceId, jamfComputerId } = await readDevice(visit.api, visit);
    const body = { instanceId, jamfComputerId, pinned };
    await visit.api.write('PUT', pathOf(visit), { body, ...written(form) });
    return { goTo: pathOf(visit), done: pinned ? 'pinned' : 'unpinned' };
  };

async function move(visit: Visit, form: Form): Promise<GoOn> {
  const body = {
    instanceId: form.get('instanceId') ?? '',
    jamfComputerId: (form.get('jamfComputerId') ?? '').trim(),
    pinned: form.get('pinned') === 'true',
  };
  await visit.api.write('PUT', pathOf(visit), { body, ...written(form) });
  return { goTo: pathOf(visit), done: 'moved' };
}

async function refresh(visit: Visit, form: Form): Promise<GoOn> {
  await visit.api.write('POST', `${pathOf(visit)}/refresh`, { reason: written(form).reason });
  return { goTo: pathOf(visit), done: 'refreshed' };
}

/** The API's dry run of the end of a route. */
interface Removal {
  readonly instanceId: string;
  readonly claims: number;
  readonly told: boolean;
}

/** First what it will do, with a form that does it. */
async function remove(visit: Visit, form: Form): Promise<GoOn | PageContent> {
  const tenantId = visit.param('tenantId');
  if (form.get('confirmed') === 'yes') {
    await visit.api.write('DELETE', pathOf(visit), written(form));
    return { goTo: at`/tenants/${tenantId}/devices`, done: 'removed' };
  }
  const [device, names, { body: plan }] = await Promise.all([
    readDevice(visit.api, visit),
    readNames(visit.api, tenantId),
    visit.api.write<Removal>('DELETE', `${pathOf(visit)}?dry-run=true`, { ifMatch: written(form).ifMatch }),
  ]);
  return {
    title: 'End the route of this Mac',
    above: [['Back to the device', pathOf(visit)]],
    body: [
      html`<p>This will do the following:</p>
      <ul>
        <li>${names.of(plan.instanceId)} does not manage the Mac any more${
          plan.claims === 0
            ? ''
            : `, and ${counted(plan.claims, 'claim')} on it ${plan.claims === 1 ? 'is' : 'are'} forgotten`
        }.</li>
        <li>${
          plan.told
            ? 'Intune is told that the Mac is not managed and not compliant. Conditional Access then locks its user out of what asks for a compliant device.'
            : 'Intune is told nothing, because it holds nothing of this Mac from here.'
        }</li>
        <li>The Mac comes back with the next inventory of a computer record that names it.</li>
      </ul>`,
      facts([
        ['Device id in Entra', id(device.deviceId)],
        ['Serial number', device.serialNumber],
      ]),
      writeForm(visit.person, {
        action: `${pathOf(visit)}/remove`,
        className: 'fields',
        content: html`<input type="hidden" name="confirmed" value="yes" />
          <input type="hidden" name="etag" value="${form.get('etag') ?? ''}" />
          <label>Reason, for the history
            <input name="reason" maxlength="500" autocomplete="off" value="${form.get('reason') ?? ''}" /></label>
          <p class="actions"><button class="danger">End the route</button> <a href="${pathOf(visit)}">Leave it as it is</a></p>`,
      }),
    ],
  };
}

export const deviceActs: NonNullable<ConsolePage['acts']> = {
  refresh,
  pin: pinning(true),
  unpin: pinning(false),
  move,
  remove,
};

export const deviceNotices: NonNullable<ConsolePage['notices']> = {
  refreshed: 'The computer records that name this Mac are being read now.',
  pinned: 'The Mac is pinned: it stays with its instance whatever others claim.',
  unpinned: 'The Mac is not pinned any more.',
  moved: 'The Mac is moved. Its new record is being read now.',
};
