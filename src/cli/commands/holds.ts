/** `espalier holds`: too many changes for the worse at once, and a person's word on them (ESPALIER_MASS_CHANGE). */

import type { Command } from 'commander';
import { type OperationName, pathOf } from '../../client/request.ts';
import { isRow } from '../output/fields.ts';
import { recordLines } from '../output/record.ts';
import { checkConfirmable, confirm, hasTerminal, yesOption } from './confirmation.ts';
import { type ArgumentSpec, addGroup, type OptionSpec, type Verb } from './declare.ts';
import { act, list, show, tenantOption } from './kinds.ts';

const holdArgument: ArgumentSpec = { name: 'holdId', text: 'the id of the hold' };
const someHold = '4c1d7f2e-3b6a-4d58-9e0f-8a7b6c5d4e3f';
const ofTenant = '-t 5b1c0e6a-0d6e-4a57-9d3e-0f7f0a8f1c11';
const one: OperationName = 'GET /tenants/{tenantId}/holds/{holdId}';

const reasonOption: OptionSpec = { flags: '--reason <text>', text: 'why, for the history', body: 'reason' };

const release = act({
  name: 'release',
  summary: 'the change is right: tell Intune what was held',
  details: 'On a terminal it shows what is held and asks. Macs that are told may be locked out.',
  operation: 'POST /tenants/{tenantId}/holds/{holdId}/release',
  arguments: [holdArgument],
  options: [tenantOption, reasonOption, yesOption],
  calls: [one],
  dryRun: true,
  examples: [
    [`holds release ${ofTenant} ${someHold} --dry-run`, 'how many Macs Intune would be told of'],
    [`holds release ${ofTenant} ${someHold}`, 'shows what is held, then asks'],
  ],
});

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'mass changes of a tenant: the one in force, and what became of earlier ones',
    operation: 'GET /tenants/{tenantId}/holds',
    options: [tenantOption],
    examples: [[`holds list ${ofTenant} --filter 'state==open'`, 'what waits for a decision']],
  }),
  show({
    name: 'show',
    summary: 'one mass change: what it holds, of which instances, with examples',
    operation: one,
    arguments: [holdArgument],
    options: [tenantOption],
    examples: [[`holds show ${ofTenant} ${someHold}`, 'before a decision']],
  }),
  {
    ...release,
    run: async (call) => {
      const { api, given, output, parameters } = call;
      if (given.flag('dryRun')) return release.run(call);
      checkConfirmable(given.flag('yes'));
      if (!given.flag('yes') && hasTerminal()) {
        const held = await api.call('GET', pathOf(one, parameters));
        await confirm(output, 'Let Intune be told of this?', isRow(held) ? recordLines(held) : []);
      }
      return release.run(call);
    },
  },
  act({
    name: 'refuse',
    summary: 'the change is an accident: ask the instances again, and hold what they still say',
    details:
      'Put the Jamf Pro server or the group right first. Macs whose state is fine again leave the hold.',
    operation: 'POST /tenants/{tenantId}/holds/{holdId}/refuse',
    arguments: [holdArgument],
    options: [tenantOption, reasonOption],
    dryRun: true,
    examples: [
      [`holds refuse ${ofTenant} ${someHold} --dry-run`, 'how many instances would be asked'],
      [`holds refuse ${ofTenant} ${someHold} --reason 'restored the wrong backup'`, 'nobody is locked out'],
    ],
  }),
];

export const addHolds = (program: Command): Command =>
  addGroup(program, { name: 'holds', summary: 'too many changes for the worse at once' }, verbs);
