import type { Comparison, Measured } from './rounds.ts';

/** Columns of a comparison for people; numbers to the right. */

const headings = (unit: string): string[] => ['', `${unit}/s`, 'rounds', 'p50 ms', 'p99 ms', 'processors'];

const whole = (value: number): string => Math.round(value).toLocaleString('en-US').replaceAll(',', ' ');
const tenths = (value: number): string => value.toFixed(1);

function row({ name, p50Ms, p99Ms, perSecond, processors, rounds }: Measured): string[] {
  const spread = `${whole(Math.min(...rounds))} to ${whole(Math.max(...rounds))}`;
  const busy = processors === undefined ? '?' : processors.toFixed(2);
  return [name, whole(perSecond), spread, tenths(p50Ms), tenths(p99Ms), busy];
}

export function tableOf({ espalier, peer, proof, ratio, title, unit }: Comparison): string {
  const rows = [headings(unit), row(espalier), row(peer)];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  );
  return [title, ...lines.map((line) => `  ${line}`), `  ratio ${ratio.toFixed(2)}; ${proof}`, ''].join('\n');
}
