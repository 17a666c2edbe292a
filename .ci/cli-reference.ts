import type { Command, Option } from 'commander';
import { examplesOf } from '../src/cli/commands/declare.ts';
import { createProgram } from '../src/cli/program.ts';

/** docs/cli.md: every command with its arguments, options and examples, from the tree of commands itself. */

/** How the command line is used, before what it has. */
const usage = `# The command line

For everybody who uses \`espalier\`: it runs the gateway, and works on a running one over its admin API. Made from the tree of commands by
\`npm run docs\`; change it in \`src/cli/\` and \`.ci/cli-reference.ts\`. In a checkout it is \`npm run -s espalier -- ARGS\`.

## Name a server

Commands on a server need its address and a key of its admin API. The first of these that says it counts:

| | Address | Key | Authority of its certificate |
| --- | --- | --- | --- |
| options | \`--server\`, or \`--profile\` | \`--api-key\` (a reference), or \`--profile\` | \`--ca-file\` |
| environment, also \`.env\` | \`ESPALIER_URL\` | \`ESPALIER_API_KEY\` | \`ESPALIER_CA_FILE\` |
| the profile of \`ESPALIER_PROFILE\`, else the default one | \`url\` | \`api-key\` | \`ca-file\` |

A key goes only to the address it was given with. Profiles are in \`~/.config/espalier/config.yaml\` (\`XDG_CONFIG_HOME\` is honoured), mode
0600, with references in place of keys:

\`\`\`yaml
default-profile: production
profiles:
  production:
    url: https://espalier.example.com:9443
    api-key: file:/home/mia/.config/espalier/keys/production
  lab:
    url: https://localhost:9443
    api-key: env:LAB_KEY
    ca-file: /srv/espalier/.espalier/tls.crt
\`\`\`

\`\`\`sh
# asks for the key, tries it, and keeps it in a file of mode 0600
espalier profiles add production --server https://espalier.example.com:9443 --api-key -
espalier tenants list --profile lab   # once on another
\`\`\`

A tenant or instance is named by its id or its name, whatever the case: \`espalier instances test berlin -t contoso\`. A name that several
have is refused with their ids. \`ESPALIER_TENANT\` stands in for \`--tenant\`.

No option takes a secret itself. \`--client-secret env:NAME\`, \`file:PATH\` or \`-\` (asked for, or the first line of standard input) is read
by the command and sealed by the gateway; \`--secret-ref\` is read by the gateway each time it needs it.

## Output

\`-o table\` (default), \`json\`, \`csv\`, \`yaml\`. Data goes to standard output, everything said about it to standard error. On a terminal a
table cuts wide columns and leaves out the least important ones, and says which. \`json\` is the API's answer. Lists fetch all pages;
\`--page\`, \`--page-size\` and \`--limit\` ask for less, \`--filter\` is RSQL, \`--sort\` is \`field:asc,other:desc\`.

\`\`\`sh
espalier reports list --filter 'state==failed' -o csv > failed.csv
\`\`\`

\`delete\`, \`disable\`, \`disconnect\`, \`rollback\`, \`approvals approve\` and \`migrate --take-steps\` show what would be done and ask. A script
gives \`--yes\`; \`--dry-run\` only shows. With \`ESPALIER_APPROVALS=on\` a large change waits for another operator, and the command ends with 0.
What may be repeated is sent once more with its \`Idempotency-Key\` when the connection breaks.

| Exit code | Meaning |
| --- | --- |
| 0 | done |
| 1 | error; also a failed step of \`confirm\`, \`enable\` or \`test\`, a refused row of an import, a broken history |
| 2 | usage: wrong options, a missing \`--yes\`, a wrong profile or reference |
| 3 | authentication: the key is wrong, expired or revoked |
| 4 | not found, or not yours |
| 5 | permission: the key's role does not allow it |
| 6 | rate limited |

\`apply\` has 10 where not all is as declared: a dry run found something to do, or a step waits for a second operator.

## Completion

\`\`\`sh
espalier completion bash > ~/.local/share/bash-completion/completions/espalier
espalier completion zsh > "$fpath[1]/_espalier"
espalier completion fish > ~/.config/fish/completions/espalier.fish
\`\`\`
`;

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
    usage,
    '## Options of every command',
    ...optionTable(program.options),
    ...visible(program).flatMap((command) => section(command, 2)),
  ].join('\n')}\n`;
}
