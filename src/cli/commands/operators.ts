/** `espalier operators`: whom Entra signs in, and the tenants that they are bound to. */

import type { Command } from 'commander';
import { usageFailure } from '../failure.ts';
import { addGroup, type Verb, type VerbCall } from './declare.ts';
import { act, list, show } from './kinds.ts';

const operatorArgument = {
  name: 'operatorId',
  text: 'the Entra tenant and the object id, joined by a colon; the Entra tenant alone for everybody of it',
};

/** To see everything has to be asked for by name: it must not come of an option that was forgotten. */
async function assignmentOf({ given }: VerbCall): Promise<Record<string, unknown>> {
  const chosen = [given.value('tenants') !== undefined, given.flag('all'), given.flag('none')];
  if (chosen.filter(Boolean).length !== 1) throw usageFailure('say one of --tenants, --all and --none');
  if (given.flag('all')) return { tenants: null };
  return given.flag('none') ? { tenants: [] } : {};
}

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'people and applications that Entra signs in, with role and tenants',
    operation: 'GET /operators',
    examples: [['operators list', 'who sees what, and when he was last seen']],
  }),
  show({
    name: 'show',
    summary: 'one operator of Entra, or everybody of an Entra tenant',
    operation: 'GET /operators/{operatorId}',
    arguments: [operatorArgument],
    examples: [['operators show 3f2504e0-…:7d444840-…', 'role, tenants, and which assignment decides']],
  }),
  act({
    name: 'assign',
    summary: 'bind an operator, or everybody of an Entra tenant, to tenants',
    operation: 'PUT /operators/{operatorId}',
    arguments: [operatorArgument],
    options: [
      {
        flags: '--tenants <tenants>',
        names: 'tenant',
        text: 'bound to these tenants, by id or by a name without a comma, separated by commas',
        kind: 'list',
        body: 'tenants',
      },
      { flags: '--all', text: 'all tenants, whatever everybody of the Entra tenant is bound to' },
      { flags: '--none', text: 'no tenant at all' },
    ],
    body: assignmentOf,
    examples: [
      [
        'operators assign 3f2504e0-… --tenants Contoso',
        'whoever comes from this Entra tenant sees one tenant only',
      ],
    ],
  }),
  act({
    name: 'unassign',
    summary: 'end the assignment of an operator, or of everybody of an Entra tenant',
    operation: 'DELETE /operators/{operatorId}',
    arguments: [operatorArgument],
    ask: ({ parameters }) =>
      `End the assignment of ${parameters.operatorId}? Without another one all tenants are seen.`,
    done: () => 'ended',
    examples: [['operators unassign 3f2504e0-…:7d444840-… --yes', 'without asking']],
  }),
];

export const addOperators = (program: Command): Command =>
  addGroup(program, { name: 'operators', summary: 'people of Entra: role, tenants, last seen' }, verbs);
