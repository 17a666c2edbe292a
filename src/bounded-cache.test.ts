import { LRUCache } from 'lru-cache';
import { expect, it } from 'vitest';
import { createBoundedCache } from './bounded-cache.ts';

it('keeps the entries that were used last', () => {
  const cache = createBoundedCache<string, number>(3);
  for (const [value, key] of ['a', 'b', 'c'].entries()) cache.set(key, value);
  expect(cache.get('a')).toBe(0);
  cache.set('d', 3);
  expect([...cache.keys()].sort()).toEqual(['a', 'c', 'd']);
  cache.set('d', 4);
  cache.delete('c');
  cache.set('e', 5);
  expect([...cache.entries()].sort()).toEqual([
    ['a', 0],
    ['d', 4],
    ['e', 5],
  ]);
});

it('forgets after its time', async () => {
  const cache = createBoundedCache<string, number>(3, 1);
  cache.set('a', 1);
  await expect.poll(() => cache.get('a')).toBeUndefined();
});

it('takes no memory for what it does not hold', () => {
  const bytesOf = (make: () => unknown): number => {
    const before = process.memoryUsage().arrayBuffers;
    const made = Array.from({ length: 20 }, make);
    const after = process.memoryUsage().arrayBuffers;
    expect(made).toHaveLength(20);
    return after - before;
  };
  expect(bytesOf(() => new LRUCache({ max: 100_000 }))).toBeGreaterThan(20_000_000);
  expect(bytesOf(() => createBoundedCache(100_000))).toBeLessThan(1_000_000);
});
