import { describe, expect, it } from 'vitest';
import { readTree } from '../../.ci/layers.ts';
import { checkWallClock } from '../../.ci/wall-clock.ts';

describe('the wall clock', () => {
  it('is read where a date is needed and nowhere else', () => {
    expect(checkWallClock(readTree())).toEqual([]);
  });

  it('is found in a file that measures a duration by it', () => {
    const files = new Map(readTree()).set('src/gateway/rate.ts', 'const since = Date.now();');
    expect(checkWallClock(files)).toEqual([
      expect.stringMatching(/^src\/gateway\/rate\.ts reads the wall clock/),
    ]);
  });
});
