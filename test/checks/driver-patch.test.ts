import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { driverFault } from '../../src/runtime/node-driver.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test('the start knows the driver as the patch leaves it', () => {
  expect(driverFault()).toBeUndefined();
});

/** The parts of the patch for the files of a folder of the driver. */
const partsOf = (folder: string): string[] =>
  read('patches/postgres+3.4.9.patch')
    .split(/^diff --git a\/node_modules\/postgres\//m)
    .filter((part) => part.startsWith(`${folder}/`));

/** Of each patched file: what is taken away and what is added, in its order. */
const changesOf = (folder: string): string[][] =>
  partsOf(folder).map((part) => part.split('\n').filter((line) => /^[+-](?![+-])/.test(line)));

test('the copy for Workers is patched like the one for Node', () => {
  expect(changesOf('src')).toHaveLength(3);
  expect(changesOf('cf/src')).toEqual(changesOf('src'));
});

test('each hunk of the patch has a reason and a test that exists', () => {
  const hunks = partsOf('src').flatMap((part) => {
    const name = /^src\/(\w+)\.js /.exec(part)?.[1];
    return [...part.matchAll(/^@@ /gm)].map((_, index) => `${name} ${index + 1}`);
  });
  const rows = [
    ...read('docs/upstream/postgres.md').matchAll(
      /^\| ((?:connection|index|query) \d.*?) \| .+ \| (\S+\.ts): (.+) \|$/gm,
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
