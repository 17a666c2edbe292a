import { html } from 'hono/html';
import type { Html } from '../../gateway/page-layout.ts';
import { card, id, named, state, table } from '../parts.ts';
import type { ConsolePage } from '../visit.ts';

/** What was found for the text in the field at the top of every page. */

interface Device {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly deviceId: string;
  readonly matched: string;
  readonly serialNumber: string | null;
  readonly computerName: string | null;
  readonly instanceId: string | null;
  readonly instanceName: string | null;
}
interface Found<Row> {
  readonly more: boolean;
  readonly results: readonly Row[];
}
interface Results {
  readonly tenants: Found<{
    readonly tenantId: string;
    readonly displayName: string;
    readonly connectionState: string;
  }>;
  readonly instances: Found<{
    readonly tenantId: string;
    readonly tenantName: string;
    readonly instanceId: string;
    readonly name: string;
    readonly url: string;
  }>;
  readonly devices: Found<Device>;
}

/** Longer than any name or id; the API says the same. */
const mostCharacters = 200;

const matches: Readonly<Record<string, string>> = {
  'device-id': 'device id',
  user: 'user',
  udid: 'UDID',
  'serial-number': 'serial number',
  'computer-name': 'computer name',
};

const more = ({ more: isMore, results }: Found<unknown>): Html =>
  isMore
    ? html`<p class="quiet">The first ${results.length} are shown. Search for more of the name to see others.</p>`
    : html``;

const devicesOf = (devices: Results['devices']): Html =>
  card('Devices', [
    table<Device>(
      'Devices',
      [
        {
          title: 'Device',
          cell: ({ computerName, deviceId, serialNumber, tenantId }) =>
            html`<a href="/tenants/${tenantId}/devices/${deviceId}">${computerName ?? serialNumber ?? deviceId}</a><br />${id(deviceId)}`,
        },
        { title: 'Serial number', cell: ({ serialNumber }) => serialNumber },
        {
          title: 'Tenant',
          cell: ({ tenantId, tenantName }) => html`<a href="/tenants/${tenantId}">${tenantName}</a>`,
        },
        {
          title: 'Instance',
          cell: ({ instanceId, instanceName, tenantId }) =>
            instanceId === null
              ? html`<span class="quiet">none</span>`
              : html`<a href="/tenants/${tenantId}/instances/${instanceId}">${instanceName}</a>`,
        },
        { title: 'Found by', cell: ({ matched }) => matches[matched] ?? matched },
      ],
      devices.results,
      '',
    ),
    more(devices),
  ]);

const resultsOf = ({ devices, instances, tenants }: Results): Html[] => [
  tenants.results.length === 0
    ? html``
    : card('Tenants', [
        table(
          'Tenants',
          [
            {
              title: 'Tenant',
              cell: ({ displayName, tenantId }) => named(displayName, `/tenants/${tenantId}`, tenantId),
            },
            { title: 'State', cell: ({ connectionState }) => state(connectionState) },
          ],
          tenants.results,
          '',
        ),
        more(tenants),
      ]),
  instances.results.length === 0
    ? html``
    : card('Instances', [
        table(
          'Instances',
          [
            {
              title: 'Instance',
              cell: ({ instanceId, name, tenantId }) =>
                named(name, `/tenants/${tenantId}/instances/${instanceId}`, instanceId),
            },
            { title: 'Address', cell: ({ url }) => url },
            {
              title: 'Tenant',
              cell: ({ tenantId, tenantName }) => html`<a href="/tenants/${tenantId}">${tenantName}</a>`,
            },
          ],
          instances.results,
          '',
        ),
        more(instances),
      ]),
  devices.results.length === 0 ? html`` : devicesOf(devices),
];

const help = html`<p>Search by a part of the name of a tenant or an instance, a whole serial number, the beginning of the name of a computer, or any id: of a tenant, an instance, a device in Entra, a user in Entra, or a UDID. A user is found by the object id alone, which Entra shows on the user's page: Espalier keeps no list of people's names.</p>`;

export const search: ConsolePage = {
  path: '/search',
  show: async ({ api, query }) => {
    const text = (query.get('q') ?? '').trim();
    if (text === '') return { title: 'Search', body: help };
    if (text.length > mostCharacters)
      return {
        title: 'Search',
        body: html`<p class="empty">This is longer than any name or id. Search for less of it.</p>${help}`,
      };
    const found = await api.get<Results>('/search', { q: text });
    const none = [found.tenants, found.instances, found.devices].every(({ results }) => results.length === 0);
    return {
      title: `Search for ${text}`,
      body: none
        ? html`<p class="empty">Nothing that you may see is called that.</p>${help}`
        : resultsOf(found),
    };
  },
};
