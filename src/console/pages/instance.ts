import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { type ApiAnswer, at } from '../api.ts';
import { filterOf } from '../filters.ts';
import { aboveInstances, type Instance, type InstanceKey, instancePath, readInstance } from '../instance.ts';
import { instanceActs } from '../instance-acts.ts';
import { keyActs, keysCard } from '../instance-keys.ts';
import { badge, card, counted, facts, id, none, reasonField, state, time, writeForm } from '../parts.ts';
import type { ConsolePage, Visit } from '../visit.ts';

/** One Jamf Pro instance: how it is, what it sends, and what can be done about it. */

const healthOf = ({ enabled, lastError, lastSeenAt, paused }: Instance): Html => {
  if (!enabled) return badge('disabled');
  if (paused) return state('paused');
  if (lastError !== null) return state('unreachable');
  return lastSeenAt === null ? badge('not seen yet', 'warn') : state('ok');
};

const healthCard = (instance: Instance): Html =>
  card(
    'Health',
    facts([
      ['State', healthOf(instance)],
      ['Jamf Pro', instance.jamfVersion ?? html`<span class="quiet">not known yet</span>`],
      ['Last answer', time(instance.lastSeenAt)],
      ['Last error', instance.lastErrorAt === null ? undefined : time(instance.lastErrorAt)],
      ['What it was', instance.lastError],
    ]),
  );

const orNever = (at: string | null): Html =>
  at === null ? html`<span class="quiet">not planned</span>` : time(at);

const readingCard = ({ reading }: Instance): Html =>
  card(
    'Reading',
    facts([
      ['Last poll', time(reading.polledAt)],
      ['Poll failed', reading.pollError],
      ['Next poll', orNever(reading.nextPollAt)],
      ['Last reconciliation', time(reading.reconciledAt)],
      ['Reconciliation failed', reading.reconcileError],
      ['Under way since', reading.reconcilingSince === null ? undefined : time(reading.reconcilingSince)],
      ['Next reconciliation', orNever(reading.nextReconcileAt)],
    ]),
  );

/** A reconciliation is followed: one that was just asked for, until its turn has come, and one that is under way. */
function followed(visit: Visit, { reading: { nextReconcileAt, reconcilingSince } }: Instance): Html {
  const asked = visit.query.get('asked');
  if (reconcilingSince === null && (asked === null || asked !== nextReconcileAt)) return none;
  const address = `${instancePath(visit)}?${new URLSearchParams(asked === null ? {} : { asked })}`;
  return html` hx-get="${address}" hx-select="#condition" hx-swap="outerHTML" hx-trigger="load delay:2s"`;
}

const complianceOf = ({ compliance }: Instance): Html | string =>
  compliance.source === 'jamf'
    ? "Jamf Pro's verdict"
    : html`Smart group <strong>${compliance.complianceGroup}</strong>${
        compliance.applicableGroup === undefined
          ? none
          : html`, for computers of <strong>${compliance.applicableGroup}</strong>`
      }`;

const settingsCard = (visit: Visit, instance: Instance): Html =>
  card('Settings', [
    facts([
      ['Id', id(instance.id)],
      ['Address', html`<a href="${instance.url}" rel="noreferrer">${instance.url}</a>`],
      ['API client', id(instance.apiClient.clientId)],
      [
        'Its secret',
        instance.apiClient.secretRef === null
          ? 'sealed here'
          : html`<code>${instance.apiClient.secretRef}</code>`,
      ],
      ['Compliance', complianceOf(instance)],
      ['Own authority', instance.caCertificate === null ? undefined : 'a certificate of its own is trusted'],
      [
        'Client certificate',
        instance.clientCertificateSha256 === null ? undefined : id(instance.clientCertificateSha256),
      ],
      ['Webhooks go to', id(instance.webhookUrl)],
      ['Inventory goes to', id(instance.inventoryUrl)],
    ]),
    visit.may('admin')
      ? html`<p class="actions"><a class="button" href="${instancePath(visit)}/edit">Edit</a></p>`
      : none,
  ]);

interface Button {
  readonly act: string;
  readonly label: string;
  readonly danger?: boolean;
}

function buttonsOf({ may }: Visit, { enabled, paused }: Instance): readonly Button[] {
  if (!may('operator')) return [];
  const ofOperator: readonly Button[] = [
    { act: 'test', label: 'Test now' },
    ...(enabled ? [{ act: 'reconcile', label: 'Reconcile' }] : []),
    paused ? { act: 'resume', label: 'Resume' } : { act: 'pause', label: 'Pause' },
  ];
  if (!may('admin')) return ofOperator;
  return [
    ...ofOperator,
    enabled
      ? { act: 'plan-disable', label: 'Disable…', danger: true }
      : { act: 'plan-enable', label: 'Enable…' },
    { act: 'plan-removal', label: 'Delete…', danger: true },
  ];
}

