import type { Command, Option } from 'commander';
import { examplesOf } from '../src/cli/commands/declare.ts';
import { createProgram } from '../src/cli/program.ts';

/** docs/cli.md: every command with its arguments, options and examples, from the tree of commands itself. */

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

function optionText({ argChoices, defaultValue, description, envVar, mandatory, negate }: Option): string {
  const facts = [
    ...(mandatory ? ['required'] : []),
    ...(argChoices === undefined ? [] : [argChoices.map((choice) => `\`${choice}\``).join(', ')]),
    ...(defaultValue === undefined || negate || String(defaultValue) === ''
      ? []
      : [`default: \`${String(defaultValue)}\``]),
    ...(envVar === undefined ? [] : [`or \`${envVar}\``]),
  ];
  return facts.length === 0 ? description : `${description} (${facts.join('; ')})`;
}

const optionTable = (options: readonly Option[]): string[] =>
  options.length === 0
    ? []
    : [
        '',
        row(['Option', 'Meaning']),
        row(['---', '---']),
        ...options.map((option) => row([`\`${option.flags}\``, optionText(option)])),
      ];

function argumentTable(command: Command): string[] {
  const named = command.registeredArguments;
  if (named.length === 0) return [];
  const meaning = (text: string, choices: readonly string[] | undefined): string =>
    choices === undefined ? text : `${text} (${choices.map((choice) => `\`${choice}\``).join(', ')})`;
  return [
    '',
    row(['Argument', 'Meaning']),
    row(['---', '---']),
    ...named.map((one) => row([`\`${one.name()}\``, meaning(one.description, one.argChoices)])),
  ];
}

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;

function exampleLines(command: Command): string[] {
  const examples = examplesOf(command);
  if (examples.length === 0) return [];
  return ['', '```sh', ...examples.flatMap(([line, meaning]) => [`# ${meaning}`, `espalier ${line}`]), '```'];
}

const visible = (command: Command): Command[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== 'help');

const sentence = (text: string): string => {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
};

function section(command: Command, depth: number): string[] {
  const children = visible(command);
  const words = command.registeredArguments.map((one) =>
    one.required ? ` <${one.name()}>` : ` [${one.name()}]`,
  );
  return [
    '',
    `${'#'.repeat(depth)} ${pathOf(command)}${words.join('')}`,
    '',
    ...command
      .description()
      .split('\n')
      .map((line) => (line === '' ? '' : sentence(line))),
    ...argumentTable(command),
    ...optionTable(command.options),
    ...exampleLines(command),
    ...children.flatMap((child) => section(child, depth + 1)),
  ];
}

export function cliReference(): string {
  const program = createProgram();
  return `${[
    '# Commands',
    '',
    'Made from the tree of commands by `npm run docs`; change it in `src/cli/`. How to use them: [command-line.md](command-line.md).',
    '',
    '## Options of every command',
    ...optionTable(program.options),
    ...visible(program).flatMap((command) => section(command, 2)),
  ].join('\n')}\n`;
}
