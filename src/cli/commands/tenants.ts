/** `espalier tenants`: what is kept of each; `tenants-connection.ts` has what is done with the connection. */

import type { Command } from 'commander';
import { isRow, type Row } from '../output/fields.ts';
import { type ArgumentSpec, addGroup, type OptionSpec, type Verb, type VerbCall } from './declare.ts';
import { failedReportsAdvice } from './failed-reports.ts';
import { act, list, show } from './kinds.ts';
import { secretOf, secretOption, secretRefOption } from './secret-options.ts';
import { connectionVerbs } from './tenants-connection.ts';
import { placementVerbs } from './tenants-placement.ts';

export const tenantArgument: ArgumentSpec = {
  name: 'tenantId',
  text: 'the Entra tenant, by its GUID or its name',
  names: 'tenant',
};
const someTenant = '5b1c0e6a-0d6e-4a57-9d3e-0f7f0a8f1c11';

const landingOptions: readonly OptionSpec[] = [
  {
    flags: '--landing <choice>',
    text: 'what users see who come to register: default, denied, or custom with --landing-url',
    body: 'landing.choice',
  },
  { flags: '--landing-url <url>', text: 'the page of --landing custom', body: 'landing.customUrl' },
  {
    flags: '--landing-instance <instance>',
    text: 'the instance, by id or name, of --landing default for Macs that no instance knows',
    names: 'instance',
    body: 'landing.defaultInstanceId',
  },
];

const applicationOptions: readonly OptionSpec[] = [
  {
    flags: '--application-id <clientId>',
    text: "the tenant's own application, for the connection type manual only",
    body: 'application.clientId',
  },
  secretOption,
  secretRefOption('application.secretRef'),
];

const groupOptions: readonly OptionSpec[] = [
  {
    flags: '--partner-group-id <groupId>',
    text: 'the Entra group assigned to the partner',
    body: 'partnerGroup.id',
  },
  {
    flags: '--partner-group <name>',
    text: 'the same by its name',
    body: 'partnerGroup.displayName',
  },
];

const tagOption: OptionSpec = {
  flags: '--tags <tag,…>',
  text: 'words of your own, in place of those before; "apply --select-tag" goes by them',
  kind: 'list',
  body: 'tags',
};

const withSecret = async (call: VerbCall): Promise<Record<string, unknown>> => {
  const clientSecret = await secretOf(call);
  return clientSecret === undefined ? {} : { application: { clientSecret } };
};

const removed = (answer: Row): string[] => [
  `the tenant goes with ${String(answer.instances)} instances and ${String(answer.devices)} devices`,
  ...(isRow(answer.relay)
    ? [
        `nothing is passed on any more to ${String(answer.relay.to)}, which was to last until ${String(answer.relay.until)}`,
      ]
    : []),
];

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'the tenants that the key may see',
    operation: 'GET /tenants',
    examples: [
      ['tenants list', 'a table of all of them'],
      ['tenants list --sort displayName:asc -o csv', 'the same as CSV, by name'],
    ],
  }),
  show({
    name: 'show',
    summary: 'one tenant as it is configured',
    operation: 'GET /tenants/{tenantId}',
    arguments: [tenantArgument],
    examples: [[`tenants show ${someTenant} -o yaml`, 'as YAML']],
  }),
  act({
    name: 'create',
    summary: 'add a tenant',
    details: 'Then: instances create, tenants connect, tenants confirm.',
    operation: 'POST /tenants',
    options: [
      { flags: '--tenant-id <tenantId>', text: "the Entra tenant's GUID", required: true, body: 'tenantId' },
      {
        flags: '--display-name <name>',
        text: 'the name that operators see',
        required: true,
        body: 'displayName',
      },
      {
        flags: '--cloud <name>',
        text: 'the Microsoft cloud, of "espalier clouds"; default: public',
        body: 'cloud',
      },
      {
        flags: '--mode <mode>',
        text: 'device-compliance (Jamf judges) or conditional-access (Intune judges); default: device-compliance',
        body: 'mode',
      },
      {
        flags: '--connection-type <type>',
        text: 'cloud-connector, or manual, which allows one instance; default: cloud-connector',
        body: 'connectionType',
      },
      ...landingOptions,
      ...groupOptions,
      ...applicationOptions,
      tagOption,
    ],
    body: withSecret,
    done: () => 'next: instances create, then tenants connect',
    examples: [
      [
        `tenants create --tenant-id ${someTenant} --display-name 'Orchard AG'`,
        'device compliance in the public cloud',
      ],
    ],
  }),
  act({
    name: 'change',
    summary: 'change what is configured; only what is given changes',
    details: 'Mode and connection type change by "tenants migrate".',
    operation: 'PATCH /tenants/{tenantId}',
    arguments: [tenantArgument],
    options: [
      { flags: '--display-name <name>', text: 'the name that operators see', body: 'displayName' },
      ...landingOptions,
      ...groupOptions,
      ...applicationOptions,
      tagOption,
    ],
    body: withSecret,
    examples: [
      [
        `tenants change ${someTenant} --landing custom --landing-url https://help.example.com/mac`,
        'a page of your own',
      ],
    ],
  }),
  act({
    name: 'delete',
    summary: 'remove a tenant with all it has here',
    details:
      'Refused while it has devices or is relayed, unless --force. "tenants disconnect" comes first, so that Intune is told.',
    operation: 'DELETE /tenants/{tenantId}',
    arguments: [tenantArgument],
    options: [{ flags: '--force', text: 'although it has devices, or is relayed', query: 'force' }],
    dryRun: true,
    ask: ({ parameters }) => `Remove the tenant ${parameters.tenantId}?`,
    human: removed,
    examples: [[`tenants delete ${someTenant} --dry-run`, 'what would go']],
  }),
  show({
    name: 'status',
    summary: 'where the connection stands and what waits',
    operation: 'GET /tenants/{tenantId}/status',
    arguments: [tenantArgument],
    advice: failedReportsAdvice,
    examples: [[`tenants status ${someTenant}`, 'state, heartbeat, backlog, dates, and what holds it']],
  }),
  show({
    name: 'delivery',
    summary: 'how much was delivered when, and how long it took',
    operation: 'GET /tenants/{tenantId}/delivery',
    arguments: [tenantArgument],
    options: [
      {
        flags: '--step <step>',
        text: 'the size of a step',
        choices: ['five-minutes', 'hour', 'day'],
        query: 'step',
      },
      { flags: '--hours <hours>', text: 'how far back', kind: 'whole', query: 'hours' },
    ],
    examples: [[`tenants delivery ${someTenant} --step hour`, 'the last week by hours']],
  }),
  show({
    name: 'permissions',
    summary: 'what both applications hold against what they must hold, read now',
    operation: 'GET /tenants/{tenantId}/permissions',
    arguments: [tenantArgument],
    examples: [[`tenants permissions ${someTenant}`, 'missing and extra permissions of each application']],
  }),
  ...connectionVerbs(tenantArgument, someTenant),
  ...placementVerbs(tenantArgument, someTenant),
];

export const addTenants = (program: Command): Command =>
  addGroup(
    program,
    {
      name: 'tenants',
      summary: 'Entra tenants and their connection to Intune',
      details:
        'A tenant is added, its instances are added, an administrator consents (connect), and confirm tests every step.',
    },
    verbs,
  );
