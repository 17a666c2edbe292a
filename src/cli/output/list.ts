/** Lists page by page: nothing but one page is held, so a million rows need no more memory than a thousand. */

import type { Row } from './fields.ts';
import type { Output } from './output.ts';
import { type Column, headLine, layOut, rowLine } from './table.ts';

export interface Page {
  readonly totalCount: number;
  readonly results: readonly Row[];
}

export interface ListShape {
  /** Columns of the table. */
  readonly columns: readonly Column[];
  /** The CSV's columns in this order; default: those of the first page. */
  readonly fields?: readonly string[] | undefined;
}

/** A list as the admin API's document describes it. */
export interface ListModel extends ListShape {
  readonly columns: readonly (Column & { readonly names?: 'tenant' | 'instance' })[];
  /** The fields of `filter` in words; undefined where the list takes none. */
  readonly filter?: string;
  readonly sort: boolean;
  /** false: the API gives the whole list in one answer. */
  readonly paged: boolean;
}

/** Writes one part of a list; `first` is where a head belongs. */
type Part = (page: Page, first: boolean) => string;

const indented = (text: string, by: string): string => text.replace(/^(?=.)/gm, by);

function jsonPart(page: Page, first: boolean): string {
  const rows = page.results.map((row) => indented(JSON.stringify(row, null, 2), '    '));
  if (first)
    return `{\n  "totalCount": ${page.totalCount},\n  "results": [${rows.length > 0 ? `\n${rows.join(',\n')}` : ''}`;
  return rows.map((row) => `,\n${row}`).join('');
}

async function csvPart({ fields }: ListShape): Promise<Part> {
  const { csvLines, fieldsOf } = await import('./csv.ts');
  let known = fields;
  return (page, first) => {
    known ??= fieldsOf(page.results);
    return known.length === 0 ? '' : csvLines(page.results, { fields: known, head: first });
  };
}

async function yamlPart(): Promise<Part> {
  const { stringify } = await import('yaml');
  return (page, first) => {
    const rows = page.results.length > 0 ? indented(stringify(page.results), '  ') : '';
    if (!first) return rows;
    return `totalCount: ${page.totalCount}\nresults:${rows === '' ? ' []\n' : `\n${rows}`}`;
  };
}

/** The widths are those that the first page needs. */
function tablePart({ columns }: ListShape, output: Output): Part {
  let layout: ReturnType<typeof layOut> | undefined;
  const cut = output.terminalWidth !== undefined;
  return (page, first) => {
    layout ??= layOut(columns, page.results, output.terminalWidth);
    const known = layout;
    if (first && known.leftOut.length > 0)
      output.say(`(no room for ${known.leftOut.join(', ')}: a wider terminal or -o json shows all)`);
    const lines = page.results.map((row) => rowLine(known, row, cut));
    return [...(first ? [headLine(known, cut)] : []), ...lines].map((line) => `${line}\n`).join('');
  };
}

const partOf = async (output: Output, shape: ListShape): Promise<Part> => {
  if (output.format === 'json') return jsonPart;
  if (output.format === 'csv') return csvPart(shape);
  return output.format === 'yaml' ? yamlPart() : tablePart(shape, output);
};

/** There is always a first page, though it may be empty. */
export async function writeList(output: Output, pages: AsyncIterable<Page>, shape: ListShape): Promise<void> {
  const part = await partOf(output, shape);
  let count = 0;
  let totalCount = 0;
  let first = true;
  for await (const page of pages) {
    await output.write(part(page, first));
    first = false;
    count += page.results.length;
    totalCount = page.totalCount;
  }
  if (output.format === 'json') await output.write(count > 0 ? '\n  ]\n}\n' : ']\n}\n');
  if (output.format === 'table' && output.terminalWidth !== undefined)
    output.say(count === totalCount ? `${count} in all` : `${count} of ${totalCount}`);
}
