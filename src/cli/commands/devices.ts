/** `espalier devices`: registrations of Macs in Entra, which instance each belongs to, and what Intune knows of it. */

import type { Command } from 'commander';
import { type OperationName, pathOf } from '../../client/request.ts';
import { fieldOf, isRow } from '../output/fields.ts';
import { writeAnswer } from '../output/output.ts';
import { type ArgumentSpec, addGroup, type OptionSpec, type Verb } from './declare.ts';
import { transferVerbs } from './devices-transfer.ts';
import { failedReportAdvice } from './failed-reports.ts';
import { act, list, show, tenantOption } from './kinds.ts';

const deviceArgument: ArgumentSpec = {
  name: 'deviceId',
  text: "the device's id in Entra, not that in Jamf Pro",
};
const someDevice = 'c8a1f7e2-53b6-4b53-8a5d-2f4f2d1a9b10';
const ofTenant = '-t 5b1c0e6a-0d6e-4a57-9d3e-0f7f0a8f1c11';
const one: OperationName = 'GET /tenants/{tenantId}/devices/{deviceId}';
const put: OperationName = 'PUT /tenants/{tenantId}/devices/{deviceId}';

const reasonOption: OptionSpec = {
  flags: '--reason <text>',
  text: 'why, for the history of the route',
  body: 'reason',
};