/** One reason serves whichever button is pressed; what is dangerous shows first what it will do. */
function actionsCard(visit: Visit, { body, etag }: ApiAnswer<Instance>): Html {
  const buttons = buttonsOf(visit, body);
  const [first] = buttons;
  if (first === undefined) return none;
  const path = instancePath(visit);
  return card('Actions', [
    writeForm(visit.person, {
      action: `${path}/${first.act}`,
      className: 'fields',
      content: html`<input type="hidden" name="version" value="${etag ?? ''}" />
        ${reasonField()}
        <div class="actions">${buttons.map(
          ({ act, danger, label }) =>
            html`<button formaction="${path}/${act}"${danger === true ? html` class="danger"` : none}>${label}</button>`,
        )}</div>`,
    }),
    html`<p class="quiet">Test signs in at the instance and reads of it. Reconcile lists every computer and reads what differs.
      Paused, the instance is left alone: calls for it answer 503, and what its webhooks tell waits.</p>`,
  ]);
}

interface Conflicts {
  readonly totalCount: number;
  readonly results: readonly {
    readonly deviceId: string;
    readonly pain: string;
    readonly claims: readonly { readonly serialNumber: string | null }[];
  }[];
}

const conflictsListed = 5;
const pains: Readonly<Record<string, string>> = {
  'opposite-verdicts': 'they say opposite things of its compliance',
  'same-verdict': 'they agree on its compliance',
  unknown: 'what they say of its compliance is not known',
};

/** A conflict is between instances: the instance's own are counted, and examples of the whole tenant are shown. */
const conflictsText = (visit: Visit, own: number, { results, totalCount }: Conflicts): Html => {
  if (totalCount === 0) return html`<p>No device of this tenant is claimed by more than one computer.</p>`;
  const devices = at`/tenants/${visit.param('tenantId')}/devices`;
  const owns = `${devices}?${new URLSearchParams({ instance: visit.param('instanceId'), conflict: 'true' })}`;
  return html`<p>${
    own === 0
      ? 'No device that this instance has is claimed by another computer.'
      : html`Other computers claim <a href="${owns}">${counted(own, 'device')}</a> that this instance has.`
  }</p>
    <p>Of the whole tenant <a href="${devices}?conflict=true">${counted(totalCount, 'device')}</a> ${
      totalCount === 1 ? 'is' : 'are'
    } claimed by more than one computer${totalCount > results.length ? ', among them' : ''}:</p>
    <ul>${results.map(({ claims, deviceId, pain }) => {
      const serial = claims.find(({ serialNumber }) => serialNumber !== null)?.serialNumber;
      return html`<li><a href="${devices}/${deviceId}">${serial ?? deviceId}</a>: ${pains[pain] ?? pain}</li>`;
    })}</ul>`;
};

async function show(visit: Visit) {
  const { api } = visit;
  const tenantId = visit.param('tenantId');
  const path = instancePath(visit);
  const [instance, above, keys, conflicts, own] = await Promise.all([
    readInstance(visit),
    aboveInstances(visit),
    api.get<{ results: InstanceKey[] }>(`${path}/keys`),
    api.get<Conflicts>(at`/tenants/${tenantId}/routes/conflicts`, {
      'page-size': conflictsListed,
    }),
    api.get<{ totalCount: number }>(at`/tenants/${tenantId}/devices`, {
      filter: filterOf([
        ['instanceId', '==', visit.param('instanceId')],
        ['conflict', '==', 'true'],
      ]),
      'page-size': 1,
    }),
  ]);
  return {
    title: instance.body.name,
    above,
    body: [
      html`<div id="condition" class="grid"${followed(visit, instance.body)}>${healthCard(instance.body)}${readingCard(instance.body)}</div>`,
      html`<div class="grid spaced">${settingsCard(visit, instance.body)}${card('Conflicts', conflictsText(visit, own.totalCount, conflicts))}</div>`,
      actionsCard(visit, instance),
      keysCard(visit, keys.results),
    ],
  };
}

export const instance: ConsolePage = {
  path: '/tenants/:tenantId/instances/:instanceId',
  show,
  notices: {
    added: 'The instance was added. Test it, then make a key for its webhooks.',
    changed: 'The instance was changed.',
    reconcile: 'The reconciliation was asked for. Reading shows how it goes, by itself where scripts run.',
    pause: 'The instance is paused.',
    resume: 'The instance is used again.',
    enable: 'The instance is enabled.',
    disable: 'The instance is disabled.',
    revoked: 'The key was revoked. It opens nothing any more.',
  },
  acts: { ...instanceActs, ...keyActs },
};
