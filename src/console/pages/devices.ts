import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { parseGuid } from '../../ids.ts';
import { at } from '../api.ts';
import { type Device, type List, type Names, readNames } from '../device/device-answers.ts';
import { badge, counted, id, named, none, pager, said, select, state, table, time } from '../parts.ts';
import type { ConsolePage, Visit } from '../visit.ts';

/** The devices of a tenant: found by serial number, id, instance, pin, conflict and state of the report. */

const pageSize = 100;
const states = ['due', 'held', 'sent', 'accepted', 'completed', 'verified', 'failed'] as const;

/** A text of a person in a filter: quoted, and a `*` of his stands for any text as everywhere. */
const quoted = (text: string): string => `"${text.replaceAll(/[\\"]/g, '\\$&')}"`;

function filterOf(query: URLSearchParams): string | undefined {
  const text = (query.get('q') ?? '').trim().slice(0, 100);
  const instance = parseGuid(query.get('instance') ?? '');
  const pinned = query.get('pinned') ?? '';
  const conflict = query.get('conflict') === 'true';
  const wanted = states.find((one) => one === query.get('state'));
  const deviceId = parseGuid(text);
  const parts = [
    deviceId !== undefined
      ? `deviceId==${deviceId}`
      : text === ''
        ? undefined
        : `(${[...new Set([text, text.toUpperCase()])].map((one) => `serialNumber==${quoted(`*${one}*`)}`).join(',')})`,
    instance === undefined ? undefined : `instanceId==${instance}`,
    pinned === 'true' || pinned === 'false' ? `pinned==${pinned}` : undefined,
    wanted === undefined ? undefined : `state==${wanted}`,
    conflict ? 'conflict==true' : undefined,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(';');
}

const filterForm = ({ query }: Visit, { instances }: Names): Html => html`<form class="filters" method="get">
  <label>Serial number or device id
    <input name="q" type="search" value="${query.get('q') ?? ''}" maxlength="100" /></label>
  ${select(
    'instance',
    'Instance',
    [
      { value: '', label: 'Every instance' },
      ...instances.map(({ id: value, name }) => ({ value, label: name })),
    ],
    query.get('instance') ?? '',
  )}
  ${select(
    'state',
    'Report',
    [{ value: '', label: 'In any state' }, ...states.map((value) => ({ value, label: value }))],
    query.get('state') ?? '',
  )}
  ${select(
    'pinned',
    'Pin',
    [
      { value: '', label: 'With and without' },
      { value: 'true', label: 'Pinned' },
      { value: 'false', label: 'Not pinned' },
    ],
    query.get('pinned') ?? '',
  )}
  ${select(
    'conflict',
    'Claims',
    [
      { value: '', label: 'However many' },
      { value: 'true', label: 'Of several computers' },
    ],
    query.get('conflict') ?? '',
  )}
  <span class="actions"><button>Show</button> <a href="?">Clear</a></span>
</form>`;

const exportLinks = (tenantId: string, filter: string | undefined): Html => {
  const to = (format: string): string =>
    `/api/v1${at`/tenants/${tenantId}/devices/export`}?${new URLSearchParams({ format, ...(filter === undefined ? {} : { filter }) })}`;
  return html`<p class="actions"><span class="quiet">Export what is found:</span>
    <a href="${to('csv')}" download>CSV</a> <a href="${to('ndjson')}" download>NDJSON</a></p>`;
};

/** What keeps a person out stands out; the word tells it without the colour. */
const verdictOf = (verdict: string): Html =>
  verdict === 'compliant'
    ? html`${verdict}`
    : badge(said(verdict), verdict === 'not-compliant' ? 'bad' : 'quiet');

const reportCell = ({ report }: Device): Html =>
  report === null
    ? html`<span class="quiet">nothing told yet</span>`
    : html`${state(report.state)}${report.reason === null ? none : html` <span class="quiet">${report.reason}</span>`}`;

const deviceCell =
  (tenantId: string) =>
  ({ deviceId, serialNumber }: Device): Html => {
    const href = at`/tenants/${tenantId}/devices/${deviceId}`;
    return serialNumber === null
      ? html`<a href="${href}">No serial number</a> ${id(deviceId)}`
      : named(serialNumber, href, deviceId);
  };

export const devices: ConsolePage = {
  path: '/tenants/:tenantId/devices',
  notices: {
    removed: 'The route has ended. Intune is told that the Mac is not managed and not compliant.',
  },
  show: async (visit) => {
    const { api, param, query } = visit;
    const tenantId = param('tenantId');
    const filter = filterOf(query);
    const [tenant, names, { results, totalCount }] = await Promise.all([
      api.get<{ displayName: string }>(at`/tenants/${tenantId}`),
      readNames(api, tenantId),
      api.get<List<Device>>(at`/tenants/${tenantId}/devices`, {
        page: query.get('page') ?? 0,
        'page-size': pageSize,
        sort: 'serialNumber:asc',
        filter,
      }),
    ]);
    return {
      title: 'Devices',
      above: [
        ['Tenants', '/tenants'],
        [tenant.displayName, at`/tenants/${tenantId}`],
      ],
      body: [
        filterForm(visit, names),
        html`<p class="quiet">${counted(totalCount, 'device')}</p>`,
        table<Device>(
          'Devices',
          [
            { title: 'Mac', cell: deviceCell(tenantId) },
            {
              title: 'Instance',
              cell: ({ instanceId, jamfComputerId }) =>
                html`<a href="${at`/tenants/${tenantId}/instances/${instanceId}`}">${names.of(instanceId)}</a> <span class="quiet">computer ${jamfComputerId}</span>`,
            },
            { title: 'Verdict', cell: ({ report }) => (report === null ? '' : verdictOf(report.verdict)) },
            { title: 'Report', cell: reportCell },
            { title: 'Pin', cell: ({ pinned }) => (pinned ? badge('pinned') : '') },
            { title: 'There since', cell: ({ since }) => time(since) },
          ],
          results,
          filter === undefined
            ? html`No Mac of this tenant is known yet. One appears when an instance tells of a computer that is registered in Entra: add an instance with its webhooks, or reconcile the one that is there.`
            : html`No device is like that. <a href="${at`/tenants/${tenantId}/devices`}">Show all devices</a>.`,
        ),
        pager(query, totalCount, pageSize),
        totalCount === 0 ? none : exportLinks(tenantId, filter),
        visit.may('operator')
          ? html`<p class="actions"><a class="button" href="${at`/tenants/${tenantId}/import`}">Import routes</a></p>`
          : none,
      ],
    };
  },
};
