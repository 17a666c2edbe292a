import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeFormula, unescapeFormula } from './spreadsheet-cells.ts';

test.each(['=HYPERLINK("https://x.example","y")', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '＝1', "'=1"])(
  '%j is text in a spreadsheet',
  (cell) => expect(escapeFormula(cell)).toBe(`'${cell}`),
);

test.each(['', 'C02XL0GAJG5H', "O'Brien", "'quoted'", '1-2', 'a=b', '4711'])('%j stays as it is', (cell) => {
  expect(escapeFormula(cell)).toBe(cell);
  expect(unescapeFormula(cell)).toBe(cell);
});

test('what was escaped comes back exactly', () => {
  const cell = fc
    .array(fc.constantFrom("'", '=', '+', '-', '@', '\t', '\n', 'a', '＠'))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(cell, (text) => {
      expect(unescapeFormula(escapeFormula(text))).toBe(text);
    }),
  );
});
