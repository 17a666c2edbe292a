/** `espalier completion`: a script for the shell, made of the tree of commands as it is. */

import { Argument, type Command } from 'commander';
import { addExamples } from './declare.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

export function addCompletion(program: Command): void {
  const command = program
    .command('completion')
    .summary('print a script that completes commands, options and names of profiles')
    .description('print a script that completes commands, options, choices and names of profiles')
    .addArgument(new Argument('<shell>', 'your shell').choices([...shells]))
    .action(async (shell: string) => {
      const { completionScript } = await import('../completion/script.ts');
      const known = shells.find((one) => one === shell);
      if (known !== undefined) process.stdout.write(completionScript(program, known));
    });
  addExamples(command, [
    [
      'completion bash > ~/.local/share/bash-completion/completions/espalier',
      'for bash with bash-completion',
    ],
    ['completion zsh > "$fpath[1]/_espalier"', 'for zsh; then start a new shell'],
    ['completion fish > ~/.config/fish/completions/espalier.fish', 'for fish'],
  ]);
}
