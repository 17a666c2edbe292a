import type { Command } from 'commander';
import { bashScript } from './bash.ts';
import { fishScript } from './fish.ts';
import { nodesOf } from './tree.ts';
import { zshScript } from './zsh.ts';

export function completionScript(program: Command, shell: 'bash' | 'zsh' | 'fish'): string {
  const nodes = nodesOf(program);
  if (shell === 'bash') return bashScript(nodes);
  return shell === 'zsh' ? zshScript(nodes) : fishScript(nodes);
}
