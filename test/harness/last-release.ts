import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The version that was released last, from its npm package (test/releases/): what runs beside this one while a
 * deployment is upgraded. It finds the packages that it depends on in this checkout, and its driver in itself.
 */

const releases = fileURLToPath(new URL('../releases', import.meta.url));
const packages = fileURLToPath(new URL('../../node_modules', import.meta.url));

export interface Release {
  /** The folder of the package. */
  readonly folder: string;
  /** Its command line, to be run by Node. */
  readonly program: string;
  remove(): void;
}

const numbersOf = (name: string): number[] => (name.match(/\d+/g) ?? []).map(Number);

/** Name of the newest package. */
function newest(): string {
  const byVersion = (one: string, other: string): number => {
    const [a, b] = [numbersOf(one), numbersOf(other)];
    return a.map((number, place) => number - (b[place] ?? 0)).find((difference) => difference !== 0) ?? 0;
  };
  const name = readdirSync(releases)
    .filter((file) => file.endsWith('.tgz'))
    .sort(byVersion)
    .at(-1);
  if (name === undefined) throw new Error(`there is no package in ${releases}`);
  return name;
}

export function unpackLastRelease(): Release {
  const directory = mkdtempSync(join(tmpdir(), 'espalier-release-'));
  execFileSync('tar', ['xzf', join(releases, newest()), '-C', directory]);
  symlinkSync(packages, join(directory, 'node_modules'));
  const folder = join(directory, 'package');
  return {
    folder,
    program: join(folder, 'dist', 'cli', 'main.js'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
