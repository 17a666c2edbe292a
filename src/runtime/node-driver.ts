import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * The database driver runs mended (.ci/mend-postgres.mjs): without its mends it mixes transactions when the database
 * restarts, and what every connection must have is not set. The npm package brings its mended copy; a checkout is mended
 * by an install script, which may have been blocked.
 */

/** SHA-256 of the mended files of postgres 3.4.9; a change of the mends changes them. */
const mended: Readonly<Record<string, string>> = {
  'connection.js': '319d570571f66ec665534c7e6ea058e6c56ad4a13d6e2843bd8a5b189d6c1374',
  'index.js': '62211a0a68731d43368c485c324984283a42ed1905e2522922c156962880556e',
};

/** One line that says what is missing and how to get it; undefined: nothing is. */
export function driverFault(): string | undefined {
  // The package's entry is cjs/src/index.js for require and src/index.js for import; the latter is what runs.
  const entry = createRequire(import.meta.url).resolve('postgres');
  const folder = join(dirname(entry), '..', '..', 'src');
  const missing = Object.entries(mended).some(
    ([file, expected]) =>
      createHash('sha256')
        .update(readFileSync(join(folder, file)))
        .digest('hex') !== expected,
  );
  return missing
    ? `the database driver in ${folder} lacks Espalier's mends, as after npm ci --ignore-scripts: run node .ci/mend-postgres.mjs in a checkout, or install the package of Espalier again`
    : undefined;
}
