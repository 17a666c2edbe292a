import { beforeEach, describe, expect, it } from 'vitest';
import type { FairShare } from './fair-share.ts';
import { createLapsingShare } from './lapsing-share.ts';

let nowMs = 0;
let share: FairShare;
beforeEach(() => {
  nowMs = 0;
  const now = () => nowMs;
  share = createLapsingShare({ inAll: 16, what: 'calls', part: 'application', longestMs: 60_000, now });
});

const takes = (tenant: string): boolean => share.take(share.partOf(tenant, 'x')) === undefined;

describe('a share of which a request was cut off', () => {
  it('is bounded and given back as any other', () => {
    expect([takes('a'), takes('a'), takes('a')]).toEqual([true, true, false]);
    share.give(share.partOf('a', 'x'));
    expect([takes('a'), takes('a')]).toEqual([true, false]);
  });

  it('comes back after a while although nothing gives it back', () => {
    expect([takes('a'), takes('a')]).toEqual([true, true]);
    nowMs = 59_999;
    expect(takes('a')).toBe(false);
    nowMs = 60_000;
    expect([takes('a'), takes('a'), takes('a')]).toEqual([true, true, false]);
  });

  it('is not given back twice by a request that lasts longer', () => {
    const part = share.partOf('a', 'x');
    expect(takes('a')).toBe(true);
    nowMs = 60_000;
    expect(takes('b')).toBe(true);
    expect(part.held).toBe(0);
    share.give(part);
    expect([part.held, part.tenant.held]).toEqual([0, 0]);
  });

  it('is given back by the amount that was taken', () => {
    const part = share.partOf('a', 'x');
    expect(share.take(part, 2)).toBeUndefined();
    expect(share.take(part, 1)).toMatchObject({ slug: 'rate-limited' });
    share.give(part, 2);
    expect(part.held).toBe(0);
    expect(takes('a')).toBe(true);
  });
});
