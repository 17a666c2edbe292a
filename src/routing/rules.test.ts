import { describe, expect, it } from 'vitest';
import { type Claim, chooseClaim, wouldChange } from './rules.ts';

const claim = (
  instanceId: string,
  enrolled: string | null,
  checkIn: string | null = null,
  jamfComputerId = 1,
): Claim => ({
  instanceId,
  jamfComputerId,
  lastEnrolledAt: enrolled === null ? null : new Date(enrolled),
  lastCheckInAt: checkIn === null ? null : new Date(checkIn),
  serialNumber: null,
  udid: null,
});

describe('route rules', () => {
  it('nobody claims: no route', () => {
    expect(chooseClaim([])).toBeUndefined();
    expect(wouldChange(false, undefined)).toHaveLength(1);
  });

  it('the only claim wins', () => {
    expect(chooseClaim([claim('a', null)])).toMatchObject({ rule: 'only-claim', others: [] });
  });

  it('the newest enrolment wins over a newer check-in', () => {
    const choice = chooseClaim([
      claim('a', '2026-01-01', '2026-12-01'),
      claim('b', '2026-02-01', '2026-02-01'),
    ]);
    expect(choice).toMatchObject({ claim: { instanceId: 'b' }, rule: 'newest-enrolment' });
    expect(choice?.others.map((other) => other.instanceId)).toEqual(['a']);
  });

  it('a tie goes to the newest check-in, then to the lower id, in whatever order claims come', () => {
    const [a, b] = [claim('a', '2026-01-01', '2026-01-02'), claim('b', '2026-01-01', '2026-01-03')];
    for (const claims of [
      [a, b],
      [b, a],
    ])
      expect(chooseClaim(claims)).toMatchObject({ claim: b, rule: 'newest-check-in' });
    const c = claim('c', '2026-01-01', '2026-01-03');
    for (const claims of [
      [c, b],
      [b, c],
    ])
      expect(chooseClaim(claims)).toMatchObject({ claim: b, rule: 'lowest-id' });
  });

  it('an unknown date is older than any', () => {
    expect(chooseClaim([claim('a', null), claim('b', '2001-01-01')])?.claim.instanceId).toBe('b');
  });
});
