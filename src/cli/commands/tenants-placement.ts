/** `espalier tenants move-out`, `move-in` and `relay`: a tenant goes to another deployment (docs/cells.md). */

import { yesOption } from './confirmation.ts';
import type { ArgumentSpec, OptionSpec, Verb } from './declare.ts';
import { departureLines } from './departure-lines.ts';
import { act, dryRunOption, show } from './kinds.ts';

const keyOption = (text: string): OptionSpec => ({
  flags: '--key <reference>',
  text: `the file's key: env:NAME, file:PATH, or - to ask for it or read standard input; ${text}`,
});

/** A date alone is its beginning. The API says what is wrong with any other text. */
const timeOf = (text: string): string => (/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);

export const placementVerbs = (tenantArgument: ArgumentSpec, someTenant: string): readonly Verb[] => [
  {
    name: 'move-out',
    summary: 'fence a tenant and write the sealed file with which another deployment takes it in',
    details:
      'From then on nothing is sent, read or changed for it here. Waits until what was under way has ended. Safe to repeat: every file of a departure says the same.',
    arguments: [tenantArgument],
    options: [
      { flags: '--to <file>', text: 'the file to write', required: true },
      keyOption('default: a new one, shown once'),
      dryRunOption,
      yesOption,
    ],
    operations: [
      'POST /tenants/{tenantId}/move-out',
      'GET /tenants/{tenantId}/move-out',
      'GET /tenants/{tenantId}/move-out/file',
    ],
    examples: [
      [`tenants move-out ${someTenant} --to contoso.sealed --dry-run`, 'whether something is in the way'],
      [`tenants move-out ${someTenant} --to contoso.sealed`, 'asks first, and shows the key'],
    ],
    run: async (call) => (await import('./move-tenant.ts')).moveOut(call),
  },
  {
    name: 'move-in',
    summary: 'take a tenant in by the file of its move-out, all of it or nothing',
    details: 'Safe to repeat: a file that was taken in before changes nothing.',
    arguments: [{ name: 'file', text: 'the sealed file' }],
    options: [keyOption('as move-out showed it'), dryRunOption],
    operations: ['POST /tenants/{tenantId}/move-in'],
    examples: [['tenants move-in contoso.sealed --key -', 'asks for the key']],
    run: async (call) => (await import('./move-tenant.ts')).moveIn(call),
  },
  show({
    name: 'move-out-status',
    summary: 'whether a tenant is leaving, and what its file waits for',
    operation: 'GET /tenants/{tenantId}/move-out',
    arguments: [tenantArgument],
    examples: [[`tenants move-out-status ${someTenant}`, 'here, draining or ready']],
  }),
  act({
    name: 'move-out-cancel',
    summary: 'keep a tenant that was to leave',
    operation: 'DELETE /tenants/{tenantId}/move-out',
    arguments: [tenantArgument],
    options: [
      {
        flags: '--force',
        text: 'although a file was made, which no deployment takes in, or the tenant is relayed',
        query: 'force',
      },
    ],
    dryRun: true,
    ask: ({ parameters }) => `Let ${parameters.tenantId} live here again?`,
    human: departureLines,
    examples: [[`tenants move-out-cancel ${someTenant}`, 'before a file was made']],
  }),
  act({
    name: 'relay',
    summary: 'pass on what comes for a tenant that has left to the deployment where it lives',
    details:
      'On the old deployment, once the tenant lives on the new one. Webhooks, pushes, device calls and landing pages are answered as the new one answers them.',
    operation: 'PUT /tenants/{tenantId}/move-out/relay',
    arguments: [tenantArgument],
    options: [
      { flags: '--to <url>', text: 'public URL of the new deployment', body: 'to', required: true },
      {
        flags: '--until <date>',
        text: 'when it ends: a time of ISO 8601, or a date, at 0:00 UTC',
        required: true,
      },
    ],
    body: async ({ given }) => ({ until: timeOf(given.text('until') ?? '') }),
    dryRun: true,
    human: departureLines,
    examples: [
      [
        `tenants relay ${someTenant} --to https://new.example --until 2027-01-31`,
        'until the end of January 30',
      ],
    ],
  }),
  act({
    name: 'relay-cancel',
    summary: 'pass nothing on any more for a tenant that has left',
    operation: 'DELETE /tenants/{tenantId}/move-out/relay',
    arguments: [tenantArgument],
    dryRun: true,
    ask: ({ parameters }) => `Refuse again what comes for ${parameters.tenantId}?`,
    human: departureLines,
    examples: [[`tenants relay-cancel ${someTenant}`, 'webhooks and pushes are answered 503 again']],
  }),
];
