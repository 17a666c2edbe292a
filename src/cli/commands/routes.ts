/** `espalier routes`: the table that says which instance each device belongs to, its versions and its conflicts. */

import type { Command } from 'commander';
import type { Row } from '../output/fields.ts';
import { recordLines } from '../output/record.ts';
import { addGroup, type Verb } from './declare.ts';
import { act, list, show, tenantOption } from './kinds.ts';

const ofTenant = '-t 5b1c0e6a-0d6e-4a57-9d3e-0f7f0a8f1c11';

const rollbackLines = (answer: Row): string[] => {
  const { devices, dryRun: _, ...rest } = answer;
  const shown = Array.isArray(devices) ? devices : [];
  return recordLines({ ...rest, ...(shown.length > 0 ? { devices: shown } : {}) });
};

const verbs: readonly Verb[] = [
  list({
    name: 'changes',
    summary: 'every change of a route with author, reason and version, newest first',
    operation: 'GET /tenants/{tenantId}/routes/changes',
    options: [tenantOption],
    examples: [[`routes changes ${ofTenant} --limit 50`, 'the last fifty']],
  }),
  list({
    name: 'diff',
    summary: 'devices whose route is another one at one version than at another',
    operation: 'GET /tenants/{tenantId}/routes/diff',
    options: [
      tenantOption,
      {
        flags: '--from <version>',
        text: 'the earlier version',
        kind: 'whole',
        required: true,
        query: 'from',
      },
      { flags: '--to <version>', text: 'the later version', kind: 'whole', required: true, query: 'to' },
    ],
    examples: [[`routes diff ${ofTenant} --from 120 --to 180`, 'what changed between']],
  }),
  list({
    name: 'conflicts',
    summary:
      'devices that several computers of enabled instances claim, with what each says and who has them',
    operation: 'GET /tenants/{tenantId}/routes/conflicts',
    options: [tenantOption],
    examples: [[`routes conflicts ${ofTenant} -o yaml`, 'with all claims']],
  }),
  list({
    name: 'stale',
    summary: 'old registrations of Macs that registered anew, and whether they still have a route',
    operation: 'GET /tenants/{tenantId}/routes/stale',
    options: [tenantOption],
    examples: [[`routes stale ${ofTenant}`, 'with what to do about each']],
  }),
  show({
    name: 'convergence',
    summary: 'which process serves which version of the routes',
    operation: 'GET /tenants/{tenantId}/routes/convergence',
    options: [tenantOption],
    examples: [[`routes convergence ${ofTenant}`, 'a line for each process']],
  }),
  act({
    name: 'rollback',
    summary: 'put every route where it was at a version, as a new version; pins as they were',
    operation: 'POST /tenants/{tenantId}/routes/rollback',
    options: [
      tenantOption,
      {
        flags: '--to-version <version>',
        text: 'of "routes changes"',
        kind: 'whole',
        required: true,
        body: 'toVersion',
      },
      {
        flags: '--reason <text>',
        text: 'why, for the history of the routes',
        required: true,
        body: 'reason',
      },
    ],
    dryRun: true,
    ask: ({ given }) => `Put all routes where they were at version ${given.number('toVersion')}?`,
    human: rollbackLines,
    examples: [
      [
        `routes rollback ${ofTenant} --to-version 120 --reason 'wrong import' --dry-run`,
        'which devices would move',
      ],
    ],
  }),
  {
    name: 'rebuild',
    summary: 'make all routes and reports anew from the instances alone, after losing the database',
    details:
      'Every computer of every instance is listed and read. After "apply" has put tenants and instances back.',
    options: [
      {
        flags: '-t, --tenant <tenant>',
        names: 'tenant',
        text: 'only this tenant, by id or name; default: all that the key may see',
      },
      { flags: '--no-wait', text: 'do not wait until every computer was read' },
    ],
    operations: [
      'POST /tenants/{tenantId}/routes/rebuild',
      'GET /tenants',
      'GET /tenants/{tenantId}/status',
      'GET /tenants/{tenantId}/instances',
    ],
    examples: [['routes rebuild', 'all tenants, until every computer was read']],
    run: async (call) => (await import('./rebuild-routes.ts')).rebuildRoutes(call),
  },
];

export const addRoutes = (program: Command): Command =>
  addGroup(
    program,
    { name: 'routes', summary: 'which instance each device belongs to: changes, conflicts, versions' },
    verbs,
  );
