import { CsvError, parse } from 'csv-parse/sync';
import { importLineCharacters } from '../../../limits.ts';
import { lineTooLong } from './lines.ts';

/** CSV (RFC 4180) out of lines: a quoted field may hold line ends, so a record may be several of them. */

export interface CsvRecord {
  /** Line on which it begins. */
  readonly line: number;
  /** Undefined: its quotes are not as they must be. */
  readonly fields: readonly string[] | undefined;
}

export interface CsvReader {
  /** The record that this line completes; undefined: it goes on. */
  take(text: string, line: number): CsvRecord | undefined;
  /** Line of a quote that was never closed. */
  open(): number | undefined;
}

const allQuoted = /^"[^"]*"(?:,"[^"]*")*$/;

/** Undefined: broken quotes; `open`: the last one is not closed yet. */
function fieldsOf(text: string): readonly string[] | 'open' | undefined {
  // Nearly every line of nearly every file is one of these two, and the parser takes ten times as long for it.
  if (!text.includes('"')) return text.split(',');
  if (allQuoted.test(text)) return text.slice(1, -1).split('","');
  try {
    const [fields] = parse(text, { relax_column_count: true, record_delimiter: '\n' });
    return fields ?? [''];
  } catch (error) {
    return error instanceof CsvError && error.code === 'CSV_QUOTE_NOT_CLOSED' ? 'open' : undefined;
  }
}

/**
 * True where a field whose quote is open where the line begins, or a later one of the line, is still open where it
 * ends. What comes before the line is not looked at again: a record of many lines would take the square of its length.
 */
function staysOpen(text: string): boolean {
  let at = 0;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return true;
    if (text[quote + 1] === '"') {
      at = quote + 2;
      continue;
    }
    // Closed. The next field that begins with a quote opens one; anything else is for the parser to judge.
    let next = quote + 1;
    while (text[next] === ',' && text[next + 1] !== '"') {
      const comma = text.indexOf(',', next + 1);
      if (comma < 0 || text.slice(next, comma).includes('"')) return false;
      next = comma;
    }
    if (text[next] !== ',') return false;
    at = next + 2;
  }
}

export function createCsvReader(): CsvReader {
  let begun: { readonly text: string; readonly line: number } | undefined;
  return {
    take: (text, line) => {
      const whole = begun ? `${begun.text}\n${text}` : text;
      const start = begun?.line ?? line;
      if (whole.length > importLineCharacters) throw lineTooLong(start);
      if (begun && staysOpen(text)) {
        begun = { text: whole, line: start };
        return undefined;
      }
      const fields = fieldsOf(whole.endsWith('\r') ? whole.slice(0, -1) : whole);
      begun = fields === 'open' ? { text: whole, line: start } : undefined;
      return fields === 'open' ? undefined : { line: start, fields };
    },
    open: () => begun?.line,
  };
}
