import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';

/** docs/threat-model.md says how each of its claims is known; the tests that it names are there, and SECURITY.md leads to it. */

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs/threat-model.md'), 'utf8');
const claims = (page.split('## Claims')[1] ?? '').split('## Not among')[0] ?? '';
const rows = claims
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (Claim|---)/.test(line))
  .map((line) => line.split(' | ').at(-1) ?? '');

/** Each file with the names of tests that follow it, up to the next file. */
const named = rows.flatMap((row) => {
  const parts = row.split(/`((?:src|test)\/[\w./-]+\.ts)`/).slice(1);
  return parts.flatMap((file, at) =>
    at % 2 === 0
      ? [...(parts[at + 1] ?? '').matchAll(/"([^"]+)"/g)].map(([, name = '']) => [file, name] as const)
      : [],
  );
});

describe('the claims of the threat model', () => {
  it('are each marked in one of three ways', () => {
    expect(rows.length).toBeGreaterThan(40);
    expect(rows.filter((row) => !/\*(tested|documented|assumed)\*/.test(row))).toEqual([]);
  });
  it('name a test where they are marked so', () => {
    const without = rows.filter((row) => row.includes('*tested*') && !/`(?:src|test)\/[^`]+`: "/.test(row));
    expect(without).toEqual([]);
    expect(named.length).toBeGreaterThan(40);
  });
  test.each(named)('%s: %s', (file, name) => {
    expect(existsSync(join(root, file)), file).toBe(true);
    expect(readFileSync(join(root, file), 'utf8')).toContain(name);
  });
});

test('SECURITY.md leads there', () => {
  expect(readFileSync(join(root, 'SECURITY.md'), 'utf8')).toContain('docs/threat-model.md');
});
