/** `espalier keys`: keys of the admin API. */

import type { Command } from 'commander';
import { addGroup, type Verb } from './declare.ts';
import { expiryOption, keyArgument, shownOnce } from './instance-keys.ts';
import { act, list, show } from './kinds.ts';

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'keys of the admin API, without the keys themselves',
    operation: 'GET /keys',
    examples: [['keys list', 'with role, tenants and last use']],
  }),
  show({
    name: 'show',
    summary: 'one key, without the key itself',
    operation: 'GET /keys/{keyId}',
    arguments: [keyArgument],
    examples: [['keys show 7c1d4a90-…', 'role, tenants, expiry, last use']],
  }),
  act({
    name: 'create',
    summary: 'make a key of the admin API; it is shown this once',
    operation: 'POST /keys',
    options: [
      { flags: '--name <name>', text: 'whose it is or what it is for', required: true, body: 'name' },
      {
        flags: '--role <role>',
        text: 'viewer reads; operator also works on devices, routes, moves and reports; admin does everything',
        required: true,
        body: 'role',
      },
      {
        flags: '--tenants <tenants>',
        names: 'tenant',
        text: 'bound to these tenants, by id or by a name without a comma, separated by commas; default: all tenants',
        kind: 'list',
        body: 'tenants',
      },
      expiryOption,
    ],
    done: shownOnce,
    examples: [
      ['keys create --name dashboard --role viewer', 'reads everything'],
      [
        'keys create --name orchard --role admin --tenants 5b1c0e6a-0d6e-4a57-9d3e-0f7f0a8f1c11',
        'bound to one tenant',
      ],
    ],
  }),
  act({
    name: 'delete',
    summary: 'revoke a key: calls with it are refused at once',
    operation: 'DELETE /keys/{keyId}',
    arguments: [keyArgument],
    ask: ({ parameters }) => `Revoke the key ${parameters.keyId}?`,
    done: () => 'revoked',
    examples: [['keys delete 7c1d4a90-… --yes', 'without asking']],
  }),
];

export const addKeys = (program: Command): Command =>
  addGroup(program, { name: 'keys', summary: 'keys of the admin API: role, tenants, expiry' }, verbs);
