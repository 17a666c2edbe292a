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
  'index.js': 'eaf31015390d1798846af8ed8e85f87271aa0fbccdee643a39193625ecdfaa71',
  'query.js': 'a6e048661ef48970274c4349f46ef3aea9da6502913529f6ce12d73a9f6348fb',
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
