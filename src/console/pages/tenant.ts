import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { at } from '../api.ts';
import {
  badge,
  card,
  counted,
  duration,
  facts,
  id,
  moment,
  named,
  none,
  ownerWords,
  state,
  table,
  time,
} from '../parts.ts';
import {
  type BacklogCause,
  type Instance,
  readTenant,
  type Status,
  type Tenant,
  tagLinks,
  tenantPath,
} from '../tenant.ts';
import { type ActionName, actionAddress, actions, offered, stateWords } from '../tenant-actions.ts';
import { chartFiles, type Delivery, deliveryOverTime, rangeOf, ranges } from '../tenant-delivery.ts';
import type { ConsolePage, Visit } from '../visit.ts';

/** One tenant: where its connection stands, what waits and why, and what can be done. */

const words: Readonly<Record<string, string>> = {
  'device-compliance': 'Device compliance: Jamf Pro makes the verdict',
  'conditional-access': 'Conditional Access: Intune makes the verdict from inventory',
  'cloud-connector': 'Cloud connector',
  manual: 'Manual, with an application of its own',
};

const actionLink = (tenantId: string, name: ActionName, main: boolean): Html => {
  const { danger, label } = actions[name];
  const kind = main ? ' main' : danger === true ? ' danger' : '';
  return html`<a class="button${kind}" href="${actionAddress(tenantId, name)}">${label}</a>`;
};

/** What takes something away comes last. */
const offers = ({ connectionState, paused }: Tenant): readonly ActionName[] => {
  const all: readonly ActionName[] = [...offered[connectionState], paused ? 'resume' : 'pause'];
  const isDanger = (name: ActionName): boolean => actions[name].danger === true;
  return [...all.filter((name) => !isDanger(name)), ...all.filter(isDanger)];
};

/** The state in words, and the step that comes next as a button. */
function whereItStands(visit: Visit, tenant: Tenant, status: Status): Html {
  const { means, next } = stateWords[tenant.connectionState];
  const [first] = tenant.paused ? (['resume'] as const) : offered[tenant.connectionState];
  const { retraction } = status;
  if (next === undefined && !tenant.paused && status.hold === null && retraction === null)
    return html`<p>${state(tenant.connectionState)} ${means}</p>`;
  const needsOne = tenant.paused || next !== undefined || status.hold !== null;
  return html`<section class="card">
    <p>${state(tenant.connectionState)} ${tenant.paused ? state('paused') : none}</p>
    <p>${means}${tenant.paused ? ' Delivery is paused: reports wait here, and Intune is not told.' : ''}</p>
    ${
      retraction === null
        ? none
        : html`<p>${counted(retraction.left, 'device')} of ${retraction.total} left to be retracted.</p>`
    }
    ${next === undefined ? none : html`<p><strong>What to do:</strong> ${next}</p>`}
    ${
      needsOne && first !== undefined && visit.may(actions[first].role)
        ? html`<p class="actions">${actionLink(tenant.id, first, true)}</p>`
        : none
    }
  </section>`;
}

/** What holds the whole tenant, and what it should be warned of. */
const troubles = ({ hold, messageErrors, warnings }: Status): Html =>
  html`${
    hold === null
      ? none
      : html`<div class="problem" role="alert">
        <p><strong>Delivery waits.</strong> ${hold.detail}</p>
        <p><strong>What to do:</strong> ${hold.remedy}</p>
        <p class="quiet"><code>${hold.cause}</code> since ${moment(hold.since)}, for ${ownerWords(hold.owner)}</p>
      </div>`
  }${warnings.map((warning) => html`<p class="warning">${warning}</p>`)}${
    messageErrors.length === 0
      ? none
      : card(
          'Errors that Intune sent with the heartbeat',
          html`<ul>${messageErrors.slice(0, 20).map((error) => html`<li><code>${JSON.stringify(error)}</code></li>`)}</ul>`,
        )
  }`;

