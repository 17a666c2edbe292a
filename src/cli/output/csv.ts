/** CSV after RFC 4180, nested fields as `report.state`. */

import { stringify } from 'csv-stringify/sync';
import { csvText, fieldOf, flatFields, type Row } from './fields.ts';

export const fieldsOf = (rows: readonly Row[]): string[] => [
  ...new Set(rows.flatMap((row) => flatFields(row).map(([path]) => path))),
];

export interface CsvOptions {
  /** Default: those of the rows. */
  readonly fields?: readonly string[] | undefined;
  readonly head?: boolean;
}

export function csvLines(
  rows: readonly Row[],
  { fields = fieldsOf(rows), head = true }: CsvOptions = {},
): string {
  const lines = rows.map((row) => fields.map((field) => csvText(fieldOf(row, field))));
  return stringify(head ? [[...fields], ...lines] : lines);
}