/** A pin is the route as it is, put again with `pinned`. */
const pinning = (name: 'pin' | 'unpin', summary: string, example: string): Verb => ({
  name,
  summary,
  arguments: [deviceArgument],
  options: [tenantOption, reasonOption],
  operations: [one, put],
  examples: [
    [`devices ${name} ${someDevice} ${ofTenant} --reason '${example}'`, 'the reason is kept with the route'],
  ],
  run: async ({ api, given, output, parameters }) => {
    const device = await api.call('GET', pathOf(one, parameters));
    const known = isRow(device) ? device : {};
    const optional = Object.fromEntries(
      ['serialNumber', 'udid'].flatMap((field) =>
        typeof known[field] === 'string' ? [[field, known[field]]] : [],
      ),
    );
    const reason = given.text('reason');
    const body = {
      instanceId: fieldOf(known, 'instanceId'),
      jamfComputerId: fieldOf(known, 'jamfComputerId'),
      ...optional,
      pinned: name === 'pin',
      ...(reason === undefined ? {} : { reason }),
    };
    await writeAnswer(output, await api.call('PUT', pathOf(put, parameters), body));
    return 0;
  },
});

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'the devices of a tenant, each with its route and its report',
    operation: 'GET /tenants/{tenantId}/devices',
    options: [tenantOption],
    examples: [
      [`devices list ${ofTenant} --filter 'state==failed'`, 'only those that need somebody'],
      [`devices list ${ofTenant} --sort deviceId:asc --limit 20`, 'the first twenty'],
    ],
  }),
  show({
    name: 'show',
    summary: 'one device: its route, and the report that Intune has or should have',
    operation: one,
    arguments: [deviceArgument],
    options: [tenantOption],
    advice: failedReportAdvice,
    examples: [[`devices show ${someDevice} ${ofTenant}`, 'field by field']],
  }),
  act({
    name: 'put',
    summary: 'put a device on a computer of an instance',
    details:
      'With --pinned it stays there whatever instances claim; otherwise until the Mac enrols elsewhere later. "devices pin" pins it where it is.',
    operation: put,
    arguments: [deviceArgument],
    options: [
      tenantOption,
      {
        flags: '--instance <instance>',
        text: 'the instance, by id or name',
        names: 'instance',
        required: true,
        body: 'instanceId',
      },
      {
        flags: '--computer <id>',
        text: "the computer's id in that instance",
        required: true,
        body: 'jamfComputerId',
      },
      { flags: '--serial-number <text>', text: 'of the Mac', body: 'serialNumber' },
      { flags: '--udid <text>', text: 'of the Mac', body: 'udid' },
      { flags: '--pinned', text: 'whatever instances claim', body: 'pinned' },
      reasonOption,
    ],
    examples: [
      [
        `devices put ${someDevice} ${ofTenant} --instance 3f2504e0-4f89-41d3-9a0c-0305e82c3301 --computer 42`,
        'computer 42 there',
      ],
    ],
  }),
  pinning(
    'pin',
    'hold a device on the instance that it is on, whatever instances claim',
    'repair, ticket 4711',
  ),
  pinning('unpin', 'let the rules decide again where a device belongs', 'ticket 4711 is closed'),
  act({
    name: 'delete',
    summary: 'end a route and tell Intune that the device is not managed',
    details: 'The device comes back when an instance claims it again.',
    operation: 'DELETE /tenants/{tenantId}/devices/{deviceId}',
    arguments: [deviceArgument],
    options: [tenantOption],
    dryRun: true,
    ask: ({ parameters }) => `End the route of ${parameters.deviceId}?`,
    done: () => 'the route has ended; Intune is told',
    examples: [[`devices delete ${someDevice} ${ofTenant} --yes`, 'without asking']],
  }),
  show({
    name: 'explain',
    summary: 'why a device is on its instance: rule, since when, who else claims it, what would change it',
    operation: 'GET /tenants/{tenantId}/devices/{deviceId}/explain',
    arguments: [deviceArgument],
    options: [
      tenantOption,
      { flags: '--at <time>', text: 'as it was then, ISO 8601; default: now', query: 'at' },
    ],
    examples: [
      [`devices explain ${someDevice} ${ofTenant}`, 'now'],
      [`devices explain ${someDevice} ${ofTenant} --at 2026-11-20T08:00:00Z`, 'then'],
    ],
  }),
  list({
    name: 'timeline',
    summary:
      'the way of a device’s state, newest first: received, fetched, routed, sent, accepted, completed, verified',
    operation: 'GET /tenants/{tenantId}/devices/{deviceId}/timeline',
    arguments: [deviceArgument],
    options: [tenantOption],
    examples: [[`devices timeline ${someDevice} ${ofTenant} --limit 20`, 'the last twenty events']],
  }),
  show({
    name: 'compare',
    summary: 'what Jamf Pro says of a Mac, what Intune was told, and what Entra shows',
    operation: 'GET /tenants/{tenantId}/devices/{deviceId}/comparison',
    arguments: [deviceArgument],
    options: [tenantOption],
    examples: [[`devices compare ${someDevice} ${ofTenant}`, 'differences names what is not the same']],
  }),
  act({
    name: 'refresh',
    summary: 'read every computer that names the device now, and try again what was held or failed',
    operation: 'POST /tenants/{tenantId}/devices/{deviceId}/refresh',
    arguments: [deviceArgument],
    options: [tenantOption],
    examples: [[`devices refresh ${someDevice} ${ofTenant}`, '"devices timeline" says how it went']],
  }),
  act({
    name: 'erase',
    summary: "erase what is kept of one person's Macs that are gone, with a proof in the history",
    details:
      'Refused while an instance still names one of them, or Intune has not confirmed that it is not managed. docs/data.md says what stays.',
    operation: 'POST /tenants/{tenantId}/erasures',
    options: [
      tenantOption,
      { flags: '--user <id>', text: "the user's object id in Entra", body: 'userId' },
      {
        flags: '--device <ids>',
        text: 'device ids in Entra, beside those known to be theirs',
        kind: 'list',
        body: 'deviceIds',
      },
      { flags: '--force', text: 'also before Intune has confirmed', query: 'force' },
    ],
    dryRun: true,
    ask: () => 'Erase what is kept of this person? It cannot be undone.',
    examples: [
      [`devices erase ${ofTenant} --user 7d1c0b52-6f0e-4a55-8f0a-3a5f5f7e2d11 --dry-run`, 'what would go'],
      [`devices erase ${ofTenant} --device ${someDevice} --yes`, 'one device, without asking'],
    ],
  }),
  ...transferVerbs(ofTenant),
];

export const addDevices = (program: Command): Command =>
  addGroup(
    program,
    { name: 'devices', summary: 'registered Macs: where each belongs and what Intune knows of it' },
    verbs,
  );
