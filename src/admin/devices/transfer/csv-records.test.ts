import { CsvError, parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CsvRecord, createCsvReader } from './csv-records.ts';

const readAll = (lines: readonly string[]) => {
  const reader = createCsvReader();
  const records = lines.flatMap((text, at) => reader.take(text, at + 1) ?? []);
  return { records, open: reader.open() };
};

/** The same by the library alone, which is asked anew for all of the record at each of its lines. */
function byParser(lines: readonly string[]): ReturnType<typeof readAll> {
  const records: CsvRecord[] = [];
  let begun: { text: string; line: number } | undefined;
  for (const [at, text] of lines.entries()) {
    const whole = begun ? `${begun.text}\n${text}` : text;
    const line = begun?.line ?? at + 1;
    try {
      const bare = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
      const [fields] = parse(bare, { relax_column_count: true, record_delimiter: '\n' });
      records.push({ line, fields: fields ?? [''] });
      begun = undefined;
    } catch (error) {
      const open = error instanceof CsvError && error.code === 'CSV_QUOTE_NOT_CLOSED';
      if (!open) records.push({ line, fields: undefined });
      begun = open ? { text: whole, line } : undefined;
    }
  }
  return { records, open: begun?.line };
}

describe('CSV records', () => {
  it('are those that the library reads, whatever their quotes', () => {
    const line = fc
      .array(fc.constantFrom('"', '"', '""', '","', ',', 'a', ' '), { maxLength: 8 })
      .map((parts) => parts.join(''));
    const lines = fc.array(
      fc.oneof(
        line,
        line.map((text) => `${text}\r`),
      ),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(lines, (given) => {
        expect(readAll(given)).toEqual(byParser(given));
      }),
      { numRuns: 1_000 },
    );
  });

  it('of many lines with quotes take no more than their length: a file of them must not stop the process', () => {
    const record = ['"a', ...Array.from({ length: 2_000 }, () => '","'), 'z"'];
    const { open, records } = readAll(Array.from({ length: 100 }, () => record).flat());
    expect([records.length, records[99]?.fields?.length, open]).toEqual([100, 2_001, undefined]);
  });
});
