import { describe, expect, it } from 'vitest';
import { type ProblemSlug, problem, problemAnswer, problemKinds, unavailableRetryAfter } from './problems.ts';

const id = '0d9c1f6e-8a37-4b52-9f10-6c2e7d4b8a15';
const retryAfter = (slug: ProblemSlug, retryAfterSeconds?: number): string | undefined =>
  problemAnswer(problem(slug, 'd', retryAfterSeconds === undefined ? {} : { retryAfterSeconds }), id).headers[
    'retry-after'
  ];

describe('Retry-After', () => {
  it('is in every 503, whether or not its cause says how long it lasts', () => {
    const slugs = (Object.keys(problemKinds) as ProblemSlug[]).filter(
      (slug) => problemKinds[slug].status === 503,
    );
    expect(slugs.sort()).toEqual(['instance-paused', 'overloaded', 'store-unavailable']);
    for (const slug of slugs) {
      expect(Number(retryAfter(slug))).toBeGreaterThanOrEqual(5);
      expect(Number(retryAfter(slug, 60))).toBeGreaterThanOrEqual(60);
    }
  });

  it('of a 503 is spread over half as much again, so that not all come back at once', () => {
    expect([0, 0.5, 0.999].map((random) => unavailableRetryAfter(60, () => random))).toEqual([
      '60',
      '75',
      '90',
    ]);
    expect([0, 0.999].map((random) => unavailableRetryAfter(0.2, () => random))).toEqual(['1', '2']);
    const told = new Set(Array.from({ length: 200 }, () => retryAfter('overloaded', 60)));
    expect(told.size).toBeGreaterThan(10);
  });

  it('of a limit is what it says, in whole seconds', () => {
    expect([retryAfter('rate-limited', 1.2), retryAfter('rate-limited', 0.1)]).toEqual(['2', '1']);
    expect(retryAfter('conflict')).toBeUndefined();
  });
});
