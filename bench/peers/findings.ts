import type { Finding } from '../run.ts';
import { busy, columns, tenths, whole } from '../table.ts';
import { type Course, medianOf, pairedRatio, type Ratio } from './contest.ts';
import { names } from './contestants.ts';
import { missedShare } from './look-ups.ts';
import type { Machine } from './tools.ts';

/** The contest for people, and whether the bounds of docs/performance.md hold. */

export const ratio = (value: number): string => value.toFixed(2);
const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;

export function table(courses: readonly Course[], unit = 'requests'): string[] {
  const headings = ['', `${unit}/s`, 'rounds', 'µs CPU each', 'per core', 'p50 ms', 'p99 ms', 'processors'];
  const row = (course: Course): string[] => {
    const rates = course.rounds.map(({ requestsPerSecond }) => requestsPerSecond);
    return [
      course.name,
      whole(medianOf(course, (round) => round.requestsPerSecond)),
      `${whole(Math.min(...rates))} to ${whole(Math.max(...rates))}`,
      tenths(medianOf(course, (round) => round.cpuMicros)),
      whole(1e6 / medianOf(course, (round) => round.cpuMicros)),
      medianOf(course, (round) => round.p50Ms).toFixed(2),
      medianOf(course, (round) => round.p99Ms).toFixed(2),
      busy(medianOf(course, (round) => round.processors)),
    ];
  };
  return columns([headings, ...courses.map(row)]);
}

interface Beside {
  readonly name: string;
  readonly reference: string;
  /** Above 1: takes less processor for a request than the reference. */
  readonly perProcessor: Ratio;
  readonly perSecond: Ratio;
  readonly p99: Ratio;
}

export const beside = (course: Course, reference: Course): Beside => ({
  name: course.name,
  reference: reference.name,
  perProcessor: pairedRatio(reference, course, ({ cpuMicros }) => cpuMicros),
  perSecond: pairedRatio(course, reference, ({ requestsPerSecond }) => requestsPerSecond),
  p99: pairedRatio(course, reference, ({ p99Ms }) => p99Ms),
});

export function ratioTable(reference: Course, courses: readonly Course[]): string[] {
  const headings = [`beside ${reference.name}`, 'per CPU', 'rounds', 'requests/s', 'p99'];
  const rows = courses
    .filter((course) => course !== reference)
    .map((course) => {
      const found = beside(course, reference);
      const { max, median, min } = found.perProcessor;
      const spread = `${ratio(min)} to ${ratio(max)}`;
      return [course.name, ratio(median), spread, ratio(found.perSecond.median), ratio(found.p99.median)];
    });
  return columns([headings, ...rows]);
}

export interface Line {
  readonly says: string;
  readonly value: number;
  readonly holds: boolean;
}

function linesOfIssue(espalier: Course, cached: Course, verify: Course): Line[] {
  const perCached = beside(espalier, cached);
  const perVerify = beside(espalier, verify);
  const atLeast = (says: string, value: number, bound: number): Line => ({
    says: `${says}, at least ${bound.toFixed(1)}`,
    value,
    holds: value >= bound,
  });
  return [
    atLeast('requests per CPU beside HAProxy with cached tokens', perCached.perProcessor.median, 1),
    atLeast('the same, the aim', perCached.perProcessor.median, 1.4),
    atLeast('requests per CPU beside HAProxy with jwt_verify', perVerify.perProcessor.median, 2),
    {
      says: "p99 beside HAProxy's with cached tokens, at most 1.5",
      value: perCached.p99.median,
      holds: perCached.p99.median <= 1.5,
    },
  ];
}

export const lineText = ({ holds, says, value }: Line): string =>
  `${holds ? 'holds ' : 'missed'}  ${says}: ${ratio(value)}`;

export const machineLines = ({ memoryGigabytes, system, versions }: Machine): string[] => [
  Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', '),
  `${system}, ${memoryGigabytes} GB; gateways on processor 0, wrk, upstream and PostgreSQL on processor 1`,
];

/** What would make the gateway's figures those of its database. */
export const lookUpLines = (courses: readonly Course[]): string[] =>
  courses.flatMap(({ lookUps, name }) =>
    lookUps === undefined
      ? []
      : [
          `${name}: of ${whole(lookUps.all)} look-ups in all rounds ${percent(missedShare(lookUps))} went to the database`,
        ],
  );

