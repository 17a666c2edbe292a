import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharedLockWaitMs } from '../limits.ts';
import { createSemaphore } from '../semaphore.ts';
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

describe('writes of several tenants', () => {
  type Write = { readonly tenant: string; readonly nth: number; readonly weight: number };
  /** Each group waits for `next`, so that what is asked meanwhile waits behind it. */
  const commitWith = (maxItems: number) => {
    const groups: Write[][] = [];
    const under: (() => void)[] = [];
    const commit = createGroupCommit<Write, undefined>({
      flush: async (writes) => {
        groups.push([...writes]);
        await new Promise<void>((resolve) => under.push(resolve));
        return writes.map(() => undefined);
      },
      maxItems,
      flushes: 1,
      weight: ({ weight }) => weight,
      tenantOf: ({ tenant }) => tenant,
    });
    const next = async () => {
      under.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { commit, groups, next };
  };
  const named = (groups: readonly (readonly Write[])[]) =>
    groups.map((group) => group.map(({ nth, tenant }) => `${tenant}${nth}`).join(' '));

  it('do not wait behind all of a neighbour’s: whoever waits for longest is in the next group', async () => {
    const { commit, groups, next } = commitWith(10);
    const a = Array.from({ length: 100 }, (_, nth) => commit({ tenant: 'a', nth, weight: 25 }));
    await next();
    const b = [0, 1].map((nth) => commit({ tenant: 'b', nth, weight: 1 }));
    for (let group = 0; group < 3; group += 1) await next();
    expect(named(groups)).toEqual(['a0', 'a1', 'b0 b1', 'a2']);
    await Promise.all(b);
    for (let group = 0; group < 100; group += 1) await next();
    await Promise.all(a);
  });

  it('have equal shares of a group by weight, and what one leaves the others have', async () => {
    const { commit, groups, next } = commitWith(12);
    const all = [commit({ tenant: 'x', nth: 0, weight: 1 })];
    await Promise.resolve();
    for (let nth = 0; nth < 30; nth += 1) all.push(commit({ tenant: 'a', nth, weight: 1 }));
    for (let nth = 0; nth < 2; nth += 1) all.push(commit({ tenant: 'b', nth, weight: 4 }));
    all.push(commit({ tenant: 'c', nth: 0, weight: 1 }));
    for (let group = 0; group < 6; group += 1) await next();
    expect(named(groups)).toEqual([
      'x0',
      'a0 a1 a2 a3 b0 c0 a4 a5 a6',
      'b1 a7 a8 a9 a10 a11 a12 a13 a14',
      'a15 a16 a17 a18 a19 a20 a21 a22 a23 a24 a25 a26',
      'a27 a28 a29',
    ]);
    await Promise.all(all);
  });

  it('keep the order of each, and none waits for more groups than there are tenants before it', async () => {
    const write = fc.record({
      tenant: fc.constantFrom('a', 'b', 'c', 'd'),
      weight: fc.integer({ min: 1, max: 12 }),
      groupsBefore: fc.integer({ min: 0, max: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(write, { maxLength: 60 }),
        fc.integer({ min: 1, max: 10 }),
        async (asked, maxItems) => {
          const { commit, groups, next } = commitWith(maxItems);
          const results: Promise<undefined>[] = [];
          for (const [nth, { groupsBefore, tenant, weight }] of asked.entries()) {
            if (groupsBefore > 0) await next();
            results.push(commit({ tenant, nth, weight }));
          }
          const before = groups.length;
          for (let group = 0; group <= asked.length; group += 1) await next();
          await Promise.all(results);
          const written = groups.flat();
          expect(written).toHaveLength(asked.length);
          for (const tenant of ['a', 'b', 'c', 'd']) {
            const own = written.filter((one) => one.tenant === tenant).map(({ nth }) => nth);
            expect(own).toEqual([...own].sort((a, b) => a - b));
          }
          for (const group of groups) {
            const weight = group.reduce((sum, one) => sum + one.weight, 0);
            expect(group.length === 1 || weight <= maxItems).toBe(true);
          }
          // All had come by then: each tenant that waits is in one of the next groups, as many as there are such tenants.
          for (let at = before; at < groups.length; at += 1) {
            const left = new Set(groups.slice(at).flatMap((group) => group.map(({ tenant }) => tenant)));
            const soon = new Set(
              groups.slice(at, at + left.size).flatMap((group) => group.map(({ tenant }) => tenant)),
            );
            expect(soon).toEqual(left);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('of which one is at fault: the others are written together, each tenant’s', async () => {
    const groups: string[][] = [];
    const commit = createGroupCommit<string, string>({
      flush: async (items) => {
        groups.push([...items]);
        if (items.some((item) => item.endsWith('!'))) throw failure('22P02');
        return items;
      },
      maxItems: 10,
      flushes: 1,
      tenantOf: (item) => item.charAt(0),
    });
    const outcomes = await Promise.allSettled(['a1', 'b1', 'b2!', 'b3', 'a2', 'a3'].map(commit));
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([
      true,
      true,
      false,
      true,
      true,
      true,
    ]);
    expect(groups.map((group) => group.join(' '))).toEqual([
      'a1 a2 a3 b1 b2! b3',
      'a1 a2 a3',
      'b1 b2! b3',
      'b1',
      'b2!',
      'b3',
    ]);
  });
});

describe('group commits that share connections', () => {
  it('have no more statements under way together, and those of locked tenants have their own', async () => {
    const under = { shared: 0, apart: 0, most: 0, mostApart: 0 };
    let isLocked = true;
    const connections = { shared: createSemaphore(2), apart: createSemaphore(1) };
    const commits = [0, 1, 2].map(() =>
      createGroupCommit<string, undefined>({
        flush: async (items, lockWaitMs) => {
          const kind = lockWaitMs === sharedLockWaitMs ? 'shared' : 'apart';
          under[kind] += 1;
          under.most = Math.max(under.most, under.shared);
          under.mostApart = Math.max(under.mostApart, under.apart);
          await new Promise((resolve) => setImmediate(resolve));
          under[kind] -= 1;
          if (isLocked && items.some((item) => item.startsWith('locked'))) throw failure('55P03');
          return items.map(() => undefined);
        },
        maxItems: 1,
        flushes: 3,
        tenantOf: (item) => item,
        connections,
      }),
    );
    const locked = commits.map((commit, nth) => commit(`locked ${nth}`));
    const others = Array.from({ length: 20 }, (_, nth) => commits.map((commit) => commit(`${nth}`)));
    await Promise.all(others.flat());
    isLocked = false;
    await Promise.all(locked);
    expect([under.most, under.mostApart]).toEqual([2, 1]);
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
