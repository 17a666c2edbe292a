/** `espalier alerts`: the webhooks that are told what needs a person. */

import type { Command } from 'commander';
import { type ArgumentSpec, addGroup, type OptionSpec, type Verb, type VerbCall } from './declare.ts';
import { act, list, show } from './kinds.ts';

const targetArgument: ArgumentSpec = { name: 'targetId', text: 'the id of the target' };
const someTarget = '4be1a7d2-…';

/** The address of a chat lets whoever has it write there, so it stands in no list of processes and no shell history. */
const urlText =
  'where this command reads the address from: env:NAME, file:PATH, or - to ask for it or read standard input';

async function withUrl({ given }: VerbCall): Promise<Record<string, unknown>> {
  const reference = given.text('url');
  if (reference === undefined) return {};
  const [{ readSecret }, { configSource }] = await Promise.all([
    import('../server/secret-input.ts'),
    import('../environment.ts'),
  ]);
  return { url: await readSecret(reference, '--url', configSource().environment) };
}

const tellingOptions: readonly OptionSpec[] = [
  {
    flags: '--tenants <tenants>',
    names: 'tenant',
    text: 'only of these tenants, by id or by a name without a comma, separated by commas; default: all tenants and the gateway itself',
    kind: 'list',
    body: 'tenants',
  },
  {
    flags: '--kinds <kinds>',
    text: 'only these kinds of the overview, such as tenant-held,instance-unreachable; default: all',
    kind: 'list',
    body: 'kinds',
  },
];

const verbs: readonly Verb[] = [
  list({
    name: 'list',
    summary: 'the targets of alerts, and whether they take them',
    operation: 'GET /alerts/targets',
    examples: [['alerts list', 'which target fails or was given up']],
  }),
  show({
    name: 'show',
    summary: 'one target, without its address and secret',
    operation: 'GET /alerts/targets/{targetId}',
    arguments: [targetArgument],
    examples: [[`alerts show ${someTarget}`, 'since when it fails, and how']],
  }),
  act({
    name: 'create',
    summary: 'add a webhook for alerts; its signing secret is shown this once',
    operation: 'POST /alerts/targets',
    options: [
      { flags: '--name <name>', text: 'who reads there', required: true, body: 'name' },
      { flags: '--url <reference>', text: urlText, required: true },
      {
        flags: '--format <format>',
        text: 'standard: JSON, signed by Standard Webhooks; teams and slack: a text in that chat. Default: standard',
        body: 'format',
      },
      ...tellingOptions,
      {
        flags: '--with-history',
        text: 'send every entry of the history too, for a SIEM; format standard only',
      },
    ],
    body: async (call) => ({
      ...(await withUrl(call)),
      ...(call.given.flag('withHistory') ? { history: true } : {}),
    }),
    done: (_, answer) =>
      (answer as { secret?: unknown } | null)?.secret == null
        ? 'see whether it arrives: espalier alerts test'
        : 'the secret is shown this once: give it to the receiver, which checks the signature with it',
    examples: [
      ["alerts create --name 'on call' --url env:ON_CALL_URL", 'signed messages about everything'],
      [
        'alerts create --name orchard --format slack --url - --tenants Orchard',
        'asks for the address of the channel, which hears of one tenant',
      ],
      ['alerts create --name siem --url file:siem.url --with-history', 'with every entry of the history'],
    ],
  }),
  act({
    name: 'change',
    summary: 'change what a target is told, or its address; lets one that was given up go on',
    operation: 'PATCH /alerts/targets/{targetId}',
    arguments: [targetArgument],
    options: [
      { flags: '--name <name>', text: 'who reads there', body: 'name' },
      { flags: '--url <reference>', text: urlText },
      ...tellingOptions,
      { flags: '--enable', text: 'tell it again' },
      { flags: '--disable', text: 'tell it nothing until it is enabled' },
    ],
    body: async (call) => ({
      ...(await withUrl(call)),
      ...(call.given.flag('disable') ? { enabled: false } : {}),
      ...(call.given.flag('enable') ? { enabled: true } : {}),
    }),
    examples: [[`alerts change ${someTarget} --disable`, 'during a maintenance window']],
  }),
  act({
    name: 'test',
    summary: 'send a test to a target now; exit code 1 if it does not take it',
    operation: 'POST /alerts/targets/{targetId}/test',
    arguments: [targetArgument],
    failed: ({ ok }) => ok !== true,
    examples: [[`alerts test ${someTarget}`, 'status or fault of its answer']],
  }),
  act({
    name: 'delete',
    summary: 'remove a target: it is told nothing more',
    operation: 'DELETE /alerts/targets/{targetId}',
    arguments: [targetArgument],
    ask: ({ parameters }) => `Remove the target ${parameters.targetId}?`,
    done: () => 'removed',
    examples: [[`alerts delete ${someTarget} --yes`, 'without asking']],
  }),
];

export const addAlerts = (program: Command): Command =>
  addGroup(program, { name: 'alerts', summary: 'webhooks that are told what needs a person' }, verbs);