export const courseNamed = (courses: readonly Course[], name: string): Course => {
  const found = courses.find((course) => course.name === name);
  if (found === undefined) throw new RangeError(`${name} was not measured`);
  return found;
};

export interface Circumstances {
  readonly title: string;
  readonly machine: Machine;
  /** How to do one round by hand. */
  readonly command: readonly string[];
  readonly proof: string;
}

export function tableFinding(courses: readonly Course[], circumstances: Circumstances): Finding {
  const { command, machine, proof, title } = circumstances;
  const espalier = courseNamed(courses, names.espalier);
  const cached = courseNamed(courses, names.cached);
  const verify = courseNamed(courses, names.verify);
  const issue = linesOfIssue(espalier, cached, verify);
  return {
    title,
    lines: [
      ...table(courses),
      '',
      ...ratioTable(cached, courses),
      '',
      ...ratioTable(verify, courses),
      '',
      ...issue.map(lineText),
      ...lookUpLines(courses),
      proof,
      ...machineLines(machine),
      `one round: ${command.join(' ')}`,
    ],
    data: { ...circumstances, courses, issue },
  };
}

const tlsBound = 0.25;

/** What TLS on the front costs, with none to the instances. */
export function frontFinding(courses: readonly Course[], circumstances: Circumstances): Finding {
  const { command, machine, proof, title } = circumstances;
  const costs = [
    [names.espalier, names.espalierTls],
    [names.cached, names.cachedTls],
  ].map(([without = '', secure = '']) => {
    const pair = [courseNamed(courses, secure), courseNamed(courses, without)] as const;
    const cpu = pairedRatio(...pair, ({ cpuMicros }) => cpuMicros).median - 1;
    const rate = 1 - pairedRatio(...pair, ({ requestsPerSecond }) => requestsPerSecond).median;
    return { name: without, cpu, rate };
  });
  const ours = costs[0]!;
  return {
    title,
    lines: [
      ...table(courses),
      '',
      ...columns([
        ['TLS costs', 'CPU each', 'requests/s'],
        ...costs.map(({ cpu, name, rate }) => [name, percent(cpu), percent(rate)]),
      ]),
      '',
      `${ours.cpu <= tlsBound ? 'holds ' : 'missed'}  CPU for a request, at most 25 % more: ${percent(ours.cpu)}`,
      ...lookUpLines(courses),
      proof,
      ...machineLines(machine),
      `one round: ${command.join(' ')}`,
    ],
    data: { ...circumstances, courses, costs },
  };
}

/** Less than this is not worth what Node does not document. */
const earnedBound = 0.03;

/** `open`: so few rounds, or such unquiet ones, do not say. */
function verdictOf({ from, to }: Ratio): 'stays' | 'goes' | 'open' {
  if (from >= 1 + earnedBound) return 'stays';
  return to < 1 + earnedBound ? 'goes' : 'open';
}

/** What they earn: processor time through public streams beside that past them, in rounds that stood side by side. */
export function internalsFinding(courses: readonly Course[], circumstances: Circumstances): Finding {
  const { command, machine, proof, title } = circumstances;
  const [haproxy, past, through] = courses;
  if (haproxy === undefined || past === undefined || through === undefined)
    throw new RangeError('HAProxy and both ways are measured');
  const cpuOver = (upper: Course, lower: Course): Ratio =>
    pairedRatio(upper, lower, ({ cpuMicros }) => cpuMicros);
  const cells = ({ from, median, to }: Ratio): string[] => [ratio(median), `${ratio(from)} to ${ratio(to)}`];
  const earned = cpuOver(through, past);
  const verdict = verdictOf(earned);
  return {
    title,
    lines: [
      ...table(courses),
      '',
      ...columns([
        ['CPU for a request', 'over HAProxy', '95 %', `over ${past.name}`, '95 %', 'internals'],
        [past.name, ...cells(cpuOver(past, haproxy)), '', '', ''],
        [through.name, ...cells(cpuOver(through, haproxy)), ...cells(earned), verdict],
      ]),
      '',
      ...lookUpLines(courses),
      proof,
      ...machineLines(machine),
      `one round: ${command.join(' ')}`,
    ],
    data: { ...circumstances, courses, earned, verdict },
  };
}
