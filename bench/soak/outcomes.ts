/**
 * What became of every call of a run. A call may fail only while a trouble is on that explains it: the database was
 * stopped, or the instance that it leads to was made to hang.
 */

export type CallKind = 'device call' | 'webhook or push' | 'list' | 'page' | 'scrape';

export interface FailedCall {
  readonly kind: CallKind;
  /** A status with the problem's slug, or what broke. */
  readonly reason: string;
  /** When it began and when it failed, milliseconds of a clock that never steps. */
  readonly at: number;
  readonly until: number;
  /** Name of the instance that it leads to. */
  readonly instance?: string;
}

/** Why an answer is no success: its status, with the slug of the problem. */
export const reasonOf = (status: number, text: string): string =>
  `${status} ${/\/problems\/([a-z-]+)/.exec(text)?.[1] ?? ''}`.trim();

/** The gateway says so where the machine has no time for it: a finding about the machine, unless it is often. */
const isRefusedForLoad = ({ reason }: FailedCall): boolean => reason === '503 overloaded';

export interface Count {
  readonly kind: CallKind;
  readonly outcome: string;
  readonly calls: number;
}

export interface Outcomes {
  ok(kind: CallKind): void;
  /** It fails now. */
  failed(call: Omit<FailedCall, 'until'>): void;
  /** A trouble begins that explains some failures; the function ends it. Its end may lie in the future. */
  begin(at: number, explains: (call: FailedCall) => boolean): (end: number) => void;
  counts(): readonly Count[];
  /** Failures that no trouble explains, but for calls refused for the load. */
  unexplained(): readonly FailedCall[];
  /** Share of all calls, 0 to 1. */
  refusedForLoad(): number;
}

interface Trouble {
  readonly begin: number;
  end: number;
  readonly explains: (call: FailedCall) => boolean;
}

export function createOutcomes(): Outcomes {
  const answered = new Map<CallKind, number>();
  const failures: FailedCall[] = [];
  const troubles: Trouble[] = [];
  const isExplained = (call: FailedCall): boolean =>
    troubles.some(({ begin, end, explains }) => call.until >= begin && call.at <= end && explains(call));
  return {
    ok: (kind) => {
      answered.set(kind, (answered.get(kind) ?? 0) + 1);
    },
    failed: (call) => {
      failures.push({ ...call, until: performance.now() });
    },
    begin: (at, explains) => {
      const trouble: Trouble = { begin: at, end: Number.POSITIVE_INFINITY, explains };
      troubles.push(trouble);
      return (end) => {
        trouble.end = end;
      };
    },
    counts: () => [
      ...[...answered].map(([kind, calls]) => ({ kind, outcome: 'ok', calls })),
      ...[...Map.groupBy(failures, ({ kind, reason }) => `${kind}\n${reason}`).values()].map((same) => ({
        kind: same[0]!.kind,
        outcome: same[0]!.reason,
        calls: same.length,
      })),
    ],
    unexplained: () => failures.filter((call) => !isRefusedForLoad(call) && !isExplained(call)),
    refusedForLoad: () => {
      const answers = [...answered.values()].reduce((sum, calls) => sum + calls, 0);
      return failures.filter(isRefusedForLoad).length / Math.max(1, answers + failures.length);
    },
  };
}
