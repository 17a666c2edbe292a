/** Runs a property for its share of the time, with the seed of the whole run, and tells how often it held. */

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

const seed = Number(process.env.ESPALIER_FUZZ_SEED ?? 1);
const minutes = Number(process.env.ESPALIER_FUZZ_MINUTES ?? 1);

/** What may be spent on one property: parsers are quick, and whatever goes over sockets is not. */
export const shares = { parser: 1 / 40, socket: 1 / 14 } as const;

export function fuzz<T>(name: string, share: keyof typeof shares, property: () => fc.IRawProperty<T>): void {
  test(name, async () => {
    const checked = property();
    const run = checked.run.bind(checked);
    let last: ReturnType<typeof run> = null;
    checked.run = (value) => {
      last = run(value);
      return last;
    };
    const details = await fc.check(checked, {
      seed,
      numRuns: Number.MAX_SAFE_INTEGER,
      maxSkipsPerRun: 100,
      interruptAfterTimeLimit: minutes * 60_000 * shares[share],
    });
    const told = details.failed
      ? `${fc.defaultReportMessage(details)}\n${String(details.errorInstance)}`
      : undefined;
    // The end of the time leaves the run that is under way to itself: the next property's readings would have its own in them.
    const failure = await last;
    process.stdout.write(`  ${String(details.numRuns).padStart(8)} runs  ${name}\n`);
    expect(told).toBeUndefined();
    if (!fc.PreconditionFailure.isFailure(failure)) expect(failure).toBeNull();
    expect(details.numRuns).toBeGreaterThan(0);
  });
}

/** Nothing of what a file does may be left to itself. */
export function watchUnhandled(): void {
  const unhandled: unknown[] = [];
  const keep = (error: unknown): void => {
    unhandled.push(error);
  };
  beforeAll(() => {
    process.on('unhandledRejection', keep).on('uncaughtException', keep);
  });
  afterAll(() => {
    process.off('unhandledRejection', keep).off('uncaughtException', keep);
    expect(unhandled).toEqual([]);
  });
}

/** A text with some of its characters taken out, doubled, changed, or cut off. */
export const damaged = (texts: fc.Arbitrary<string>, signs: readonly string[]): fc.Arbitrary<string> =>
  fc
    .tuple(
      texts,
      fc.array(
        fc.record({
          at: fc.double({ min: 0, max: 1, noNaN: true }),
          act: fc.constantFrom('drop', 'double', 'insert', 'replace', 'cut', 'none'),
          sign: fc.oneof(
            fc.constantFrom(...signs),
            fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
          ),
        }),
        { maxLength: 4 },
      ),
    )
    .map(([text, changes]) => changes.reduce(change, text));

interface Change {
  readonly at: number;
  readonly act: 'drop' | 'double' | 'insert' | 'replace' | 'cut' | 'none';
  readonly sign: string;
}

function change(text: string, { act, at, sign }: Change): string {
  const place = Math.floor(at * text.length);
  const [before, after] = [text.slice(0, place), text.slice(place)];
  switch (act) {
    case 'drop':
      return before + after.slice(1);
    case 'double':
      return before + after.slice(0, 20) + after;
    case 'insert':
      return before + sign + after;
    case 'replace':
      return before + sign + after.slice(sign.length);
    case 'cut':
      return before;
    case 'none':
      return text;
  }
}
