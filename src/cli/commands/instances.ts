/** `espalier instances`: the Jamf Pro servers of a tenant, and their keys. */

import type { Command } from 'commander';
import { usageFailure } from '../failure.ts';
import type { Row } from '../output/fields.ts';
import { stepLines } from '../output/record.ts';
import { readText } from '../text-file.ts';
import { type ArgumentSpec, addGroup, type OptionSpec, type Verb, type VerbCall } from './declare.ts';
import { instanceKeyVerbs } from './instance-keys.ts';
import { act, list, show, tenantOption } from './kinds.ts';
import { secretOf, secretOption, secretRefOption } from './secret-options.ts';

export const instanceArgument: ArgumentSpec = {
  name: 'instanceId',
  text: 'the instance, by its id here or its name',
  names: 'instance',
};
const someInstance = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const ofTenant = '-t 5b1c0e6a-0d6e-4a57-9d3e-0f7f0a8f1c11';

const settingOptions = (required: boolean): readonly OptionSpec[] => [
  { flags: '--name <name>', text: 'the name that operators and users see', required, body: 'name' },
  { flags: '--url <url>', text: 'base URL, https://name.jamfcloud.com', required, body: 'url' },
  { flags: '--client-id <id>', text: 'of the API client', required, body: 'apiClient.clientId' },
  secretOption,
  secretRefOption('apiClient.secretRef'),
  {
    flags: '--compliance <source>',
    text: 'who says whether a Mac is compliant: jamf, or smart-group with both groups below',
    body: 'compliance.source',
  },
  {
    flags: '--applicable-group <name>',
    text: 'the smart group of Macs that are judged',
    body: 'compliance.applicableGroup',
  },
  {
    flags: '--compliance-group <name>',
    text: 'the smart group of Macs that are compliant',
    body: 'compliance.complianceGroup',
  },
  { flags: '--ca-certificate <file>', text: 'PEM file of the authority that signed its certificate' },
  {
    flags: '--client-certificate-sha256 <hex>',
    text: 'fingerprint of the client certificate that it calls with',
    body: 'clientCertificateSha256',
  },
];

function certificateOf(call: VerbCall): string | undefined {
  const path = call.given.text('caCertificate');
  if (path === undefined) return undefined;
  try {
    return readText(path);
  } catch (error) {
    throw usageFailure(`--ca-certificate cannot be read: ${(error as Error).message}`);
  }
}

const moreOf = async (call: VerbCall): Promise<Record<string, unknown>> => {
  const clientSecret = await secretOf(call);
  const caCertificate = certificateOf(call);
  const enabled = call.given.value('enabled');
  return {
    ...(clientSecret === undefined ? {} : { apiClient: { clientSecret } }),
    ...(caCertificate === undefined ? {} : { caCertificate }),
    ...(enabled === undefined ? {} : { enabled: enabled === 'yes' }),
  };
};

