import { expect, test } from 'vitest';
import { ProblemError } from '../problems.ts';
import { readReason } from './reason.ts';

const bytes = (text: string): string => Buffer.from(text).toString('latin1');

test('a reason is one line, in UTF-8 or in ISO 8859-1', () => {
  expect(readReason(undefined)).toBeUndefined();
  expect(readReason('  ')).toBeUndefined();
  expect(readReason(' CHG-1 ')).toBe('CHG-1');
  expect(readReason(bytes('größer ✓'))).toBe('größer ✓');
  expect(readReason('gr\u00f6\u00dfer')).toBe('größer');
  expect(readReason('x'.repeat(500))).toHaveLength(500);
});

test('anything else is refused, naming the header', () => {
  for (const wrong of ['x'.repeat(501), 'a\tb', 'a\u0085b', bytes('a\u2028b'), bytes('\u0000')]) {
    expect(() => readReason(wrong), JSON.stringify(wrong)).toThrow(ProblemError);
    expect(() => readReason(wrong)).toThrow(/X-Espalier-Reason/);
  }
});
