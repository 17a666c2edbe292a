/** `espalier reports`: what Intune should hold, and what keeps it from getting there. */

import type { Command } from 'commander';
import { addGroup, type Verb } from './declare.ts';
import { act, list } from './kinds.ts';

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'reports of all tenants',
    operation: 'GET /reports',
    examples: [
      [`reports list --filter 'state==failed'`, 'those that need somebody'],
      [
        `reports list --filter 'state=in=(failed,held);tenantId==5b1c0e6a-0d6e-4a57-9d3e-0f7f0a8f1c11' -o csv`,
        'of one tenant, as CSV',
      ],
    ],
  }),
  list({
    name: 'causes',
    summary: 'failed and held reports by cause, with what ends it',
    operation: 'GET /reports/causes',
    examples: [['reports causes', 'where to begin']],
  }),
  act({
    name: 'replay',
    summary: 'make failed, held, completed or verified reports due again, behind what is new',
    operation: 'POST /reports/replay',
    options: [
      {
        flags: '--filter <rsql>',
        text: 'which, as "reports list --filter" takes it',
        required: true,
        body: 'filter',
      },
    ],
    dryRun: true,
    // A filter that names no tenant and no device may take up everything that there is.
    ask: ({ given }) =>
      /\b(tenantId|deviceId)==/.test(given.text('filter') ?? '') ? undefined : 'Send all of these again?',
    examples: [
      [
        `reports replay --filter 'state==failed;reason==user-not-assigned' --dry-run`,
        'how many that would be',
      ],
      [
        `reports replay --filter 'state==failed;reason==user-not-assigned' --yes`,
        'once the cause is gone, for all tenants, without a question',
      ],
    ],
  }),
];

export const addReports = (program: Command): Command =>
  addGroup(
    program,
    { name: 'reports', summary: 'what Intune should hold, and what keeps it from getting there' },
    verbs,
  );
