/** The script is for bash 3.2 (that of macOS) and newer, with or without the package bash-completion. */

import type { Choice, Node } from './tree.ts';

const quoted = (words: readonly string[]): string => `'${words.join(' ').replaceAll("'", "'\\''")}'`;

const takesValue = ({ values }: Choice): boolean => values !== undefined;

/** The code that fills `COMPREPLY` with these values. */
function replyOf(values: Exclude<Choice['values'], undefined>): string {
  if (values === 'profiles')
    return `COMPREPLY=($(compgen -W "$(espalier profiles names 2>/dev/null)" -- "$word"))`;
  if (values === 'files') return 'COMPREPLY=($(compgen -f -- "$word"))';
  if (values === 'anything') return 'COMPREPLY=()';
  return `COMPREPLY=($(compgen -W ${quoted(values)} -- "$word"))`;
}

/** `path` is that of the deepest command; options with a value skip it, so that a value is no command. */
const walk = (nodes: readonly Node[]): string[] => {
  const valued = new Set(
    nodes.flatMap(({ options }) => options.filter(takesValue).flatMap(({ flags }) => flags)),
  );
  const children = nodes.flatMap(({ commands, path }) =>
    commands.map(({ word }) => `${path === '' ? word : `${path} ${word}`}`),
  );
  return [
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    '    case "${COMP_WORDS[i]}" in',
    `      ${[...valued].join('|')}) ((i++)); continue ;;`,
    '      -*) continue ;;',
    '    esac',
    '    next="${path:+$path }${COMP_WORDS[i]}"',
    '    case "$next" in',
    `      ${children.map((child) => `'${child}'`).join('|')}) path="$next"; arguments=0 ;;`,
    '      *) ((arguments++)) ;;',
    '    esac',
    '  done',
  ];
};

function caseOf({ argument, commands, options, path }: Node): string[] {
  const valued = options
    .filter(takesValue)
    .map(({ flags, values }) =>
      values === undefined ? '' : `        ${flags.join('|')}) ${replyOf(values)}; return ;;`,
    );
  const flags = options.flatMap(({ flags: all }) => all.filter((flag) => flag.startsWith('--')));
  const first = argument === undefined ? [] : [`      [[ $arguments -eq 0 ]] && ${replyOf(argument)}`];
  const words = commands.map(({ word }) => word);
  return [
    `    '${path}')`,
    '      case "$before" in',
    ...valued,
    '      esac',
    `      if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W ${quoted(flags)} -- "$word")); return; fi`,
    ...(words.length > 0 ? [`      ${replyOf(words)}`] : first),
    '      ;;',
  ];
}

export const bashScript = (nodes: readonly Node[]): string =>
  [
    '# bash completion for espalier, made by "espalier completion bash"',
    '_espalier() {',
    '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" path="" next="" arguments=0 i',
    '  COMPREPLY=()',
    ...walk(nodes),
    '  case "$path" in',
    ...nodes.flatMap(caseOf),
    '  esac',
    '}',
    'complete -o filenames -o bashdefault -F _espalier espalier',
    '',
  ].join('\n');
