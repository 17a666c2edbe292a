/** The script is for zsh 5 and newer, loaded as a function of `fpath` or by `source`. */

import { type Choice, flagsWithValues, type Node, quotedPaths } from './tree.ts';

const single = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** `word:text` of `_describe`; a colon in the word would end it. */
const described = (word: string, text: string): string =>
  single(`${word.replaceAll(':', '\\:')}:${text.replaceAll('\n', ' ')}`);

function replyOf(values: Exclude<Choice['values'], undefined>): string {
  if (values === 'profiles') return 'compadd -- ${(f)"$(espalier profiles names 2>/dev/null)"}';
  if (values === 'files') return '_files';
  if (values === 'anything') return '_message value';
  return `compadd -- ${values.map(single).join(' ')}`;
}

function caseOf({ argument, commands, options, path }: Node): string[] {
  const valued = options.flatMap(({ flags, values }) =>
    values === undefined ? [] : [`        ${flags.join('|')}) ${replyOf(values)}; return ;;`],
  );
  const flags = options.flatMap(({ flags: all, text }) =>
    all.filter((flag) => flag.startsWith('--')).map((flag) => described(flag, text)),
  );
  const words = commands.map(({ text, word }) => described(word, text));
  const rest =
    words.length > 0
      ? [`      found=(${words.join(' ')})`, "      _describe 'command' found"]
      : argument === undefined
        ? []
        : [`      (( positional == 0 )) && ${replyOf(argument)}`];
  return [
    `    '${path}')`,
    '      case "$before" in',
    ...valued,
    '      esac',
    '      if [[ "$word" == -* ]]; then',
    `        found=(${flags.join(' ')})`,
    "        _describe 'option' found",
    '        return',
    '      fi',
    ...rest,
    '      ;;',
  ];
}

export const zshScript = (nodes: readonly Node[]): string => {
  const valued = flagsWithValues(nodes);
  const children = quotedPaths(nodes);
  return [
    '#compdef espalier',
    '# zsh completion for espalier, made by "espalier completion zsh"',
    '_espalier() {',
    '  local word="${words[CURRENT]}" before="${words[CURRENT-1]}" at="" next="" i',
    '  local -i positional=0',
    '  local -a found',
    '  for ((i = 2; i < CURRENT; i++)); do',
    '    case "${words[i]}" in',
    `      ${[...valued].join('|')}) ((i++)); continue ;;`,
    '      -*) continue ;;',
    '    esac',
    '    next="${at:+$at }${words[i]}"',
    '    case "$next" in',
    `      ${children.join('|')}) at="$next"; positional=0 ;;`,
    '      *) ((positional++)) ;;',
    '    esac',
    '  done',
    '  case "$at" in',
    ...nodes.flatMap(caseOf),
    '  esac',
    '}',
    'if [[ "${funcstack[1]}" == _espalier ]]; then _espalier "$@"; else compdef _espalier espalier; fi',
    '',
  ].join('\n');
};
