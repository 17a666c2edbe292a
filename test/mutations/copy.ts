import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mutation } from './mutation.ts';
import { mutated } from './source.ts';

/** A copy of the project in which one mutation at a time is put in; the checkout itself is never touched. */
export interface Copy {
  readonly dir: string;
  put(mutation: Mutation): void;
  /** Everything as it was. */
  restore(): void;
}

export const root: string = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Large, made by a build or by a run, or nothing that a test reads. */
const leftOut = new Set(['node_modules', '.git', 'dist', 'coverage', '.espalier']);

export function createCopy(stack: DisposableStack): Copy {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-mutations-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  cpSync(root, dir, {
    recursive: true,
    filter: (from) => dirname(from) !== root || !leftOut.has(basename(from)),
  });
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  let restore = (): void => undefined;
  return {
    dir,
    put: (mutation) => {
      const path = join(dir, mutation.file);
      // Of the copy, for somebody may go on working in the checkout.
      const before = readFileSync(path);
      writeFileSync(path, mutated(mutation, dir));
      restore = () => {
        writeFileSync(path, before);
        restore = () => undefined;
      };
    },
    restore: () => restore(),
  };
}
