import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseReturnTo } from './return-to.ts';

const origin = 'https://gateway.example';

test('local paths are taken as they are', () => {
  for (const path of ['/', '/sign-in', '/tenants/1?sort=a:asc&x=%2F%2Fevil', '/a#b', '/a//b'])
    expect(parseReturnTo(path)).toBe(path);
});

test('dots are resolved, and must not make another host of it', () => {
  expect(parseReturnTo('/a/../b')).toBe('/b');
  for (const path of ['/..//evil.example', '/.//evil.example', '/a/..//evil.example'])
    expect(parseReturnTo(path)).toBeUndefined();
});

test('whatever is taken stays on this origin, as any browser reads it', () => {
  const pieces = fc.constantFrom(
    '/',
    '\\',
    '//',
    '..',
    '.',
    '@',
    ':',
    'evil.example',
    '\t',
    '\n',
    '%2f',
    '%5c',
    '?',
    '#',
    'https:',
    ' ',
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(pieces).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const taken = parseReturnTo(text);
      if (taken === undefined) return;
      expect(new URL(taken, `${origin}/sign-in/callback`).origin).toBe(origin);
      // Taken once more it is the same: nothing is left to resolve.
      expect(parseReturnTo(taken)).toBe(taken);
    }),
    { numRuns: 1_000 },
  );
});
