import { type Course, courseOf, type Point, type Tolerance } from './course.ts';

/** The lines of a soak: what is sampled, and from when what is called growth. */

type Unit = 'MiB' | 'ms' | '';

export interface Measure extends Tolerance {
  readonly unit: Unit;
  /** What is kept for a time grows until that is over, and is shown only. */
  readonly kept?: boolean;
}

export interface Judged {
  readonly name: string;
  readonly unit: Unit;
  readonly course: Course;
  readonly verdict: 'flat' | 'grows' | 'kept';
}

/** By the end of a line's name. */
const measures: readonly (readonly [RegExp, Measure])[] = [
  [/resident$/, { unit: 'MiB', share: 0.05, least: 8 }],
  [/heap$/, { unit: 'MiB', share: 0.05, least: 2 }],
  [/external$/, { unit: 'MiB', share: 0.1, least: 2 }],
  [/descriptors$/, { unit: '', share: 0.1, least: 4 }],
  [/resources$/, { unit: '', share: 0.1, least: 4 }],
  [/event loop delay$/, { unit: 'ms', share: 0.5, least: 5 }],
  [/connections$/, { unit: '', share: 0.1, least: 3 }],
  [/^kept rows, size$/, { unit: 'MiB', share: 0, least: 0, kept: true }],
  [/, size$/, { unit: 'MiB', share: 0.1, least: 2 }],
  [/^dead rows overdue$/, { unit: '', share: 0.5, least: 2_000 }],
];

function measureOf(name: string): Measure {
  const found = measures.find(([pattern]) => pattern.test(name));
  if (!found) throw new RangeError(`nothing is said of ${name}`);
  return found[1];
}

/** Values by line, each with its time. */
export interface Samples {
  add(hours: number, values: ReadonlyMap<string, number>): void;
  judge(): readonly Judged[];
  lines(): ReadonlyMap<string, readonly Point[]>;
}

const fewestSamples = 6;

export function createSamples(): Samples {
  const lines = new Map<string, Point[]>();
  return {
    add: (hours, values) => {
      for (const [name, value] of values) {
        const points = lines.get(name) ?? [];
        points.push({ hours, value });
        lines.set(name, points);
      }
    },
    lines: () => lines,
    judge: () =>
      [...lines]
        .filter(([, points]) => points.length >= fewestSamples)
        .map(([name, points]): Judged => {
          const measure = measureOf(name);
          const course = courseOf(points, measure);
          return {
            ...{ name, course, unit: measure.unit },
            verdict: measure.kept ? 'kept' : course.grows ? 'grows' : 'flat',
          };
        }),
  };
}