const removed = (answer: Row): string[] => [
  `${String(answer.devices)} devices: ${String(answer.moved)} go to other instances that claim them, ${String(answer.retracted)} are retracted at Intune, the routes of the others end`,
];

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'the Jamf Pro instances of a tenant',
    operation: 'GET /tenants/{tenantId}/instances',
    options: [tenantOption],
    examples: [[`instances list ${ofTenant}`, 'with version, last contact and last error']],
  }),
  show({
    name: 'show',
    summary: 'one instance, with the addresses that its webhooks call',
    operation: 'GET /tenants/{tenantId}/instances/{instanceId}',
    arguments: [instanceArgument],
    options: [tenantOption],
    examples: [[`instances show ${someInstance} ${ofTenant}`, 'webhookUrl goes into Jamf Pro']],
  }),
  act({
    name: 'create',
    summary: 'add a Jamf Pro instance; its secret is sealed and never shown again',
    operation: 'POST /tenants/{tenantId}/instances',
    options: [tenantOption, ...settingOptions(true)],
    body: moreOf,
    done: () => 'next: instances test, then instances keys create for its webhooks',
    examples: [
      [
        `instances create ${ofTenant} --name berlin --url https://berlin.jamfcloud.com --client-id 0f0e… --client-secret env:JAMF_CLIENT_SECRET`,
        'the secret is read from a variable of this shell and sent once',
      ],
      [
        `instances create ${ofTenant} --name paris --url https://paris.jamfcloud.com --client-id 1a2b… --secret-ref file:/run/secrets/paris`,
        'the gateway reads the secret from a file of its own',
      ],
    ],
  }),
  act({
    name: 'change',
    summary: 'change an instance; only what is given changes',
    details: "Another URL's origin needs the secret again.",
    operation: 'PATCH /tenants/{tenantId}/instances/{instanceId}',
    arguments: [instanceArgument],
    options: [
      tenantOption,
      ...settingOptions(false),
      {
        flags: '--enabled <yes|no>',
        text: 'no: its claims on devices rest, and with the last one the tenant is deprovisioned',
        choices: ['yes', 'no'],
      },
    ],
    body: moreOf,
    examples: [
      [
        `instances change ${someInstance} ${ofTenant} --client-id 0f0e… --client-secret -`,
        'a new secret, asked for',
      ],
    ],
  }),
  act({
    name: 'delete',
    summary: 'remove an instance',
    details:
      'Refused while it has devices, unless --force: then devices that another instance claims go there, the others lose their routes, or with --retract Intune is told that they are not managed.',
    operation: 'DELETE /tenants/{tenantId}/instances/{instanceId}',
    arguments: [instanceArgument],
    options: [
      tenantOption,
      { flags: '--force', text: 'although it has devices', query: 'force' },
      {
        flags: '--retract',
        text: 'tell Intune that devices nobody else claims are not managed',
        query: 'retract',
      },
    ],
    dryRun: true,
    ask: ({ parameters }) => `Remove the instance ${parameters.instanceId}?`,
    human: removed,
    examples: [
      [
        `instances delete ${someInstance} ${ofTenant} --force --retract --dry-run`,
        'what would become of its devices',
      ],
    ],
  }),
  act({
    name: 'test',
    summary: 'test address, API client, version and privileges of an instance',
    details: 'Exit code 1 if a step fails, with its cause, what helps and who has to act.',
    operation: 'POST /tenants/{tenantId}/instances/{instanceId}/test',
    arguments: [instanceArgument],
    options: [tenantOption],
    human: stepLines,
    failed: (answer) => answer.ok === false,
    examples: [[`instances test ${someInstance} ${ofTenant}`, 'a line for each step']],
  }),
  act({
    name: 'reconcile',
    summary: 'list every computer of the instance now and read what differs from what is known',
    operation: 'POST /tenants/{tenantId}/instances/{instanceId}/reconcile',
    arguments: [instanceArgument],
    options: [tenantOption],
    examples: [
      [`instances reconcile ${someInstance} ${ofTenant}`, '"instances show" says when it is through'],
    ],
  }),
  act({
    name: 'pause',
    summary: 'leave the instance alone: calls for it answer 503',
    operation: 'POST /tenants/{tenantId}/instances/{instanceId}/pause',
    arguments: [instanceArgument],
    options: [tenantOption],
    examples: [[`instances pause ${someInstance} ${ofTenant}`, 'while it is upgraded']],
  }),
  act({
    name: 'resume',
    summary: 'use the instance again',
    operation: 'POST /tenants/{tenantId}/instances/{instanceId}/resume',
    arguments: [instanceArgument],
    options: [tenantOption],
    examples: [[`instances resume ${someInstance} ${ofTenant}`, 'after "instances pause"']],
  }),
];

export function addInstances(program: Command): Command {
  const group = addGroup(program, { name: 'instances', summary: 'Jamf Pro servers of a tenant' }, verbs);
  addGroup(
    group,
    {
      name: 'keys',
      summary: 'keys with which an instance sends webhooks and inventory',
      details: 'Two may be live at a time, so that one can be exchanged without a gap.',
    },
    instanceKeyVerbs(instanceArgument, someInstance, ofTenant),
  );
  return group;
}
