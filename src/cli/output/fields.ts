import { escapeFormula } from '../../spreadsheet-cells.ts';
/** Nested answers as flat fields, `report.state`, for tables and CSV. */

export type Row = Readonly<Record<string, unknown>>;

export const isRow = (value: unknown): value is Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `report.state` of `{report: {state}}`; undefined where a step of the way is missing. */
export function fieldOf(row: Row, path: string): unknown {
  let value: unknown = row;
  for (const name of path.split('.')) value = isRow(value) ? value[name] : undefined;
  return value;
}

/** Every field in the order of the answer; an object is followed into, a list is a field. */
export function flatFields(row: Row, before = ''): [path: string, value: unknown][] {
  return Object.entries(row).flatMap(([name, value]): [string, unknown][] =>
    isRow(value) && Object.keys(value).length > 0
      ? flatFields(value, `${before}${name}.`)
      : [[before + name, value]],
  );
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Formats a cell of a table: a time without its milliseconds, nothing as `-`. */
export function cellText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return time.test(value) ? `${value.slice(0, 19)}Z` : value;
  if (Array.isArray(value)) {
    if (value.length === 0) return '-';
    return value.every((one) => typeof one !== 'object') ? value.join(', ') : `${value.length}`;
  }
  if (isRow(value) && Object.keys(value).length === 0) return '-';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/**
 * Formats a field of CSV: what is no scalar as JSON, nothing as an empty field; a spreadsheet must not run what a Mac
 * is called.
 */
export const csvText = (value: unknown): string => {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return escapeFormula(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};
