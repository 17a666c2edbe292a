/** The script is for fish 3 and newer. */

import { type Choice, flagsWithValues, type Node, quotedPaths } from './tree.ts';

const single = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', ' ')}'`;

function givenValue(values: Choice['values']): string {
  if (values === undefined) return '';
  if (values === 'profiles') return " -x -a '(espalier profiles names 2>/dev/null)'";
  if (values === 'files') return ' -r -F';
  return values === 'anything' ? ' -x' : ` -x -a ${single(values.join(' '))}`;
}

const flagOf = ({ flags }: Choice): string =>
  flags.map((flag) => (flag.startsWith('--') ? ` -l ${flag.slice(2)}` : ` -s ${flag.slice(1)}`)).join('');

function linesOf({ argument, commands, options, path }: Node): string[] {
  const here = `complete -c espalier -n "__espalier_at '${path}'"`;
  const first =
    argument === undefined
      ? []
      : argument === 'files'
        ? [`${here} -F`]
        : [`${here}${givenValue(argument).replace(' -x', ' -f')}`];
  return [
    ...commands.map(({ text, word }) => `${here} -f -a ${word} -d ${single(text)}`),
    ...options.map(
      (option) => `${here}${flagOf(option)}${givenValue(option.values)} -d ${single(option.text)}`,
    ),
    ...first,
  ];
}

export const fishScript = (nodes: readonly Node[]): string => {
  const valued = flagsWithValues(nodes);
  const children = quotedPaths(nodes);
  return [
    '# fish completion for espalier, made by "espalier completion fish"',
    'function __espalier_at',
    '  set -l words (commandline -opc)',
    "  set -l path ''",
    '  set -l skip 0',
    '  for word in $words[2..-1]',
    '    if test $skip = 1',
    '      set skip 0',
    '      continue',
    '    end',
    '    switch $word',
    `      case ${[...valued].map(single).join(' ')}`,
    '        set skip 1',
    "      case '-*'",
    "      case '*'",
    '        set -l next (string trim "$path $word")',
    `        if contains -- $next ${children.join(' ')}`,
    '          set path $next',
    '        end',
    '    end',
    '  end',
    '  test "$path" = "$argv[1]"',
    'end',
    'complete -c espalier -f',
    ...nodes.flatMap(linesOf),
    '',
  ].join('\n');
};
