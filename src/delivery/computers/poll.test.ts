import { describe, expect, test } from 'vitest';
import { nextPlace } from './poll.ts';

describe('where a poll goes on', () => {
  test('a millisecond before the end of the page, from its first page on', () => {
    expect(nextPlace({ sinceMs: 1_000, page: 0 }, 5_000)).toEqual({ sinceMs: 4_999, page: 0 });
    expect(nextPlace({ sinceMs: 1_000, page: 3 }, 5_000)).toEqual({ sinceMs: 4_999, page: 0 });
  });

  test('with the next number where a whole page has one time, or none', () => {
    expect(nextPlace({ sinceMs: 4_999, page: 0 }, 5_000)).toEqual({ sinceMs: 4_999, page: 1 });
    expect(nextPlace({ sinceMs: 4_999, page: 1 }, Number.NEGATIVE_INFINITY)).toEqual({
      sinceMs: 4_999,
      page: 2,
    });
  });
});
