import { describe, expect, it } from 'vitest';
import { isLate, newerPushed, type PushedRow } from './revisions.ts';

const nowMs = Date.UTC(2026, 0, 10);
const minutes = (count: number): Date => new Date(nowMs + count * 60_000);
/** Further ahead than any clock that is trusted. */
const ahead = minutes(60 * 24 * 365);

describe('a record that was read', () => {
  it('is late when a newer state of the computer is known', () => {
    const known = { reportAt: minutes(-10), readAt: null };
    expect(isLate(minutes(-11), known, nowMs)).toBe(true);
    expect(isLate(minutes(-10), known, nowMs)).toBe(false);
    expect(isLate(minutes(-9), known, nowMs)).toBe(false);
  });

  it('is never late where either has no date that can be trusted', () => {
    expect(isLate(null, { reportAt: minutes(-10), readAt: null }, nowMs)).toBe(false);
    expect(isLate(minutes(-11), { reportAt: null, readAt: minutes(-1) }, nowMs)).toBe(false);
    expect(isLate(minutes(-11), { reportAt: ahead, readAt: null }, nowMs)).toBe(false);
  });
});

describe('of several pushed records of one computer', () => {
  const pushed = (text: string, reportAt: Date | null): PushedRow => ({
    ...{ tenantId: 't', instanceId: 'i', jamfComputerId: 1, traceparent: null },
    ...{ text, reportAt, count: 1, readToo: false },
  });
  /** The two in either order. */
  const kept = (one: Date | null, other: Date | null) => [
    newerPushed(pushed('one', one), pushed('other', other), nowMs),
    newerPushed(pushed('other', other), pushed('one', one), nowMs),
  ];

  it('the newest is kept, in whatever order they come, and all are counted', () => {
    const both = { text: 'other', count: 2, readToo: false };
    expect(kept(minutes(-10), minutes(-9))).toMatchObject([both, both]);
    expect(kept(ahead, minutes(60 * 24 * 366))).toMatchObject([both, both]);
  });

  it('one with a date is kept before one without, and the instance is asked too', () => {
    const dated = { text: 'other', count: 2, readToo: true };
    expect(kept(null, minutes(-9))).toMatchObject([dated, dated]);
    expect(kept(ahead, minutes(-9))).toMatchObject([dated, dated]);
  });
});
