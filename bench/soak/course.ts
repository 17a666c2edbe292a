/** The course of one measure over a run: whether it grows, and how sure that is. */

import { median } from '../rounds.ts';

export interface Point {
  /** Since the begin of the run, by a clock that never steps. */
  readonly hours: number;
  readonly value: number;
}

/** What is too little to be called growth: a share of the first tenth, and an amount. */
export interface Tolerance {
  readonly share: number;
  readonly least: number;
}

export interface Course {
  /** Medians of the first and of the last tenth. */
  readonly first: number;
  readonly last: number;
  readonly slopePerHour: number;
  /** Half the width of the slope's 95 % interval. */
  readonly margin: number;
  /** The interval is above 0, and the line rises by more than is tolerated. */
  readonly grows: boolean;
}

/** Fewer say nothing of a slope. */
const fewestPoints = 6;

interface Line {
  readonly slope: number;
  /** Of the slope, without regard to how samples hang together. */
  readonly standardError: number;
  readonly residuals: readonly number[];
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const sumOf = (values: readonly number[], of: (value: number, index: number) => number): number =>
  values.reduce((sum, value, index) => sum + of(value, index), 0);

function lineThrough(points: readonly Point[]): Line {
  const [meanHours, meanValue] = [
    mean(points.map(({ hours }) => hours)),
    mean(points.map(({ value }) => value)),
  ];
  const offsets = points.map(({ hours }) => hours - meanHours);
  const spread = sumOf(offsets, (offset) => offset ** 2);
  const slope = sumOf(offsets, (offset, at) => offset * (points[at]!.value - meanValue)) / spread;
  const residuals = points.map(({ value }, at) => value - meanValue - slope * offsets[at]!);
  const standardError = Math.sqrt(sumOf(residuals, (one) => one ** 2) / (points.length - 2) / spread);
  return { slope, standardError, residuals };
}

/** Correlation of neighbours, 0 to 0.99. */
function neighbourly(residuals: readonly number[]): number {
  const all = sumOf(residuals, (one) => one ** 2);
  if (all === 0) return 0;
  const pairs = sumOf(residuals.slice(1), (one, at) => one * residuals[at]!);
  return Math.min(0.99, Math.max(0, pairs / all));
}

/** Student's t of 97.5 %, by Cornish and Fisher's expansion; good to 1 % from four degrees of freedom on. */
function studentT(degrees: number): number {
  const z = 1.959964;
  return z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}

/**
 * Samples that follow each other are alike, so they count as fewer: n (1 - r) / (1 + r) with r the correlation of
 * neighbours. Otherwise every wave would be a trend. Throws `RangeError` for fewer than six points.
 */
export function courseOf(points: readonly Point[], { least, share }: Tolerance): Course {
  if (points.length < fewestPoints) throw new RangeError(`${points.length} samples are too few`);
  const tenth = Math.max(1, Math.floor(points.length / 10));
  const values = points.map(({ value }) => value);
  const [first, last] = [median(values.slice(0, tenth)), median(values.slice(-tenth))];
  const { residuals, slope, standardError } = lineThrough(points);
  const alike = neighbourly(residuals);
  const fewer = (1 - alike) / (1 + alike);
  const degrees = Math.max(2, points.length * fewer - 2);
  const margin = (studentT(degrees) * standardError) / Math.sqrt(fewer);
  const rise = slope * (points.at(-1)!.hours - points[0]!.hours);
  const grows = slope - margin > 0 && rise > Math.max(share * Math.abs(first), least);
  return { first, last, slopePerHour: slope, margin, grows };
}
