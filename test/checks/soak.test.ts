import { describe, expect, it } from 'vitest';
import { courseOf } from '../../bench/soak/course.ts';
import { createOutcomes, reasonOf } from '../../bench/soak/outcomes.ts';
import { createRandom } from '../../src/simulator/random.ts';

/** A soak must neither cry wolf nor pass a leak: what `npm run bench -- soak` judges by. */
describe('a course', () => {
  const tolerance = { share: 0.05, least: 2 };
  const samples = 180;
  const random = createRandom(7);
  const course = (value: (hours: number) => number) =>
    courseOf(
      Array.from({ length: samples }, (_, at) => ({ hours: at / 360, value: value(at / 360) })),
      tolerance,
    );
  const noise = (): number => (random.next() - 0.5) * 10;

  it('that rises through noise grows, with its slope inside the interval', () => {
    const { first, grows, last, margin, slopePerHour } = course((hours) => 100 + 40 * hours + noise());
    expect(grows).toBe(true);
    expect(Math.abs(slopePerHour - 40)).toBeLessThan(margin);
    expect(last - first).toBeGreaterThan(10);
  });

  it('of noise alone is flat', () => {
    expect(course(() => 100 + noise()).grows).toBe(false);
  });

  it('that rises surely, but by less than the share or the amount, is flat', () => {
    expect(course((hours) => 100 + 4 * hours).grows).toBe(false);
    expect(course((hours) => 3 + hours).grows).toBe(false);
  });

  it('of one wave is flat: its samples are not as many as they look', () => {
    expect(course((hours) => 100 + 10 * Math.sin(hours * 6 + 2.5)).grows).toBe(false);
  });

  it('of too few samples is refused', () => {
    expect(() => courseOf([{ hours: 0, value: 1 }], tolerance)).toThrow(RangeError);
  });
});

describe('a failed call', () => {
  const failed = (reason: string, instance = 'rome') =>
    ({ kind: 'device call', reason, at: performance.now(), instance }) as const;

  it('is explained by a trouble that was on meanwhile, and by that one alone', () => {
    const outcomes = createOutcomes();
    const hours = 3_600_000;
    outcomes.failed(failed('503 before'));
    const end = outcomes.begin(performance.now() + 0.001, ({ reason }) => reason.startsWith('503'));
    outcomes.failed({ ...failed('503 in work when it began'), at: 0 });
    outcomes.failed(failed('503 meanwhile'));
    outcomes.failed(failed('500 meanwhile'));
    end(performance.now());
    outcomes.failed({ ...failed('503 after'), at: performance.now() + hours });
    expect(outcomes.unexplained().map(({ reason }) => reason)).toEqual([
      '503 before',
      '500 meanwhile',
      '503 after',
    ]);
  });

  it('of an instance is not explained by the trouble of another one', () => {
    const outcomes = createOutcomes();
    outcomes.begin(0, ({ instance }) => instance === 'berlin');
    outcomes.failed(failed('504', 'berlin'));
    outcomes.failed(failed('504', 'rome'));
    expect(outcomes.unexplained()).toMatchObject([{ instance: 'rome' }]);
    expect(outcomes.counts()).toContainEqual({ kind: 'device call', outcome: '504', calls: 2 });
  });

  it('that was refused for the load is counted apart', () => {
    const outcomes = createOutcomes();
    outcomes.failed(failed(reasonOf(503, '{"type":"https://espalier.dev/problems/overloaded"}')));
    for (let calls = 0; calls < 3; calls += 1) outcomes.ok('device call');
    expect(outcomes.unexplained()).toEqual([]);
    expect(outcomes.refusedForLoad()).toBe(0.25);
  });

  it('stands beside those that were answered', () => {
    const outcomes = createOutcomes();
    outcomes.ok('device call');
    outcomes.ok('device call');
    expect(outcomes.counts()).toEqual([{ kind: 'device call', outcome: 'ok', calls: 2 }]);
  });
});
