import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGroupCommit } from './group-commit.ts';

const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe('writes that come together', () => {
  it('go alone when they are alone, and together when another is under way', async () => {
    const groups: number[][] = [];
    const barriers: (() => void)[] = [];
    const commit = createGroupCommit({
      flush: async (items: readonly number[]) => {
        groups.push([...items]);
        await new Promise<void>((resolve) => barriers.push(resolve));
        return items;
      },
      maxItems: 10,
      flushes: 1,
    });
    const first = commit(1);
    await Promise.resolve();
    const others = [commit(2), commit(3)];
    barriers.shift()?.();
    await first;
    await Promise.resolve();
    barriers.shift()?.();
    expect(await Promise.all(others)).toEqual([2, 3]);
    expect(groups).toEqual([[1], [2, 3]]);
  });

  it('all settle, in groups of bounded weight, in order, at most so many at the same time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ weight: fc.integer({ min: 1, max: 8 }), later: fc.boolean() }), {
          maxLength: 60,
        }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 3 }),
        async (asked, maxItems, flushes) => {
          const begun: number[] = [];
          let running = 0;
          const commit = createGroupCommit({
            flush: async (items: readonly { id: number; weight: number }[]) => {
              running += 1;
              expect(running).toBeLessThanOrEqual(flushes);
              const weight = items.reduce((sum, item) => sum + item.weight, 0);
              expect(items.length === 1 || weight <= maxItems).toBe(true);
              begun.push(...items.map(({ id }) => id));
              await new Promise((resolve) => setImmediate(resolve));
              running -= 1;
              return items.map(({ id }) => `done ${id}`);
            },
            maxItems,
            flushes,
            weight: ({ weight }) => weight,
          });
          const results: Promise<string>[] = [];
          for (const [id, { later, weight }] of asked.entries()) {
            if (later) await new Promise((resolve) => setImmediate(resolve));
            results.push(commit({ id, weight }));
          }
          expect(await Promise.all(results)).toEqual(asked.map((_, id) => `done ${id}`));
          expect(begun).toEqual(asked.map((_, id) => id));
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('a write that fails', () => {
  const commitWith = (fails: (items: readonly number[]) => Error | undefined, flushed: number[][] = []) =>
    createGroupCommit({
      flush: async (items: readonly number[]) => {
        flushed.push([...items]);
        const error = fails(items);
        if (error) throw error;
        return items;
      },
      maxItems: 10,
      flushes: 1,
    });
  const outcomes = async (writes: readonly Promise<number>[]) =>
    (await Promise.allSettled(writes)).map((one) =>
      one.status === 'fulfilled' ? one.value : one.reason.code,
    );

  it('fails alone when it is at fault', async () => {
    const commit = commitWith((items) => (items.includes(2) ? failure('22P02') : undefined));
    expect(await outcomes([commit(1), commit(2), commit(3)])).toEqual([1, '22P02', 3]);
  });

  it('fails with all the others when the database is away, which is not asked for each', async () => {
    const flushed: number[][] = [];
    const commit = commitWith(() => failure('ECONNREFUSED'), flushed);
    expect(await outcomes([commit(1), commit(2), commit(3)])).toEqual(Array(3).fill('ECONNREFUSED'));
    expect(flushed).toEqual([[1, 2, 3]]);
  });

  it('does not keep those who come after it', async () => {
    let away = true;
    const commit = commitWith(() => (away ? failure('57P01') : undefined));
    expect(await outcomes([commit(1)])).toEqual(['57P01']);
    away = false;
    expect(await outcomes([commit(2)])).toEqual([2]);
  });

  it('fails when the flush throws before it has a promise', async () => {
    const commit = createGroupCommit<number, number>({
      flush: () => {
        throw failure('22P02');
      },
      maxItems: 10,
      flushes: 1,
    });
    expect(await outcomes([commit(1), commit(2)])).toEqual(['22P02', '22P02']);
  });
});

describe('writes of a tenant whose rows are locked', () => {
  const tenantOf = (item: string): string => item.charAt(0);
  const commitWith = (isLocked: () => boolean, groups: string[][] = []) =>
    createGroupCommit<string, string>({
      flush: async (items, lockWaitMs) => {
        groups.push([...items]);
        expect(lockWaitMs).toBeGreaterThan(0);
        if (isLocked() && items.some((item) => tenantOf(item) === 'a')) throw failure('55P03');
        if (items.some((item) => item.endsWith('!'))) throw failure('22P02');
        return items.map((item) => item.toUpperCase());
      },
      maxItems: 10,
      flushes: 1,
      tenantOf,
    });

  it('wait apart, also behind one that is at fault, and go in their order when the rows are free', async () => {
    let isLocked = true;
    const groups: string[][] = [];
    const commit = commitWith(() => isLocked, groups);
    const own = ['a1', 'a2'].map(commit);
    expect(await Promise.all(['b1', 'c1'].map(commit))).toEqual(['B1', 'C1']);
    own.push(commit('a3'));
    await expect(commit('b!')).rejects.toMatchObject({ code: '22P02' });
    expect(await commit('b2')).toBe('B2');
    isLocked = false;
    expect(await Promise.all(own)).toEqual(['A1', 'A2', 'A3']);
    expect(groups.at(-1)).toEqual(['a1', 'a2', 'a3']);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await Promise.all(['a4', 'b3'].map(commit))).toEqual(['A4', 'B3']);
    expect(groups.at(-1)).toEqual(['a4', 'b3']);
  });

  it('a tenant on its own is tried again too', async () => {
    const groups: string[][] = [];
    const commit = commitWith(() => groups.length < 3, groups);
    expect(await commit('a1')).toBe('A1');
    expect(groups).toEqual([['a1'], ['a1'], ['a1']]);
  });
});
