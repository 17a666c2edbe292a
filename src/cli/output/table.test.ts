import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { displayWidth, fitTo, safeText } from './display-width.ts';
import { type Column, layOut, tableLines } from './table.ts';

const id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const columns: readonly Column[] = [
  { field: 'id', whole: true, importance: 1 },
  { field: 'name', importance: 2 },
  { field: 'report.state', title: 'state', importance: 3 },
  { field: 'note', importance: 4 },
];
const rows = [
  { id, name: 'Obstbau am See, Niederlassung Süd', report: { state: 'failed' }, note: 'a '.repeat(40) },
  { id, name: '果樹園', report: null, note: null },
];

describe('displayWidth', () => {
  it.each([
    ['plain', 5],
    ['Äpfel', 5],
    ['A\u0308pfel', 5],
    ['果樹', 4],
    ['ＡＢ', 4],
    ['한글', 4],
    ['🍎', 2],
    ['👩‍🌾', 2],
    ['🇫🇷', 2],
    ['\u200b', 0],
  ])('of %j is %i', (text, width) => expect(displayWidth(text)).toBe(width));

  it('cuts no character in half', () => {
    expect(fitTo('果樹園', 5)).toBe('果樹…');
    expect(fitTo('果樹園', 4)).toBe('果…');
    expect(fitTo('👩‍🌾👩‍🌾', 3)).toBe('👩‍🌾…');
    expect(fitTo('short', 5)).toBe('short');
  });

  it('never gives more than was allowed, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 20 }), (text, width) => {
        expect(displayWidth(fitTo(text, width))).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('safeText', () => {
  it('lets no name draw on the terminal', () => {
    expect(safeText('a\u001b[2Jb')).toBe('a\u{fffd}[2Jb');
    expect(safeText('a\u202eb')).toBe('a\u{fffd}b');
    expect(safeText('two\r\nlines')).toBe('two lines');
  });
});

describe('a table', () => {
  it('is not cut where there is no terminal', () => {
    const lines = tableLines(columns, rows);
    expect(lines[0]).toBe(`id${' '.repeat(36)}name${' '.repeat(31)}state   note`);
    expect(lines[1]).toContain('a '.repeat(40).trimEnd());
    expect(lines[2]).toBe(`${id}  果樹園${' '.repeat(29)}-       -`);
  });

  it('fits the terminal, ids whole, by narrowing the widest first', () => {
    const lines = tableLines(columns, rows, 90);
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(90);
    expect(lines[1]).toContain(id);
    expect(lines[1]).toContain('failed');
    expect(lines[1]).toContain('…');
  });

  it('leaves out the least important columns when they find no room', () => {
    const { columns: kept, leftOut } = layOut(columns, rows, 50);
    expect(kept.map(({ column }) => column.field)).toEqual(['id', 'name']);
    expect(leftOut).toEqual(['note', 'state']);
    expect(layOut(columns, rows, 10).columns.map(({ column }) => column.field)).toEqual(['id']);
  });

  it('fits every terminal that is as wide as its first id', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 36, max: 200 }),
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        (width, name) => {
          for (const line of tableLines(columns, [{ id, name }], width))
            expect(displayWidth(line)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});
