/** `espalier moves`: devices from one instance to another, in steps that can be taken back. */

import type { Command } from 'commander';
import { pathOf } from '../../client/request.ts';
import { isRow } from '../output/fields.ts';
import { type ArgumentSpec, addGroup, type OptionSpec, type Verb, type VerbCall } from './declare.ts';
import { act, list, show, tenantOption } from './kinds.ts';
import { waitForMove } from './wait-for-move.ts';

const moveArgument: ArgumentSpec = { name: 'moveId', text: 'the id of the move' };
const someMove = '9b2f4c1e-6a53-4f0c-9d0b-5d6a0c7b8e21';
const ofTenant = '-t 5b1c0e6a-0d6e-4a57-9d3e-0f7f0a8f1c11';
const fromTo = '--from 3f2504e0-4f89-41d3-9a0c-0305e82c3301 --to 7d9c1b52-2f0e-4d51-8a3a-1c2d3e4f5a6b';

const planOptions: readonly OptionSpec[] = [
  tenantOption,
  {
    flags: '--from <instance>',
    text: 'the instance that has the devices, by id or name',
    names: 'instance',
    required: true,
    body: 'from',
  },
  {
    flags: '--to <instance>',
    text: 'the instance that shall have them, by id or name',
    names: 'instance',
    required: true,
    body: 'to',
  },
  {
    flags: '--filter <rsql>',
    text: 'which of the devices at --from; default: all. RSQL over deviceId, instanceId, serialNumber, pinned, state, conflict',
    body: 'filter',
  },
  {
    flags: '--percent <percent>',
    text: 'of one step, 1 to 100; default: 10',
    kind: 'whole',
    body: 'percent',
  },
  { flags: '--no-shadow', text: 'do not first compare the answers of both instances', body: 'shadow' },
  {
    flags: '--unclaimed',
    text: 'also devices that --to does not claim but has a computer for, by UDID or serial number',
    body: 'unclaimed',
  },
  {
    flags: '--threshold <share>',
    text: 'share of the compared answers that may differ, 0 to 1; default: 0.01',
    kind: 'share',
    body: 'threshold',
  },
];

const reasonOption: OptionSpec = {
  flags: '--reason <text>',
  text: 'why, for the history of the routes',
  body: 'reason',
};

const waitOption: OptionSpec = { flags: '--wait', text: 'wait until the routes of this step are written' };

const move: OptionSpec[] = [tenantOption];

/** The next step for each reason why a device is skipped. */
const remedies: Readonly<Record<string, string>> = {
  'not-claimed': 'the target does not claim them: with --unclaimed those that it has a computer for go too',
  'not-found-at-target': 'no computer of the target has their UDID or serial number',
  ambiguous: 'several computers of the target have their UDID or serial number',
  pinned: 'a pin stays: "devices put" without --pinned frees it',
};

