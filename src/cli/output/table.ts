/** Tables of text. Where a terminal's width is given they fit it: columns narrow first, then the least important go. */

import { displayWidth, fitTo, padTo, safeText } from './display-width.ts';
import { cellText, fieldOf, type Row } from './fields.ts';

export interface Column {
  /** A path into the row, `report.state`. */
  readonly field: string;
  /** Default: the field's own name. */
  readonly title?: string;
  /** Ids that people copy: shown whole or not at all. */
  readonly whole?: boolean;
  /** Present where the cell is made of more than the field. */
  readonly show?: (value: unknown) => unknown;
  /** 1 is the last to be left out; default: the place in the list. */
  readonly importance?: number;
}

export interface Layout {
  /** Columns in the order of the table, with the width of each. */
  readonly columns: readonly { readonly column: Column; readonly width: number }[];
  /** Titles of the columns that found no room. */
  readonly leftOut: readonly string[];
}

const gap = 2;
const minWidth = 8;

const titleOf = ({ field, title }: Column): string => title ?? field;
const textOf = (row: Row, { field, show = (value) => value }: Column): string =>
  safeText(cellText(show(fieldOf(row, field))));

interface Sized {
  readonly column: Column;
  readonly importance: number;
  readonly natural: number;
  readonly minimum: number;
  width: number;
}

const total = (sized: readonly { width: number }[]): number =>
  sized.reduce((sum, { width }) => sum + width, 0) + gap * Math.max(0, sized.length - 1);

/** Takes from the widest first, one column of the terminal at a time, until it fits or all are at their minimum. */
function narrow(sized: readonly Sized[], terminalWidth: number): void {
  for (let over = total(sized) - terminalWidth; over > 0; over -= 1) {
    const widest = sized
      .filter(({ minimum, width }) => width > minimum)
      .reduce<Sized | undefined>(
        (found, one) => (found && found.width >= one.width ? found : one),
        undefined,
      );
    if (widest === undefined) return;
    widest.width -= 1;
  }
}

/** `terminalWidth` undefined: nothing is cut. The widths are those of the rows given, later ones may stick out. */
export function layOut(columns: readonly Column[], rows: readonly Row[], terminalWidth?: number): Layout {
  let sized: Sized[] = columns.map((column, index) => {
    const widths = rows.map((row) => displayWidth(textOf(row, column)));
    const natural = Math.max(displayWidth(titleOf(column)), ...chunkedMax(widths));
    const minimum = column.whole === true ? natural : Math.min(natural, minWidth);
    return { column, importance: column.importance ?? index + 1, natural, minimum, width: natural };
  });
  const leftOut: string[] = [];
  if (terminalWidth !== undefined) {
    const minTotal = (some: readonly Sized[]): number =>
      total(some.map(({ minimum }) => ({ width: minimum })));
    while (sized.length > 1 && minTotal(sized) > terminalWidth) {
      const last = sized.reduce((found, one) => (one.importance >= found.importance ? one : found));
      sized = sized.filter((one) => one !== last);
      leftOut.push(titleOf(last.column));
    }
    narrow(sized, terminalWidth);
  }
  return { columns: sized.map(({ column, width }) => ({ column, width })), leftOut };
}

/** A spread of a hundred thousand arguments would end on the stack. */
const chunkedMax = (numbers: readonly number[]): number[] => [numbers.reduce((a, b) => Math.max(a, b), 0)];

const lineOf = (cells: readonly { text: string; width: number }[], cut: boolean): string =>
  cells
    .map(({ text, width }, index) => {
      const shown = cut ? fitTo(text, width) : text;
      return index === cells.length - 1 ? shown : padTo(shown, width);
    })
    .join(' '.repeat(gap))
    .trimEnd();

export const headLine = ({ columns }: Layout, cut: boolean): string =>
  lineOf(
    columns.map(({ column, width }) => ({ text: titleOf(column), width })),
    cut,
  );

export const rowLine = ({ columns }: Layout, row: Row, cut: boolean): string =>
  lineOf(
    columns.map(({ column, width }) => ({ text: textOf(row, column), width })),
    cut,
  );

/** A whole table, line by line. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly Row[],
  terminalWidth?: number,
): string[] {
  const layout = layOut(columns, rows, terminalWidth);
  const cut = terminalWidth !== undefined;
  return [headLine(layout, cut), ...rows.map((row) => rowLine(layout, row, cut))];
}
