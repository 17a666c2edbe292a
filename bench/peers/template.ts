import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Configurations of the peers: files beside this one, with `{{name}}` where a run has its own value. */

/** A file of this folder. */
export const besides = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Writes the template filled in to `path`; throws for a value that is missing or that nothing asks for. */
export function fillTemplate(
  file: string,
  path: string,
  values: Readonly<Record<string, string | number>>,
): void {
  const unused = new Set(Object.keys(values));
  const text = readFileSync(besides(file), 'utf8').replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new RangeError(`${file} has no value for ${name}`);
    unused.delete(name);
    return String(value);
  });
  if (unused.size > 0) throw new RangeError(`${file} does not use ${[...unused].join(', ')}`);
  writeFileSync(path, text);
}
