import type { Comparison, Measured } from './rounds.ts';
import type { Finding } from './run.ts';

/** Findings for people, in columns; numbers to the right. */

const headings = (unit: string): string[] => ['', `${unit}/s`, 'rounds', 'p50 ms', 'p99 ms', 'processors'];

export const whole = (value: number): string =>
  Math.round(value).toLocaleString('en-US').replaceAll(',', ' ');
export const tenths = (value: number): string => value.toFixed(1);

/** Processors; a question mark where the system does not say. */
export const busy = (processors: number | undefined): string => processors?.toFixed(2) ?? '?';

function row({ name, p50Ms, p99Ms, perSecond, processors, rounds }: Measured): string[] {
  const spread = `${whole(Math.min(...rounds))} to ${whole(Math.max(...rounds))}`;
  return [name, whole(perSecond), spread, tenths(p50Ms), tenths(p99Ms), busy(processors)];
}

/** Rows of cells under each other, the first row being the headings. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  );
}

export function findingOf(comparison: Comparison): Finding {
  const { espalier, peer, proof, ratio, title, unit } = comparison;
  const table = columns([headings(unit), row(espalier), row(peer)]);
  return { title, lines: [...table, `ratio ${ratio.toFixed(2)}; ${proof}`], data: comparison };
}
