import { describe, expect, it } from 'vitest';
import { createFairShare } from './fair-share.ts';
import { createLapsingShare } from './lapsing-share.ts';
import { type Place, takePlace } from './place.ts';

describe('the place of a request', () => {
  // A tenant may hold 200 bytes and 4 requests, an instance half of that.
  const shares = () => ({
    requests: createFairShare({ inAll: 16, what: 'requests', part: 'instance' }),
    bodies: createFairShare({ inAll: 800, what: 'large bodies', part: 'instance' }),
  });
  const berlin = { tenantId: 'a', instanceId: 'berlin' };
  const heldBy = ({ bodies, requests }: ReturnType<typeof shares>) => [
    requests.partOf('a', 'berlin').held,
    bodies.partOf('a', 'berlin').held,
    bodies.partOf('a', 'berlin').tenant.held,
  ];
  const had = (place: ReturnType<typeof takePlace>): Place => {
    if (!('leave' in place)) throw new Error(place.slug);
    return place;
  };

  it('grows to what its body is seen to hold, never shrinks, and is given back whole', () => {
    const all = shares();
    const place = had(takePlace(all, berlin, 10));
    for (const [bytes, held] of [
      [5, 10],
      [60, 60],
      [30, 60],
      [61, 61],
      [100, 100],
    ] as const) {
      place.hold(bytes);
      expect(heldBy(all)).toEqual([1, held, held]);
    }
    place.leave();
    expect(heldBy(all)).toEqual([0, 0, 0]);
  });

  it('that grew is given back whole on Workers, too', () => {
    const of = (inAll: number) =>
      createLapsingShare({ inAll, what: 'bytes', part: 'instance', longestMs: 120_000, now: () => 0 });
    const all = { requests: of(16), bodies: of(800) };
    const place = had(takePlace(all, berlin, 10));
    place.hold(60);
    place.hold(61);
    expect(heldBy(all)).toEqual([1, 61, 61]);
    place.leave();
    expect(heldBy(all)).toEqual([0, 0, 0]);
  });

  it('that cannot grow keeps what it holds until it is left', () => {
    const all = shares();
    const [first, second] = [had(takePlace(all, berlin, 40)), had(takePlace(all, berlin, 0))];
    second.hold(60);
    expect(() => first.hold(41)).toThrow('Too many large bodies of this instance are under way.');
    expect(heldBy(all)).toEqual([2, 100, 100]);
    first.leave();
    expect(heldBy(all)).toEqual([1, 60, 60]);
    second.hold(100);
    second.leave();
    expect(heldBy(all)).toEqual([0, 0, 0]);
  });

  it('is refused without holding anything', () => {
    const all = shares();
    expect(takePlace(all, berlin, 101)).toMatchObject({ slug: 'rate-limited' });
    expect(heldBy(all)).toEqual([0, 0, 0]);
    const places = [takePlace(all, berlin, 1), takePlace(all, berlin, 1)].map(had);
    expect(takePlace(all, berlin, 1)).toMatchObject({ slug: 'rate-limited' });
    expect(heldBy(all)).toEqual([2, 2, 2]);
    expect(takePlace(all, { tenantId: 'b', instanceId: 'boston' }, 100)).toHaveProperty('leave');
    for (const place of places) place.leave();
    expect(heldBy(all)).toEqual([0, 0, 0]);
  });
});
