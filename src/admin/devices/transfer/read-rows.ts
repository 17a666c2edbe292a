import type { ImportRow } from '../../../routing/imports/import-row.ts';
import { unescapeFormula } from '../../../spreadsheet-cells.ts';
import { invalidField } from '../../schemas.ts';
import { createCsvReader } from './csv-records.ts';
import { readLines } from './lines.ts';
import {
  type Column,
  checkRow,
  columns,
  type Rejection,
  rejection,
  requiredColumns,
  type Values,
} from './rows.ts';

/** A file of routes, CSV or NDJSON, as checked rows. */

export type Format = 'csv' | 'ndjson';

type Read = ImportRow | Rejection;
/** Undefined: nothing to say of this line (yet). */
type ReadLine = (text: string, line: number) => Read | undefined;

const isColumn = (name: string): name is Column => (columns as readonly string[]).includes(name);
const known = columns.join(',');

/** Throws for a header that leaves open what the columns are: then no row can be read. */
function checkHeader(names: readonly string[]): Column[] {
  const found = names.map((name) => {
    const trimmed = name.trim();
    if (isColumn(trimmed)) return trimmed;
    if (/^"?deviceId"?[;\t|]/.test(trimmed) || /[;\t|]"?(deviceId|instanceId)"?([;\t|]|$)/.test(trimmed))
      throw invalidField(
        'header',
        'has columns that are separated otherwise: commas separate them',
        'WRONG_SEPARATOR',
      );
    throw invalidField(
      trimmed || 'header',
      `is no column; the first line names some of ${known}`,
      'UNKNOWN_COLUMN',
    );
  });
  const twice = found.find((name, at) => found.indexOf(name) !== at);
  if (twice !== undefined) throw invalidField(twice, 'is named twice in the header', 'REPEATED_COLUMN');
  const missing = requiredColumns.find((name) => !found.includes(name));
  if (missing !== undefined) throw invalidField(missing, 'is missing in the header', 'MISSING_COLUMN');
  return found;
}

/** Spreadsheets write TRUE. */
function csvBoolean(text: string): unknown {
  if (text === 'true') return true;
  if (text === 'false') return false;
  const lower = text.trim().toLowerCase();
  return lower === 'true' ? true : lower === 'false' ? false : lower;
}

const noUtf8 = (line: number): Rejection => rejection(line, 'INVALID_ENCODING', 'is not UTF-8');

/** Position of each column in a record; -1: it has none. */
type Places = Readonly<Record<Column, number>>;

const placesOf = (header: readonly Column[]): Places => ({
  deviceId: header.indexOf('deviceId'),
  instanceId: header.indexOf('instanceId'),
  jamfComputerId: header.indexOf('jamfComputerId'),
  serialNumber: header.indexOf('serialNumber'),
  udid: header.indexOf('udid'),
  pinned: header.indexOf('pinned'),
});

/** Written out, so that every row's object has the same shape: a million of them are made. */
const valuesOf = (fields: readonly string[], at: Places): Values => ({
  deviceId: fields[at.deviceId],
  instanceId: fields[at.instanceId],
  jamfComputerId: fields[at.jamfComputerId],
  serialNumber: unescapeFormula(fields[at.serialNumber] ?? ''),
  udid: unescapeFormula(fields[at.udid] ?? ''),
  pinned: csvBoolean(fields[at.pinned] ?? ''),
});

function csvLines(instances: ReadonlySet<string>) {
  const reader = createCsvReader();
  let header: readonly Column[] | undefined;
  let at = placesOf([]);
  const read: ReadLine = (text, number) => {
    const record = reader.take(text, number);
    if (!record) return undefined;
    const { fields, line } = record;
    // A blank line, or a row of cells that were cleared.
    if (fields?.every((field) => field.trim() === '')) return undefined;
    if (!header) {
      if (!fields) throw invalidField('header', 'has quotes that do not fit', 'INVALID_QUOTES');
      header = checkHeader(fields);
      at = placesOf(header);
      return undefined;
    }
    if (!fields) return rejection(line, 'INVALID_QUOTES', 'has quotes that do not fit (RFC 4180)');
    if (fields.length !== header.length) {
      const counts = `has ${fields.length} fields, the header has ${header.length}`;
      return rejection(line, 'WRONG_FIELDS', counts);
    }
    if (fields.some((field) => field.includes('\ufffd'))) return noUtf8(line);
    return checkRow(line, valuesOf(fields, at), instances);
  };
  const finish = (): void => {
    const open = reader.open();
    if (open !== undefined)
      throw invalidField(`line ${open}`, 'has a quote that is never closed', 'INVALID_QUOTES');
    if (!header)
      throw invalidField('header', `is missing: the first line names columns of ${known}`, 'MISSING_HEADER');
  };
  return { read, finish };
}

function jsonLine(instances: ReadonlySet<string>): ReadLine {
  return (text, line) => {
    if (text.trim() === '') return undefined;
    if (text.includes('\ufffd')) return noUtf8(line);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return rejection(line, 'INVALID_JSON', 'is not JSON');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return rejection(line, 'INVALID_JSON', 'is not a JSON object');
    const unknown = Object.keys(value).find((name) => !isColumn(name));
    if (unknown !== undefined)
      return rejection(line, 'UNKNOWN_MEMBER', `${unknown.slice(0, 50)} is not one of ${known}`);
    return checkRow(line, value, instances);
  };
}

/**
 * The rows of a file in their order, many at a time; what is wrong with one is told in its place. Throws `ProblemError`
 * where the file as a whole cannot be read.
 */
export async function* readRows(
  chunks: AsyncIterable<Uint8Array>,
  format: Format,
  instances: ReadonlySet<string>,
): AsyncGenerator<readonly Read[]> {
  const { finish, read } =
    format === 'csv' ? csvLines(instances) : { read: jsonLine(instances), finish: () => undefined };
  for await (const { first, lines } of readLines(chunks)) {
    yield lines.flatMap((text, at) => read(text, first + at) ?? []);
  }
  finish();
}
