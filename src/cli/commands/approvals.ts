/** `espalier approvals`: large changes that wait for a second operator (ESPALIER_APPROVALS). */

import type { Command } from 'commander';
import { type OperationName, pathOf } from '../../client/request.ts';
import { isRow } from '../output/fields.ts';
import { recordLines } from '../output/record.ts';
import { checkConfirmable, confirm, hasTerminal, yesOption } from './confirmation.ts';
import { type ArgumentSpec, addGroup, type OptionSpec, type Verb } from './declare.ts';
import { act, list, show } from './kinds.ts';

const approvalArgument: ArgumentSpec = {
  name: 'approvalId',
  text: 'the id that the change was answered with',
};
const someApproval = '1d7c2f3a-9e0b-4c55-b1f2-6a7b8c9d0e1f';
const one: OperationName = 'GET /approvals/{approvalId}';

const reasonOption: OptionSpec = { flags: '--reason <text>', text: 'why, for the history', body: 'reason' };

const approve = act({
  name: 'approve',
  summary: 'let a change that waits be carried out',
  details:
    'By another operator than the one who asked for it. On a terminal it shows the change and asks. Exit code 1 if the change was then refused.',
  operation: 'POST /approvals/{approvalId}/approve',
  arguments: [approvalArgument],
  options: [reasonOption, yesOption],
  calls: [one],
  // 200 says that it was decided; what came of the request is in the answer.
  failed: ({ state }) => state === 'failed',
  examples: [[`approvals approve ${someApproval}`, 'shows what it is, then asks']],
});

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'changes that wait for another operator, and what became of earlier ones',
    operation: 'GET /approvals',
    examples: [[`approvals list --filter 'state==waiting'`, 'what waits now']],
  }),
  show({
    name: 'show',
    summary: 'one change that waits: what, how many devices, by whom, until when',
    operation: one,
    arguments: [approvalArgument],
    examples: [[`approvals show ${someApproval}`, 'before "approvals approve"']],
  }),
  {
    ...approve,
    run: async (call) => {
      const { api, given, output, parameters } = call;
      checkConfirmable(given.flag('yes'));
      if (!given.flag('yes') && hasTerminal()) {
        const waiting = await api.call('GET', pathOf(one, parameters));
        await confirm(output, 'Let this be carried out?', isRow(waiting) ? recordLines(waiting) : []);
      }
      return approve.run(call);
    },
  },
  act({
    name: 'reject',
    summary: 'refuse a change that waits, or take one back that you asked for',
    operation: 'POST /approvals/{approvalId}/reject',
    arguments: [approvalArgument],
    options: [reasonOption],
    examples: [[`approvals reject ${someApproval} --reason 'wrong tenant'`, 'nothing is carried out']],
  }),
];

export const addApprovals = (program: Command): Command =>
  addGroup(program, { name: 'approvals', summary: 'large changes that wait for a second operator' }, verbs);
