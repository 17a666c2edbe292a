/** The declaration of a command on a server, and how it becomes a command of commander's. */

import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { methodOf, type OperationName } from '../../client/request.ts';
import type { AdminServer } from '../admin-api.ts';
import { formats, type Output } from '../output/output.ts';
import { attributeOf, type Given, givenOf } from './given.ts';
import type { NamedKind } from './named.ts';

export interface OptionSpec {
  /** Flags as commander takes them: `-t, --tenant <tenantId>`. */
  readonly flags: string;
  readonly text: string;
  readonly choices?: readonly string[];
  readonly kind?: 'whole' | 'share' | 'list';
  readonly required?: boolean;
  /** Environment variable that says it when the option does not. */
  readonly variable?: string;
  /** It takes an id or a name of these, which becomes the id. */
  readonly names?: NamedKind;
  /** Name of the query parameter that it becomes. */
  readonly query?: string;
  /** Path of the field of the body that it becomes: `landing.choice`. */
  readonly body?: string;
}

export interface ArgumentSpec {
  /** Named after the parameter of the path that it becomes. */
  readonly name: string;
  readonly text: string;
  readonly optional?: boolean;
  /** It takes an id or a name of these, which becomes the id. */
  readonly names?: NamedKind;
}

export type Parameters = Readonly<Record<string, string>>;

export interface VerbCall {
  readonly api: AdminServer;
  readonly output: Output;
  readonly given: Given;
  /** Parameters of the operation's path. */
  readonly parameters: Parameters;
}

export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly details?: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  /** Command line after `espalier`, and what it does. */
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** Every operation of the API that it calls. */
  readonly operations: readonly OperationName[];
  /** Resolves to the exit code, 0 if to nothing. */
  readonly run: (call: VerbCall) => Promise<number | undefined>;
}

const operations = new WeakMap<Command, readonly OperationName[]>();

/** The operations that the command calls, for the check against the OpenAPI document. */
export const operationsOf = (command: Command): readonly OperationName[] => operations.get(command) ?? [];

export const declareOperations = (command: Command, called: readonly OperationName[]): void => {
  operations.set(command, called);
};

const whole = (text: string): number => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('must be a whole number, 0 or more');
  return value;
};

const share = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('must be a number from 0 to 1');
  return value;
};

const listed = (text: string, before: unknown): string[] => [
  ...(Array.isArray(before) ? before : []),
  ...text.split(',').map((part) => part.trim()),
];

function optionOf({ choices, flags, kind, required, text, variable }: OptionSpec): Option {
  const option = new Option(flags, text);
  if (choices !== undefined) option.choices([...choices]);
  if (kind === 'whole') option.argParser(whole);
  if (kind === 'share') option.argParser(share);
  if (kind === 'list') option.argParser(listed);
  if (required === true) option.makeOptionMandatory();
  if (variable !== undefined) option.env(variable);
  return option;
}

const examplesText = (shown: Verb['examples']): string => {
  const lines = shown.map(([command, meaning]) => `  espalier ${command}\n      ${meaning}`);
  return `\nExample${lines.length > 1 ? 's' : ''}:\n${lines.join('\n')}`;
};

const examples = new WeakMap<Command, Verb['examples']>();

/** Examples for the reference that is made of the tree. */
export const examplesOf = (command: Command): Verb['examples'] => examples.get(command) ?? [];

export function addExamples(command: Command, shown: Verb['examples']): Command {
  examples.set(command, shown);
  return command.addHelpText('after', examplesText(shown));
}

/** Every command that writes takes this option, unless it has one of its own that goes into the body. */
export const reasonForHistory: OptionSpec = { flags: '--reason <text>', text: 'why, for the history' };

/** The options of a command, with those that every command of its kind has. */
function allOptions({ operations: called, options = [] }: Verb): readonly OptionSpec[] {
  const writes = called.some((operation) => methodOf(operation) !== 'GET');
  const explains = options.some(({ flags }) => attributeOf(flags) === 'reason');
  return writes && !explains ? [...options, reasonForHistory] : options;
}

/** The session of a command: the server and the output that its options and the environment name. */
async function sessionOf(command: Command): Promise<Pick<VerbCall, 'api' | 'output'>> {
  const [{ openAdminApi }, { standardOutput }, { configSource }] = await Promise.all([
    import('../admin-api.ts'),
    import('../output/output.ts'),
    import('../environment.ts'),
  ]);
  const wanted: unknown = command.optsWithGlobals().output;
  const format = formats.find((one) => one === wanted) ?? 'table';
  const { reason } = command.opts<{ reason?: string }>();
  return { api: openAdminApi(configSource().environment, { reason }), output: standardOutput(format) };
}

export function addVerb(parent: Command, verb: Verb): Command {
  const command = parent.command(verb.name).summary(verb.summary);
  command.description(verb.details === undefined ? verb.summary : `${verb.summary}\n\n${verb.details}`);
  const { arguments: named = [] } = verb;
  for (const { name, optional, text } of named)
    command.addArgument(new Argument(optional === true ? `[${name}]` : `<${name}>`, text));
  for (const option of allOptions(verb)) command.addOption(optionOf(option));
  addExamples(command, verb.examples);
  declareOperations(command, verb.operations);
  command.action(async () => {
    const typed = command.processedArgs.map((value: unknown, index) => [named[index]?.name ?? '', value]);
    const [session, { withIds }] = await Promise.all([sessionOf(command), import('./named.ts')]);
    const values = await withIds(
      session.api,
      { ...command.opts(), ...Object.fromEntries(typed) },
      verb.options ?? [],
      named,
    );
    const texts = Object.entries(values).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value]] : [],
    );
    const parameters: Record<string, string> = Object.fromEntries(texts);
    // `--tenant` is the tenant of every path that has one.
    if (parameters.tenant !== undefined) parameters.tenantId ??= parameters.tenant;
    const code = await verb.run({ ...session, given: givenOf(values), parameters });
    if (code !== undefined && code !== 0) process.exitCode = code;
  });
  return command;
}

export interface Group {
  readonly name: string;
  readonly summary: string;
  readonly details?: string;
}

export function addGroup(
  parent: Command,
  { details, name, summary }: Group,
  verbs: readonly Verb[],
): Command {
  const group = parent.command(name).summary(summary);
  group.description(details === undefined ? summary : `${summary}\n\n${details}`);
  for (const verb of verbs) addVerb(group, verb);
  return group;
}

/** The query that the options make. */
export function queryOf(specs: readonly OptionSpec[], given: Given): Record<string, string | undefined> {
  const query: Record<string, string | undefined> = {};
  for (const { flags, query: name } of specs) {
    const value = given.value(attributeOf(flags));
    if (name !== undefined && value !== undefined && value !== false) query[name] = String(value);
  }
  return query;
}

/** The body that the options make, undefined without one; nested by the dots of `body`. */
export function bodyOf(specs: readonly OptionSpec[], given: Given): Record<string, unknown> | undefined {
  const body: Record<string, unknown> = {};
  for (const { body: path, flags } of specs) {
    const value = given.value(attributeOf(flags));
    if (path === undefined || value === undefined) continue;
    const names = path.split('.');
    let target = body;
    for (const name of names.slice(0, -1)) {
      const next = (target[name] ?? {}) as Record<string, unknown>;
      target[name] = next;
      target = next;
    }
    target[names.at(-1) ?? path] = value;
  }
  return Object.keys(body).length === 0 ? undefined : body;
}
