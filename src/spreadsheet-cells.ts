/**
 * Cells that a spreadsheet would run as a formula when it opens a CSV file (OWASP, CSV Injection; also in full width). Serial
 * numbers come from whoever enrols a Mac, and an operator opens the export.
 *
 * An apostrophe before such a cell makes it text. Apostrophes that stand there already get one more, so that taking one
 * away on import gives back exactly what was exported.
 */

const runs = /^'*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;
const escaped = /^'+[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;

export const escapeFormula = (cell: string): string => (runs.test(cell) ? `'${cell}` : cell);
export const unescapeFormula = (cell: string): string => (escaped.test(cell) ? cell.slice(1) : cell);
