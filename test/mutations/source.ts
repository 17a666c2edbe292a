import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mutation } from './mutation.ts';

/** Where in the project's files the mutations are. */

const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');

/** Finds the text however its lines are broken. */
const finder = (found: string): RegExp => new RegExp(escaped(found).replaceAll(/\s+/g, '\\s+'), 'g');

/** Why it cannot be applied to the project below `root`; undefined: it can. */
export function staleness({ file, found, name, replacement }: Mutation, root: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(join(root, file), 'utf8');
  } catch {
    return `${name}: there is no ${file}`;
  }
  const count = text.match(finder(found))?.length ?? 0;
  if (count !== 1) return `${name}: its text is in ${file} ${count} times, not once: ${found}`;
  return found === replacement ? `${name}: it changes nothing` : undefined;
}

/** The file with the mutation in it. */
export function mutated({ file, found, replacement }: Mutation, root: string): string {
  // A function, for `$` has a meaning in a replacement text.
  return readFileSync(join(root, file), 'utf8').replace(finder(found), () => replacement);
}
