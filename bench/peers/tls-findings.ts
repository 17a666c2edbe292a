import type { Finding } from '../run.ts';
import type { Course } from './contest.ts';
import { names } from './contestants.ts';
import {
  beside,
  type Circumstances,
  courseNamed,
  type Line,
  lineText,
  lookUpLines,
  machineLines,
  ratioTable,
  table,
} from './findings.ts';
import { type Handshakes, handshakePlaces } from './handshakes.ts';

/** The TLS table for people: TLS on both sides, and new connections. */

const perProcessorAim = 0.85;
const p99Aim = 1.5;

function linesOf(espalier: Course, haproxy: Course): Line[] {
  const { p99, perProcessor } = beside(espalier, haproxy);
  return [
    {
      says: `requests per CPU beside HAProxy, at least ${perProcessorAim}`,
      value: perProcessor.median,
      holds: perProcessor.median >= perProcessorAim,
    },
    { says: `p99 beside HAProxy's, at most ${p99Aim}`, value: p99.median, holds: p99.median <= p99Aim },
  ];
}

export function tlsTableFinding(
  courses: readonly Course[],
  handshakes: Handshakes,
  circumstances: Circumstances,
): Finding {
  const { command, machine, proof, title } = circumstances;
  const reference = (of: readonly Course[]): Course => courseNamed(of, names.cachedTls);
  const lines = linesOf(courseNamed(courses, names.espalierTls), reference(courses));
  const ofHandshakes = (what: string, of: readonly Course[]): string[] => [
    '',
    `new connections, ${what}, one call on each, ${handshakePlaces} at a time`,
    ...table(of, 'connections'),
    ...ratioTable(reference(of), of),
  ];
  return {
    title,
    lines: [
      ...table(courses),
      '',
      ...ratioTable(reference(courses), courses),
      '',
      ...ratioTable(courseNamed(courses, names.relay), courses),
      ...ofHandshakes('full handshakes', handshakes.full),
      ...ofHandshakes('resumed sessions', handshakes.resumed),
      '',
      ...lines.map(lineText),
      ...lookUpLines(courses),
      proof,
      ...machineLines(machine),
      `one round: ${command.join(' ')}`,
    ],
    data: { ...circumstances, courses, handshakes, lines },
  };
}