const connection = (tenant: Tenant, status: Status): Html =>
  card(
    'Connection',
    facts([
      ['Entra tenant', id(tenant.id)],
      ['Cloud', tenant.cloud],
      ['Tags', tenant.tags.length === 0 ? null : tagLinks(tenant.tags)],
      ['Mode', words[tenant.mode] ?? tenant.mode],
      ['Connection type', words[tenant.connectionType] ?? tenant.connectionType],
      [
        'Partner state',
        html`${tenant.connectionState === 'new' ? badge(status.partnerState.state) : state(status.partnerState.state)} <span class="quiet">${
          status.partnerState.source === 'graph'
            ? html`as Graph said ${time(status.partnerState.at)}`
            : 'as far as Espalier knows'
        }</span>`,
      ],
      ['Last heartbeat', time(status.lastHeartbeatAt)],
      ['Connected', time(tenant.connectedAt)],
      ['Last confirmed', time(status.lastConfirmAt)],
      ['Ended by Intune', status.terminatedAt && time(status.terminatedAt)],
      ['Devices marked as not reporting', status.devicesMarkedAt && time(status.devicesMarkedAt)],
      ['Devices removed at Intune', status.devicesRemovedAt && time(status.devicesRemovedAt)],
      [
        'Intune',
        status.deprovisionPending
          ? 'Has still to confirm that the connection ended; it is asked again.'
          : null,
      ],
    ]),
  );

const reportsAddress = (tenantId: string, more: Readonly<Record<string, string>> = {}): string =>
  `/reports?${new URLSearchParams({ tenant: tenantId, ...more })}`;

const byCount = (counts: Readonly<Record<string, number>>): [string, number][] =>
  Object.entries(counts).sort(([, a], [, b]) => b - a);

const delivery = ({ id: tenantId }: Tenant, status: Status): Html =>
  card('Delivery', [
    facts([
      [
        'Devices',
        html`<a href="${at`/tenants/${tenantId}/devices`}">${counted(status.devices, 'device')}</a>`,
      ],
      ['Computers to be read', status.backlog.computers.toLocaleString('en')],
      ['Reports to be delivered', status.backlog.reports.toLocaleString('en')],
      ['Oldest of them waits', duration(status.oldestUndeliveredAgeSeconds)],
      [
        'Reports',
        byCount(status.reports).length === 0
          ? 'None yet. A Mac that an instance reports has one.'
          : html`<ul class="plain">${byCount(status.reports).map(
              ([name, count]) =>
                html`<li>${state(name)} <a href="${reportsAddress(tenantId, { state: name })}">${count.toLocaleString('en')}</a></li>`,
            )}</ul>`,
      ],
      [
        'Held because',
        byCount(status.heldReasons).length === 0
          ? null
          : html`<ul class="plain">${byCount(status.heldReasons).map(
              ([reason, count]) => html`<li><code>${reason}</code> ${count.toLocaleString('en')}</li>`,
            )}</ul>`,
      ],
    ]),
  ]);

const permissions = ({ id: tenantId }: Tenant, { notifications, permissions: seen }: Status): Html =>
  card('Permissions', [
    seen === null
      ? html`<p>They have not been read yet. Confirm reads them, and so does the page below.</p>`
      : html`<p>${seen.ok ? badge('as expected', 'good') : badge('not as expected', 'bad')} <span class="quiet">read ${time(seen.checkedAt)}</span></p>
          ${seen.missing.map((name) => html`<p>${badge('missing', 'bad')} <code>${name}</code></p>`)}
          ${seen.extra.map((name) => html`<p>${badge('not expected', 'warn')} <code>${name}</code></p>`)}`,
    html`<p><a href="${at`/tenants/${tenantId}/permissions`}">Granted beside expected, read now</a></p>`,
    facts([
      ['Change notifications', notifications.state.replaceAll('-', ' ')],
      ['To see more', notifications.remedy],
    ]),
  ]);

const backlogCauses = ({ id: tenantId }: Tenant, causes: readonly BacklogCause[]): Html =>
  causes.length === 0
    ? none
    : html`<h2>Why computers wait</h2>${table<BacklogCause>(
        'Why computers wait',
        [
          {
            title: 'Instance',
            cell: ({ instance, instanceId }) =>
              html`<a href="${at`/tenants/${tenantId}/instances/${instanceId}`}">${instance}</a>`,
          },
          { title: 'Computers', cell: ({ computers }) => computers.toLocaleString('en'), numeric: true },
          { title: 'Cause', cell: ({ cause, detail }) => html`<code>${cause}</code><br />${detail}` },
          { title: 'For', cell: ({ owner }) => ownerWords(owner) },
          { title: 'Since', cell: ({ since }) => time(since) },
          { title: 'Next try', cell: ({ nextTryAt }) => time(nextTryAt) },
        ],
        causes,
        '',
      )}`;

