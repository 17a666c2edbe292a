import { describe, expect, it } from 'vitest';
import { isLate, newerPushed, type PushedRow, standsAfter } from './revisions.ts';

const nowMs = Date.UTC(2026, 0, 10);
const minutes = (count: number): Date => new Date(nowMs + count * 60_000);
/** Further ahead than any clock that is trusted. */
const ahead = minutes(60 * 24 * 365);

describe('a record that was read', () => {
  it('is late when a newer state of the computer is known', () => {
    const known = { reportAt: minutes(-10) };
    expect(isLate(minutes(-11), known, nowMs)).toBe(true);
    expect(isLate(minutes(-10), known, nowMs)).toBe(false);
    expect(isLate(minutes(-9), known, nowMs)).toBe(false);
  });

  it('is never late where either has no date that can be trusted', () => {
    expect(isLate(null, { reportAt: minutes(-10) }, nowMs)).toBe(false);
    expect(isLate(minutes(-11), { reportAt: null }, nowMs)).toBe(false);
    expect(isLate(minutes(-11), { reportAt: ahead }, nowMs)).toBe(false);
  });
});

describe('a pushed record that waits', () => {
  it('stands after nothing, and after an older date; after a state whose date tells nothing only by the same clock', () => {
    const known = { reportAt: null, readAt: null, doneRevision: 0 };
    const takenIn = { ...known, doneRevision: 1 };
    const later = new Date(Number(ahead) + 60_000);
    const cases = [
      [null, known, true],
      [minutes(-1), known, true],
      [minutes(-1), { ...takenIn, reportAt: minutes(-2) }, true],
      [minutes(-1), { ...takenIn, readAt: minutes(0) }, false],
      [null, { ...takenIn, reportAt: minutes(-2) }, false],
      [null, takenIn, false],
      [minutes(-1), takenIn, false],
      [ahead, takenIn, false],
      [minutes(-1), { ...takenIn, reportAt: ahead }, false],
      [later, { ...takenIn, reportAt: ahead }, true],
      [ahead, { ...takenIn, reportAt: later }, false],
    ] as const;
    for (const [pushedAt, state, stands] of cases) expect(standsAfter(pushedAt, state, nowMs)).toBe(stands);
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
