import { describe, expect, it } from 'vitest';
import type { Claim, KnownClaim } from '../store/claims/claim.ts';
import { chooseClaim, decideRoute, type Standing } from './rules.ts';

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

const known = (one: Claim, more: Partial<KnownClaim> = {}): KnownClaim => ({
  ...one,
  enabled: true,
  stale: false,
  ...more,
});
const at = (instanceId: string, more: Partial<Standing> = {}): Standing => ({
  instanceId,
  jamfComputerId: 1,
  pinned: false,
  placedAt: null,
  ...more,
});
const older = claim('a', '2026-01-01');
const newer = claim('b', '2026-02-01');

describe('what becomes of a route', () => {
  it('the same claims again change nothing; a newer enrolment moves it, an older one does not', () => {
    expect(decideRoute(at('a'), [known(older)])).toEqual({ kind: 'keep' });
    expect(decideRoute(at('a'), [known(older), known(newer)])).toMatchObject({
      kind: 'route',
      claim: newer,
      rule: 'newest-enrolment',
    });
    expect(decideRoute(at('b'), [known(older), known(newer)])).toEqual({ kind: 'keep' });
  });

  it('a pin stays whatever is claimed or withdrawn', () => {
    expect(decideRoute(at('a', { pinned: true }), [known(newer)], true)).toEqual({ kind: 'keep' });
  });

  it('a placement holds against what was known, until the Mac enrols elsewhere after it', () => {
    const placed = at('a', { placedAt: new Date('2026-03-01') });
    expect(decideRoute(placed, [known(older), known(newer)])).toEqual({ kind: 'keep' });
    expect(decideRoute(placed, [known(newer)])).toEqual({ kind: 'keep' });
    const later = claim('b', '2026-03-02');
    expect(decideRoute(placed, [known(older), known(later)])).toMatchObject({ kind: 'route', claim: later });
  });

  it('a placement ends when its computer withdraws, rests or is retired', () => {
    const placed = at('a', { placedAt: new Date('2026-03-01') });
    expect(decideRoute(placed, [known(newer)], true)).toMatchObject({ kind: 'route', claim: newer });
    for (const more of [{ enabled: false }, { stale: true }]) {
      expect(decideRoute(placed, [known(older, more), known(newer)])).toMatchObject({
        kind: 'route',
        claim: newer,
      });
    }
  });

  it('a disabled instance keeps a device that nobody else claims; a retired registration keeps none', () => {
    expect(decideRoute(at('a'), [known(older, { enabled: false })])).toEqual({ kind: 'keep' });
    expect(decideRoute(at('a'), [known(older, { stale: true })])).toEqual({ kind: 'end', rule: 'retired' });
    expect(decideRoute(at('a'), [])).toEqual({ kind: 'end', rule: 'no-claim' });
  });
});
