import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { driverFault } from '../../src/runtime/node-driver.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test('the start knows the driver as the patch leaves it', () => {
  expect(driverFault()).toBeUndefined();
});

test('each hunk of the patch has a reason and a test that exists', () => {
  const hunks = read('patches/postgres+3.4.9.patch')
    .split(/^diff --git .*\/(?=\w+\.js$)/m)
    .slice(1)
    .flatMap((file) => {
      const name = file.slice(0, file.indexOf('.js'));
      return [...file.matchAll(/^@@ /gm)].map((_, index) => `${name} ${index + 1}`);
    });
  const rows = [
    ...read('docs/upstream/postgres.md').matchAll(
      /^\| ((?:connection|index) \d.*?) \| .+ \| (\S+\.ts): (.+) \|$/gm,
    ),
  ];
  const explained = rows.flatMap(([, which = '']) =>
    which.split('; ').flatMap((part) => {
      const [file, ...numbers] = part.split(/,? /);
      return numbers.map((number) => `${file} ${number}`);
    }),
  );
  expect(hunks.length).toBeGreaterThan(0);
  expect([...new Set(explained)].toSorted()).toEqual(hunks.toSorted());
  for (const [, , file = '', title = ''] of rows) expect(read(`test/system/${file}`)).toContain(title);
});