/** A move that takes nothing must not look like one that was begun. */
async function sayWhatMoves(call: VerbCall, answer: unknown): Promise<void> {
  const { api, output, parameters } = call;
  if (!isRow(answer) || typeof answer.id !== 'string') return;
  const path = pathOf('GET /tenants/{tenantId}/moves/{moveId}', { ...parameters, moveId: answer.id });
  const made = await api.call('GET', path);
  if (!isRow(made) || !isRow(made.devices) || !Array.isArray(made.skipped)) return;
  const planned = Number(made.devices.planned);
  for (const { count, reason } of made.skipped.filter(isRow))
    output.say(
      `${count} devices are skipped (${reason}): ${remedies[String(reason)] ?? 'see "moves devices"'}`,
    );
  output.say(
    planned > 0
      ? `next: espalier moves advance ${answer.id} -t ${parameters.tenantId} (${planned} devices)`
      : 'this move takes no device: nothing will happen when it is advanced',
  );
}

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'the moves of a tenant, newest first',
    operation: 'GET /tenants/{tenantId}/moves',
    options: move,
    examples: [[`moves list ${ofTenant}`, 'with how far each is']],
  }),
  list({
    name: 'all',
    summary: 'the moves of all tenants, newest first',
    operation: 'GET /moves',
    examples: [
      ["moves all --filter 'state=in=(planned,shadowing,moving)'", 'those that are not at their end'],
    ],
  }),
  show({
    name: 'show',
    summary: 'one move: devices by state, why some are not moved, how the answers of both instances differ',
    operation: 'GET /tenants/{tenantId}/moves/{moveId}',
    arguments: [moveArgument],
    options: move,
    examples: [[`moves show ${someMove} ${ofTenant}`, 'before "moves advance"']],
  }),
  list({
    name: 'devices',
    summary: 'the devices of a move, with what became of each',
    operation: 'GET /tenants/{tenantId}/moves/{moveId}/devices',
    arguments: [moveArgument],
    options: move,
    examples: [
      [`moves devices ${someMove} ${ofTenant} --filter 'state==skipped'`, 'those that stay, and why'],
    ],
  }),
  act({
    name: 'plan',
    summary: 'which devices a move would take; nothing is written',
    operation: 'POST /tenants/{tenantId}/moves',
    options: planOptions,
    query: () => ({ 'dry-run': 'true' }),
    examples: [[`moves plan ${ofTenant} ${fromTo}`, 'how many go, how many stay and why']],
  }),
  act({
    name: 'create',
    summary: 'plan a move of devices between two instances and keep it; "moves advance" begins it',
    operation: 'POST /tenants/{tenantId}/moves',
    options: [...planOptions, reasonOption],
    dryRun: true,
    calls: ['GET /tenants/{tenantId}/moves/{moveId}'],
    afterwards: sayWhatMoves,
    examples: [
      [`moves create ${ofTenant} ${fromTo} --percent 25 --reason 'Paris closes'`, 'a quarter at a time'],
    ],
  }),
  act({
    name: 'advance',
    summary: 'the next step: shadow, cut over so many percent, or go on after a pause',
    operation: 'POST /tenants/{tenantId}/moves/{moveId}/advance',
    arguments: [moveArgument],
    options: [
      tenantOption,
      {
        flags: '--percent <percent>',
        text: 'to this percent at once; default: the next step',
        kind: 'whole',
        body: 'percent',
      },
      {
        flags: '--force',
        text: 'although the instances were compared too little, or differ beyond the threshold',
        body: 'force',
      },
      reasonOption,
      waitOption,
    ],
    calls: ['GET /tenants/{tenantId}/moves/{moveId}'],
    afterwards: async (call) => {
      if (call.given.flag('wait')) await waitForMove(call);
    },
    examples: [
      [`moves advance ${someMove} ${ofTenant} --wait`, 'one step, with a progress bar on a terminal'],
      [`moves advance ${someMove} ${ofTenant} --percent 100`, 'all of the rest'],
    ],
  }),
  act({
    name: 'pause',
    summary: 'leave everything where it is; "moves advance" goes on',
    operation: 'POST /tenants/{tenantId}/moves/{moveId}/pause',
    arguments: [moveArgument],
    options: [tenantOption, reasonOption],
    examples: [[`moves pause ${someMove} ${ofTenant}`, 'until the next "moves advance"']],
  }),
  act({
    name: 'rollback',
    summary: 'take back every device that is still where the move put it',
    operation: 'POST /tenants/{tenantId}/moves/{moveId}/rollback',
    arguments: [moveArgument],
    options: [tenantOption, reasonOption, waitOption],
    calls: ['GET /tenants/{tenantId}/moves/{moveId}'],
    ask: ({ parameters }) => `Take back the move ${parameters.moveId}?`,
    afterwards: async (call) => {
      if (call.given.flag('wait')) await waitForMove(call);
    },
    examples: [[`moves rollback ${someMove} ${ofTenant} --reason 'printers missing' --wait`, 'asks first']],
  }),
];

export const addMoves = (program: Command): Command =>
  addGroup(
    program,
    {
      name: 'moves',
      summary: 'devices from one instance to another, step by step',
      details:
        'create plans, advance first compares the answers of both instances, then cuts over a share at a time; rollback takes it back.',
    },
    verbs,
  );