const instanceState = ({ enabled, lastError, paused }: Instance): Html => {
  if (!enabled) return badge('disabled');
  if (paused) return state('paused');
  return state(lastError === null ? 'enabled' : 'unreachable');
};

const instances = (
  visit: Visit,
  { id: tenantId }: Tenant,
  list: readonly Instance[],
): Html => html`<h2>Instances</h2>
  ${table<Instance>(
    'Instances',
    [
      {
        title: 'Instance',
        cell: ({ id: instanceId, name, url }) =>
          html`${named(name, at`/tenants/${tenantId}/instances/${instanceId}`, instanceId)}<br /><span class="quiet">${url}</span>`,
      },
      { title: 'State', cell: instanceState },
      { title: 'Jamf Pro', cell: ({ jamfVersion }) => jamfVersion ?? 'not known yet' },
      { title: 'Last answer', cell: ({ lastSeenAt }) => time(lastSeenAt) },
      {
        title: 'Last error',
        cell: ({ lastError, lastErrorAt }) =>
          lastError === null
            ? html`<span class="quiet">none</span>`
            : html`${lastError}<br /><span class="quiet">${time(lastErrorAt)}</span>`,
      },
    ],
    list,
    'This tenant has no Jamf Pro instance yet. Add one, so that its Macs are known.',
  )}
  ${
    visit.may('admin')
      ? html`<p class="actions"><a class="button" href="${at`/tenants/${tenantId}/instances/new`}">Add an instance</a></p>`
      : none
  }`;

const manage = (visit: Visit, tenant: Tenant): Html => {
  const allowed = offers(tenant).filter((name) => visit.may(actions[name].role));
  if (allowed.length === 0) return none;
  return card('What you can do', [
    html`<p class="quiet">Each first shows what it will do, and asks.</p>`,
    html`<dl class="choices">${allowed.map(
      (name) => html`<dt>${actionLink(tenant.id, name, false)}</dt><dd>${actions[name].summary}</dd>`,
    )}${
      visit.may('admin')
        ? html`<dt><a class="button" href="${at`/tenants/${tenant.id}/migrate`}">Migrate</a></dt><dd>To another mode or connection type, by a plan.</dd>`
        : none
    }</dl>`,
  ]);
};

/** Of pages for all tenants, narrowed to this one; those of the tenant alone are tabs. */
const links = ({ id: tenantId }: Tenant): Html => html`<p class="actions">
  <a href="${reportsAddress(tenantId)}">Its reports</a>
  <a href="${at`/tenants/${tenantId}/devices`}?conflict=true">Its conflicts</a>
  <a href="${at`/tenants/${tenantId}/holds`}">Its mass changes</a>
  <a href="/history?${new URLSearchParams({ tenant: tenantId })}">Its history</a>
</p>`;

export const tenant: ConsolePage = {
  path: '/tenants/:tenantId',
  notices: {
    paused: 'Delivery is paused.',
    resumed: 'Delivery goes on.',
    resynced: 'Every state is told to Intune again.',
    disabled: 'The connection is disabled.',
    disconnected: 'The connection ends.',
    changed: 'The settings are saved.',
  },
  show: async (visit) => {
    const path = tenantPath(visit);
    const range = rangeOf(visit.query);
    const { hours, step } = ranges[range];
    const [{ body: shown }, status, { results }, delivered] = await Promise.all([
      readTenant(visit),
      visit.api.get<Status>(`${path}/status`),
      visit.api.get<{ results: Instance[] }>(`${path}/instances`, { 'page-size': 500, sort: 'name:asc' }),
      visit.api.get<Delivery>(`${path}/delivery`, { step, hours }),
    ]);
    return {
      title: shown.displayName,
      above: [['Tenants', '/tenants']],
      files: chartFiles,
      body: [
        troubles(status),
        whereItStands(visit, shown, status),
        links(shown),
        html`<div class="grid">${connection(shown, status)}${delivery(shown, status)}${permissions(shown, status)}</div>`,
        backlogCauses(shown, status.backlogCauses),
        deliveryOverTime(delivered, range),
        instances(visit, shown, results),
        manage(visit, shown),
      ],
    };
  },
};
