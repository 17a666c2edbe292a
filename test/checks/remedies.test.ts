import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/**
 * Remedies and details reach pages, the command line and callers of the API alike: they say in words what to do, and
 * leave the call to the API's reference.
 */

const folders = [
  'connection',
  'delivery',
  'entra',
  'graph',
  'intune',
  'jamf',
  'routing',
  'admin/overview',
  'alerts',
  'cli/doctor',
];
const files = folders
  .flatMap((folder) => globSync(`src/${folder}/**/*.ts`))
  .filter((file) => !file.endsWith('.test.ts'));

const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');

/** A method with a path or verb of the admin API behind it, or a parameter of one. */
const calls = /\b(GET|POST|PUT|PATCH|DELETE) (\/|…|[a-z])|\b(force|dry-run)=true|(^|[^$])\{tenantId\}/;

test('no remedy or detail speaks of a call of the API', () => {
  expect(files.length).toBeGreaterThan(50);
  const found = files.flatMap((file) =>
    withoutComments(readFileSync(file, 'utf8'))
      .split('\n')
      .filter((line) => calls.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});
