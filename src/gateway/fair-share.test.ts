import { describe, expect, it } from 'vitest';
import { createFairShare } from './fair-share.ts';

const share = () => createFairShare({ inAll: 80, what: 'calls', part: 'application' });

describe('a fair share', () => {
  it('is an eighth for one part of a tenant, and a quarter for a tenant', () => {
    const { partOf, take } = share();
    const taken = (tenant: string, part: string): number => {
      let count = 0;
      while (take(partOf(tenant, part)) === undefined) count += 1;
      return count;
    };
    expect([taken('a', 'one'), taken('a', 'two'), taken('a', 'three')]).toEqual([10, 10, 0]);
    expect(take(partOf('a', 'one'))).toMatchObject({ slug: 'rate-limited' });
    expect(take(partOf('a', 'three'))?.detail).toContain('of this tenant');
    // Another tenant has what it would have had without the first.
    expect([taken('b', 'one'), taken('b', 'two')]).toEqual([10, 10]);
  });

  it('is bounded in all, which is nobody’s fault in particular', () => {
    const { partOf, take } = share();
    for (let nth = 0; nth < 80; nth += 1) expect(take(partOf(`tenant ${nth}`, 'x'))).toBeUndefined();
    expect(take(partOf('late', 'x'))).toMatchObject({ slug: 'overloaded' });
  });

  it('refuses nobody for what all others hold, where it is open', () => {
    const { partOf, take } = createFairShare({ inAll: 80, what: 'calls', part: 'key', isOpen: true });
    for (let nth = 0; nth < 80; nth += 1) expect(take(partOf(`operator ${nth}`, 'x'))).toBeUndefined();
    expect(take(partOf('late', 'x'))).toBeUndefined();
    expect(take(partOf('late', 'x'), 10)).toMatchObject({ slug: 'rate-limited' });
  });

  it('is never less than what one request may take, however many processes divide what there is', () => {
    const { give, partOf, take } = createFairShare({
      inAll: 16,
      least: 10,
      what: 'bodies',
      part: 'instance',
    });
    const part = partOf('a', 'one');
    expect(take(part, 10)).toBeUndefined();
    expect(take(part, 1)).toMatchObject({ slug: 'rate-limited' });
    expect(take(partOf('b', 'one'), 10)).toMatchObject({ slug: 'overloaded' });
    give(part, 10);
    expect(take(partOf('b', 'one'), 10)).toBeUndefined();
    const small = createFairShare({ inAll: 5, least: 10, what: 'bodies', part: 'instance' });
    expect(small.take(small.partOf('a', 'one'), 10)).toBeUndefined();
  });

  it('is crowded from half of it on, for the part, its tenant and all', () => {
    const { give, isCrowded, partOf, take } = share();
    const [part, beside, other] = [partOf('a', 'one'), partOf('a', 'two'), partOf('b', 'one')];
    take(part, 5);
    expect(isCrowded(part)).toBe(false);
    take(part, 1);
    expect([isCrowded(part), isCrowded(beside), isCrowded(other)]).toEqual([true, false, false]);
    take(beside, 5);
    expect([isCrowded(beside), isCrowded(other)]).toEqual([true, false]);
    give(part, 6);
    expect([isCrowded(part), isCrowded(beside)]).toEqual([false, false]);
    for (let nth = 0; nth < 6; nth += 1) take(partOf(`tenant ${nth}`, 'x'), 6);
    expect(isCrowded(other)).toBe(true);
  });

  it('is there again when it is given back, and what was refused took nothing', () => {
    const { give, partOf, take } = share();
    const part = partOf('a', 'one');
    expect(take(part, 8)).toBeUndefined();
    expect(take(part, 3)).toMatchObject({ slug: 'rate-limited' });
    expect([part.held, part.tenant.held]).toEqual([8, 8]);
    give(part, 8);
    expect(take(part, 10)).toBeUndefined();
    expect(partOf('a', 'one')).toBe(part);
  });
});
