import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import { card, facts, id, named, none, reasonField, state, table, time, writeForm } from '../parts.ts';
import { aboveTenant, type Instance, readTenant, tenantPath } from '../tenant.ts';
import type { ConsolePage, Form, GoOn, Visit } from '../visit.ts';
import type { Hold } from './holds.ts';

/** One mass change: what happened, what waits, where it comes from, and the two buttons. */

interface Example {
  readonly deviceId: string;
  readonly instanceId: string;
  readonly deviceName: string;
  readonly change: 'unmanaged' | 'not-compliant' | null;
  readonly since: string | null;
}

interface HoldWithExamples extends Hold {
  readonly instances: readonly { readonly instanceId: string; readonly held: number }[];
  readonly examples: readonly Example[];
}

const modes: Readonly<Record<Hold['mode'], string>> = {
  'hold-unmanaged': 'Macs that would become unmanaged wait; those that turn not compliant are told',
  'hold-all': 'Macs that would become unmanaged or not compliant wait',
  alert: 'nothing waits, it is only shown',
};

const changes = { unmanaged: 'not managed any more', 'not-compliant': 'not compliant any more' } as const;

const holdPath = (visit: Visit): string => `${tenantPath(visit)}${at`/holds/${visit.param('holdId')}`}`;

const isInForce = ({ state: now }: Hold): boolean => now === 'open' || now === 'refused';

function decision(visit: Visit, one: HoldWithExamples, version: string): Html {
  if (!isInForce(one)) return none;
  if (!visit.may('operator'))
    return card('Decide', html`<p>It takes the role operator or admin to decide this.</p>`);
  const form = (verb: 'release' | 'refuse', label: string, className: string, words: string): Html =>
    writeForm(visit.person, {
      action: `${holdPath(visit)}/${verb}`,
      className: 'fields',
      content: html`<p>${words}</p><input type="hidden" name="version" value="${version}" />
        ${reasonField()}<p><button class="${className}">${label}</button></p>`,
    });
  return card(
    'Decide',
    html`<div class="grid">
      ${form('refuse', 'Refuse: it is an accident', 'main', 'First put the Jamf Pro server or the group right. Its instances are then asked again; Macs whose state is fine leave the hold, the others go on waiting.')}
      ${form('release', 'Release: it is right', 'danger', `Intune is told of ${one.held.toLocaleString('en')} Macs, 100 a second. Where a policy asks for a compliant Mac, their users are locked out.`)}
    </div>`,
  );
}

const where = (tenantId: string, one: HoldWithExamples, instances: readonly Instance[]): Html => {
  const nameOf = (instanceId: string) => instances.find((instance) => instance.id === instanceId)?.name;
  const instance = (instanceId: string): Html =>
    named(nameOf(instanceId), at`/tenants/${tenantId}/instances/${instanceId}`, instanceId);
  return html`<h2>Where it comes from</h2>
    ${table<{ instanceId: string; held: number }>(
      'Held Macs by instance',
      [
        { title: 'Instance', cell: ({ instanceId }) => instance(instanceId) },
        { title: 'Held', numeric: true, cell: ({ held }) => held.toLocaleString('en') },
      ],
      one.instances,
      'Nothing is held.',
    )}
    <h2>Examples</h2>
    ${table<Example>(
      'Examples of what is held',
      [
        {
          title: 'Mac',
          cell: ({ deviceId, deviceName }) =>
            named(deviceName, at`/tenants/${tenantId}/devices/${deviceId}`, deviceId),
        },
        { title: 'Would be', cell: ({ change }) => (change === null ? 'as it was' : changes[change]) },
        { title: 'Instance', cell: ({ instanceId }) => instance(instanceId) },
        { title: 'Since', cell: ({ since }) => time(since) },
      ],
      one.examples,
      'Nothing is held.',
    )}`;
};

const decide =
  (verb: 'release' | 'refuse') =>
  async (visit: Visit, form: Form): Promise<GoOn> => {
    const path = holdPath(visit);
    const reason = form.get('reason')?.trim() ?? '';
    await visit.api.write('POST', `${path}/${verb}`, {
      ifMatch: form.get('version') || undefined,
      body: reason === '' ? {} : { reason },
    });
    return { goTo: path, done: verb };
  };

export const hold: ConsolePage = {
  path: '/tenants/:tenantId/holds/:holdId',
  notices: {
    release: 'You released it. Intune is told of what was held.',
    refuse: 'You refused it. The instances are asked again.',
  },
  acts: { release: decide('release'), refuse: decide('refuse') },
  show: async (visit) => {
    const path = tenantPath(visit);
    const [{ body: tenant }, { body: one, etag }, { results }] = await Promise.all([
      readTenant(visit),
      visit.api.read<HoldWithExamples>(holdPath(visit)),
      visit.api.get<{ results: Instance[] }>(`${path}/instances`, { 'page-size': 500 }),
    ]);
    return {
      title: 'Too many changes for the worse',
      above: [...aboveTenant(tenant), ['Mass changes', `${path}/holds`]],
      body: [
        card('What happened', [
          html`<p>${one.cause}</p>`,
          facts([
            ['State', state(one.state)],
            ['Held now', html`<strong>${one.held.toLocaleString('en')}</strong>`],
            ['Setting', `more than ${one.percent} percent within an hour: ${modes[one.mode]}`],
            ['Began', time(one.openedAt)],
            ['Decided by', one.decidedBy],
            ['Decided', one.decidedAt && time(one.decidedAt)],
            ['Reason', one.reason],
            ['Ended', one.endedAt && time(one.endedAt)],
            ['Hold', id(one.id)],
          ]),
        ]),
        decision(visit, one, etag ?? ''),
        where(tenant.id, one, results),
        html`<p><a href="/history?${new URLSearchParams({ tenant: tenant.id, kind: 'hold', object: one.id })}">Its entries in the history</a></p>`,
      ],
    };
  },
};
