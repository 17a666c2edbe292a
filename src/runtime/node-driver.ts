/**
 * The database driver runs patched (patches/, docs/upstream/postgres.md): unpatched it mixes transactions when the database
 * restarts, and what every connection must have is not set. The npm package brings its patched copy; a checkout is patched
 * by an install script, which may have been blocked.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** SHA-256 of the patched files of postgres 3.4.9; a change of the patch changes them. */
const patched: Readonly<Record<string, string>> = {
  'connection.js': 'a925f5345996f8106aedf3b91d0297f9dc88270f46db4c4464493030d74e3548',
  'index.js': '7c1451ca09f1e470be9d8781222a595df12f8f98eb34a80115d8eaf43ff12831',
};

/** One line that says what is missing and how to get it; undefined: nothing is. */
export function driverFault(): string | undefined {
  // The package's entry is cjs/src/index.js for require and src/index.js for import; the latter is what runs.
  const entry = createRequire(import.meta.url).resolve('postgres');
  const folder = join(dirname(entry), '..', '..', 'src');
  const missing = Object.entries(patched).some(
    ([file, expected]) =>
      createHash('sha256')
        .update(readFileSync(join(folder, file)))
        .digest('hex') !== expected,
  );
  return missing
    ? `the database driver in ${folder} lacks Espalier's patch, as after npm ci --ignore-scripts: run npx patch-package in a checkout, or install the package of Espalier again`
    : undefined;
}
