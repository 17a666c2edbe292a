import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChurningMap, ChurningSet } from './churn.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void;

const memberBytes = 8_000;

/** Megabytes that are held after 4,000 members have come and gone, although young collections saw each of them go. */
function heldMegabytes(members: { add(member: object): unknown; delete(member: object): unknown }): number {
  const underWay: object[] = [];
  collect({ type: 'major' });
  const before = process.memoryUsage().heapUsed;
  for (let turn = 0; turn < 4_000; turn += 1) {
    const member = { values: new Array(memberBytes / 8).fill(turn) };
    members.add(member);
    underWay.push(member);
    const [leaves] = underWay.length > 4 ? underWay.splice(0, 1) : [];
    if (leaves) members.delete(leaves);
    if (turn % 50 === 0) collect({ type: 'minor' });
  }
  return (process.memoryUsage().heapUsed - before) / 1_000_000;
}

describe('a churning map', () => {
  it('does what a map does', () => {
    const step = fc.tuple(
      fc.constantFrom('set', 'delete', 'get'),
      fc.integer({ min: 0, max: 9 }),
      fc.integer(),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const [churning, plain] = [new ChurningMap<number, number>(), new Map<number, number>()];
        for (const [what, key, value] of steps) {
          if (what === 'set') {
            churning.set(key, value);
            plain.set(key, value);
          } else if (what === 'delete') expect(churning.delete(key)).toBe(plain.delete(key));
          else expect([churning.get(key), churning.has(key)]).toEqual([plain.get(key), plain.has(key)]);
        }
        expect([churning.size, ...churning]).toEqual([plain.size, ...plain]);
      }),
    );
  });

  it('gives those that are added while it is iterated, and not those that are deleted', () => {
    const map = new ChurningMap<number, string>();
    for (let key = 0; key < 200; key += 1) map.set(key, 'first');
    const seen: number[] = [];
    for (const [key] of map) {
      seen.push(key);
      map.delete(key);
      if (key < 200) map.set(key + 200, 'second');
      map.delete(key + 1);
    }
    expect([seen.slice(0, 3), seen.length, map.size]).toEqual([[0, 2, 4], 200, 0]);
  });

  it('says who came first', () => {
    const set = new ChurningSet<string>();
    expect(set.first).toBeUndefined();
    for (const name of ['a', 'b']) set.add(name);
    set.delete('a');
    expect([set.first, set.size, set.has('a'), [...set]]).toEqual(['b', 1, false, ['b']]);
  });
});

describe('young collections', () => {
  it('free what has left a churning set, which a plain set holds', () => {
    expect(heldMegabytes(new ChurningSet<object>())).toBeLessThan(5);
    // V8's own doing. Should this fall to nothing one day, `churn.ts` has no reason any more.
    expect(heldMegabytes(new Set<object>())).toBeGreaterThan(10);
  });
});
