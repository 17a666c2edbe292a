/** The files that `-f` names: files, directories, and `-` for standard input. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { mebibyte } from '../../limits.ts';
import { decodeText, EncodingFault } from '../text-file.ts';
import type { Fault } from './fault.ts';
import { type SourceFile, sourceOf } from './parse.ts';

/** Ten thousand tenants with a certificate for each of their instances fit well. */
const maxBytes = 64 * mebibyte;

const isDeclaration = (name: string): boolean => /\.(ya?ml|json)$/i.test(name) && !name.startsWith('.');

/** A directory stands for what lies in it, by name; what lies deeper is left alone. */
function expand(name: string): string[] {
  if (name === '-' || !statSync(name).isDirectory()) return [name];
  return readdirSync(name)
    .filter(isDeclaration)
    .sort()
    .map((entry) => join(name, entry));
}

function readOne(name: string): string {
  // 0 is standard input.
  const bytes = readFileSync(name === '-' ? 0 : name);
  if (bytes.length > maxBytes) throw new Error(`is larger than ${maxBytes} bytes`);
  return decodeText(bytes);
}

export function readFiles(names: readonly string[]): { sources: SourceFile[]; faults: Fault[] } {
  const sources: SourceFile[] = [];
  const faults: Fault[] = [];
  const guard = <T>(file: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      const at = error instanceof EncodingFault ? error.at : undefined;
      faults.push({
        place: at && { file, ...at },
        file,
        path: '',
        problem: `cannot be read: ${(error as Error).message}`,
      });
      return undefined;
    }
  };
  for (const name of names) {
    const files = guard(name, () => expand(name));
    if (files?.length === 0)
      faults.push({ place: undefined, file: name, path: '', problem: 'holds no .yaml, .yml or .json file' });
    for (const file of files ?? []) {
      const text = guard(file, () => readOne(file));
      if (text !== undefined) sources.push(sourceOf(file, text));
    }
  }
  return { sources, faults };
}
