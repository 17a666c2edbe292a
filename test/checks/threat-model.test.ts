import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { claims } from '../../.ci/claims.ts';

/** The threat model says how each of its claims is known; the tests that it names are there, and SECURITY.md leads to it. */

const root = join(import.meta.dirname, '..', '..');
const all = Object.values(claims).flat();
const named = all.flatMap((claim) =>
  'tested' in claim
    ? claim.tested.flatMap(([file, ...names]) => names.map((name) => [file, name] as const))
    : [],
);

describe('the claims of the threat model', () => {
  it('name a test, a page or what is assumed', () => {
    expect(all.length).toBeGreaterThan(40);
    expect(named.length).toBeGreaterThan(40);
    const without = all.filter((claim) => {
      if ('tested' in claim) return claim.tested.length === 0 || claim.tested.some((one) => one.length < 2);
      return 'documented' in claim && !claim.documented.includes('.md');
    });
    expect(without).toEqual([]);
  });
  test.each(named)('%s: %s', (file, name) => {
    expect(existsSync(join(root, file)), file).toBe(true);
    expect(readFileSync(join(root, file), 'utf8')).toContain(name);
  });
});

test('SECURITY.md leads there', () => {
  expect(readFileSync(join(root, 'SECURITY.md'), 'utf8')).toContain('docs/threat-model.md');
});
