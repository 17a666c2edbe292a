/** The tree of commands as completion needs it. */

import type { Command, Option } from 'commander';

export interface Word {
  readonly word: string;
  readonly text: string;
}

export interface Choice {
  /** Every spelling of the option. */
  readonly flags: readonly string[];
  readonly text: string;
  /** The completions of its value: these words, names of profiles, files, or something that nobody can guess; none for a flag. */
  readonly values: readonly string[] | 'profiles' | 'files' | 'anything' | undefined;
}

export interface Node {
  /** Words after `espalier`, '' for the root. */
  readonly path: string;
  readonly commands: readonly Word[];
  /** Its own and the global ones. */
  readonly options: readonly Choice[];
  /** The completions of its first argument. */
  readonly argument: readonly string[] | 'profiles' | 'files' | undefined;
}

/** Options whose next word is their value. */
export const flagsWithValues = (nodes: readonly Node[]): ReadonlySet<string> =>
  new Set(
    nodes.flatMap(({ options }) =>
      options.flatMap(({ flags, values }) => (values === undefined ? [] : flags)),
    ),
  );

/** Paths of all commands, each in the single quotes of a shell. */
export const quotedPaths = (nodes: readonly Node[]): readonly string[] =>
  nodes.flatMap(({ commands, path }) =>
    commands.map(({ word }) => `'${path === '' ? word : `${path} ${word}`}'`),
  );

function valuesOf({ argChoices, flags, long, optional, required }: Option): Choice['values'] {
  if (argChoices !== undefined) return argChoices;
  if (long === '--profile') return 'profiles';
  if (!required && !optional) return undefined;
  return /<(file|dir|path)>/.test(flags) ? 'files' : 'anything';
}

const choiceOf = (option: Option): Choice => ({
  flags: [option.short, option.long].filter((flag) => flag !== undefined),
  text: option.description,
  values: valuesOf(option),
});

const profileCommands = ['profiles remove', 'profiles use', 'profiles test'];

function argumentOf(path: string, command: Command): Node['argument'] {
  const [first] = command.registeredArguments;
  if (first === undefined) return undefined;
  if (first.argChoices !== undefined) return first.argChoices;
  if (profileCommands.includes(path)) return 'profiles';
  return first.name() === 'file' ? 'files' : undefined;
}

const help: Choice = { flags: ['-h', '--help'], text: 'show what there is', values: undefined };

/** Hidden commands are left out. */
export function nodesOf(program: Command): Node[] {
  const globals = program.options.map(choiceOf);
  const walk = (command: Command, path: string): Node[] => {
    const shown = command
      .createHelp()
      .visibleCommands(command)
      .filter((one) => one.name() !== 'help');
    const own = command === program ? [] : command.options.map(choiceOf);
    return [
      {
        path,
        commands: shown.map((one) => ({ word: one.name(), text: one.summary() || one.description() })),
        options: [...own, ...globals, help],
        argument: argumentOf(path, command),
      },
      ...shown.flatMap((one) => walk(one, path === '' ? one.name() : `${path} ${one.name()}`)),
    ];
  };
  return walk(program, '');
}
