import { describe, expect, it } from 'vitest';
import { type CachePolicy, createRowCache } from './row-cache.ts';

interface Row {
  readonly value: number;
}

function scene(withFeed = true) {
  const state = {
    nowMs: 0,
    silentMs: 0,
    started: true,
    away: false,
    known: false,
    failures: [] as string[],
    reads: 0,
  };
  const rows = new Map<string, Row>([['a', { value: 1 }]]);
  let barrier: Promise<void> = Promise.resolve();
  const policy: CachePolicy = {
    maxAgeMs: 100_000,
    isAway: () => state.known && state.away,
    feed: {
      get started() {
        return state.started;
      },
      silentMs: () => state.silentMs,
    },
  };
  const kept = createRowCache<Row>({
    read: async (key) => {
      state.reads += 1;
      const code = state.failures.shift() ?? (state.away ? 'CONNECTION_CLOSED' : undefined);
      if (code !== undefined) throw Object.assign(new Error('away'), { code });
      const row = rows.get(key);
      await barrier;
      return row;
    },
    maxRows: 10,
    now: () => state.nowMs,
    policy: withFeed ? policy : undefined,
  });
  return {
    kept,
    rows,
    state,
    pass: (ms: number, silent = false) => {
      state.nowMs += ms;
      if (silent) state.silentMs += ms;
    },
    hold: () => {
      const held = Promise.withResolvers<void>();
      barrier = held.promise;
      return held.resolve;
    },
  };
}

async function* pages(...given: (readonly (readonly [string, Row])[])[]) {
  yield* given;
}
const row = (key: string, value: number) => [key, { value }] as const;

describe('rows that are kept', () => {
  it('without a feed for a second', async () => {
    const { kept, pass, state } = scene(false);
    await kept.get('a');
    pass(999);
    expect(await kept.get('a')).toEqual({ value: 1 });
    expect(kept.peek('a')).toEqual({ value: 1 });
    expect(state.reads).toBe(1);
    pass(1);
    expect(kept.peek('a')).toBeUndefined();
    await kept.get('a');
    expect(state.reads).toBe(2);
  });

  it('with a feed until it names them, and for a minute at most', async () => {
    const { kept, pass, rows, state } = scene();
    await kept.get('a');
    rows.set('a', { value: 2 });
    pass(59_999);
    expect(await kept.get('a')).toEqual({ value: 1 });
    kept.forget('a');
    expect(await kept.get('a')).toEqual({ value: 2 });
    pass(60_000);
    await kept.get('a');
    expect(state.reads).toBe(3);
  });

  it('while the database is away what is known serves, for as long as allowed', async () => {
    const { kept, pass, state } = scene();
    await kept.get('a');
    state.away = state.known = true;
    pass(99_999, true);
    expect(kept.peek('a')).toEqual({ value: 1 });
    expect(await kept.get('a')).toEqual({ value: 1 });
    await expect(kept.get('b')).rejects.toThrow('away');
    pass(1, true);
    expect(kept.peek('a')).toBeUndefined();
    await expect(kept.get('a')).rejects.toThrow('away');
  });

  it('for a minute at most also where the feed says nothing and the database answers', async () => {
    const { kept, pass, rows, state } = scene();
    await kept.get('a');
    rows.set('a', { value: 2 });
    pass(59_999, true);
    expect(kept.peek('a')).toEqual({ value: 1 });
    pass(1, true);
    expect(kept.peek('a')).toBeUndefined();
    expect(await kept.get('a')).toEqual({ value: 2 });
    pass(60_000, true);
    state.failures = ['57014'];
    expect(await kept.get('a')).toEqual({ value: 2 });
  });

  it('a known row serves on when its renewal fails, also when it was named meanwhile', async () => {
    const { kept, pass, state } = scene();
    await kept.get('a');
    pass(60_000);
    state.away = true;
    expect(await kept.get('a')).toEqual({ value: 1 });
    const answer = kept.get('a');
    kept.forget('a');
    expect(await answer).toEqual({ value: 1 });
  });

  it('a row that was named just before the database went away serves as it was last read', async () => {
    const { kept, pass, rows, state } = scene();
    await kept.get('a');
    rows.set('a', { value: 2 });
    state.away = true;
    kept.forget('a');
    // The database has not been asked yet, so nobody is answered with the row as it was before.
    expect(kept.peek('a')).toBeUndefined();
    expect(await kept.get('a')).toEqual({ value: 1 });
    state.known = true;
    expect(kept.peek('a')).toEqual({ value: 1 });
    expect(await kept.get('a')).toEqual({ value: 1 });
    pass(99_999, true);
    expect(await kept.get('a')).toEqual({ value: 1 });
    pass(1, true);
    expect(kept.peek('a')).toBeUndefined();
    await expect(kept.get('a')).rejects.toThrow('away');
    Object.assign(state, { away: false, known: false, silentMs: 0 });
    expect(kept.peek('a')).toBeUndefined();
    expect(await kept.get('a')).toEqual({ value: 2 });
    expect(kept.peek('a')).toEqual({ value: 2 });
  });

  it('when everything was forgotten because changes were missed, what was last read serves an outage', async () => {
    const { kept, state } = scene();
    await kept.get('a');
    state.away = true;
    kept.forgetAll();
    expect(await kept.get('a')).toEqual({ value: 1 });
    state.known = true;
    expect(kept.peek('a')).toEqual({ value: 1 });
    await expect(kept.fresh('a')).rejects.toThrow('away');
  });

  it('a change counts at once while the database answers: the row is read before anybody asks, and after it', async () => {
    const { kept, rows, state } = scene();
    await kept.get('a');
    rows.set('a', { value: 2 });
    kept.forget('a');
    expect(kept.peek('a')).toBeUndefined();
    await new Promise((resolve) => setImmediate(resolve));
    expect(kept.peek('a')).toEqual({ value: 2 });
    expect(state.reads).toBe(2);
    rows.delete('a');
    kept.forget('a');
    expect(await kept.get('a')).toBeUndefined();
    state.away = state.known = true;
    expect(await kept.get('a')).toBeUndefined();
  });

  it('a change counts also when the database refuses the read, or one connection was lost', async () => {
    const { kept, pass, rows, state } = scene();
    await kept.get('a');
    rows.set('a', { value: 2 });
    state.failures = ['55P03', '55P03'];
    kept.forget('a');
    await expect(kept.get('a')).rejects.toThrow('away');
    await expect(kept.get('a')).rejects.toThrow('away');
    state.failures = ['CONNECTION_CLOSED'];
    expect(await kept.get('a')).toEqual({ value: 2 });
    // Nothing says that it changed: then a refused renewal does no harm.
    pass(60_000);
    state.failures = ['55P03'];
    expect(await kept.get('a')).toEqual({ value: 2 });
  });

  it('a row that is named while it is read is read again', async () => {
    const { hold, kept, rows, state } = scene();
    const letGo = hold();
    const answer = kept.get('a');
    await Promise.resolve();
    rows.set('a', { value: 2 });
    kept.forget('a');
    letGo();
    expect(await answer).toEqual({ value: 2 });
    expect(state.reads).toBe(2);
  });

  it('what is not there is asked for again after a second, or when it is named', async () => {
    const { kept, pass, rows, state } = scene();
    expect(await kept.get('b')).toBeUndefined();
    expect(await kept.get('b')).toBeUndefined();
    expect(state.reads).toBe(1);
    rows.set('b', { value: 3 });
    kept.forget('b');
    expect(await kept.get('b')).toEqual({ value: 3 });
    await kept.get('c');
    pass(1_000);
    await kept.get('c');
    expect(state.reads).toBe(4);
  });

  it('fresh is as the database has it now, also beside a read under way', async () => {
    const { hold, kept, rows } = scene();
    await kept.get('a');
    rows.set('a', { value: 2 });
    expect(await kept.fresh('a')).toEqual({ value: 2 });
    const letGo = hold();
    kept.forgetAll();
    const early = kept.get('a');
    await Promise.resolve();
    rows.set('a', { value: 3 });
    const late = kept.fresh('a');
    letGo();
    expect(await late).toEqual({ value: 3 });
    expect(await early).toEqual({ value: 3 });
  });
});

describe('rows that are read beforehand', () => {
  it('serve without a look at the database, and those that are named later are read by themselves', async () => {
    const { kept, rows, state } = scene();
    await kept.preload(pages([row('a', 1)], [row('b', 2)]));
    expect([kept.peek('a'), kept.peek('b'), state.reads]).toEqual([{ value: 1 }, { value: 2 }, 0]);
    rows.set('c', { value: 3 });
    kept.forget('c');
    rows.delete('a');
    kept.forget('a');
    await new Promise(setImmediate);
    expect(kept.known()).toEqual([{ value: 3 }, { value: 2 }]);
    expect(state.reads).toBe(2);
  });

  it('are left out where a change was heard of meanwhile: they may have been read before it', async () => {
    const { kept, rows, state } = scene();
    async function* slow() {
      yield [row('a', 1)];
      rows.set('b', { value: 2 });
      kept.forget('b');
      await new Promise(setImmediate);
      yield [row('b', 1)];
      kept.forgetAll();
      yield [row('c', 1)];
    }
    await kept.preload(slow());
    expect(kept.peek('c')).toBeUndefined();
    expect(await kept.get('b')).toEqual({ value: 2 });
    expect(state.reads).toBe(2);
  });

  it('never push out what is in use', async () => {
    const { kept } = scene();
    await kept.get('a');
    await kept.preload(pages(Array.from({ length: 20 }, (_, index) => row(`more ${index}`, index))));
    expect(kept.known()).toHaveLength(10);
    expect(kept.peek('a')).toEqual({ value: 1 });
  });

  it('are not told of once a change could not be read for ten seconds', async () => {
    const { kept, pass, rows, state } = scene();
    await kept.get('a');
    const before = kept.revision;
    rows.delete('a');
    state.failures = ['55P03'];
    kept.forget('a');
    await new Promise(setImmediate);
    expect(kept.known()).toEqual([{ value: 1 }]);
    pass(10_000);
    state.failures = ['55P03'];
    expect(kept.known()).toEqual([]);
    await new Promise(setImmediate);
    expect(kept.known()).toEqual([]);
    await new Promise(setImmediate);
    expect(kept.revision).toBeGreaterThan(before);
  });

  it('are of another revision, and as old as the change, while one of them could not be read', async () => {
    const { kept, pass, state } = scene();
    await kept.get('a');
    expect(kept.unreadForMs()).toBe(0);
    expect(kept.revision).toBe(kept.revision);
    state.failures = ['55P03'];
    kept.forget('a');
    await new Promise(setImmediate);
    pass(9_999);
    expect(kept.unreadForMs()).toBe(9_999);
    const before = kept.revision;
    pass(1);
    expect(kept.unreadForMs(), 'it is not told of any more').toBe(0);
    expect(kept.revision).not.toBe(before);
    await kept.fresh('a');
    expect(kept.revision).toBe(kept.revision);
  });
});

describe('rows that an earlier process left', () => {
  it('serve while the database is away, as long as they are not too old', () => {
    const { kept, pass, state } = scene();
    Object.assign(state, { away: true, known: true, silentMs: 60_000 });
    kept.restore([['a', { value: 7 }]], 60_000);
    expect(kept.peek('a')).toEqual({ value: 7 });
    pass(39_999, true);
    expect(kept.peek('a')).toEqual({ value: 7 });
    pass(1, true);
    expect(kept.peek('a')).toBeUndefined();
  });

  it.each([60_000, 2_000])('are read anew once the database can be asked (%i ms old)', async (ageMs) => {
    const { kept, state } = scene();
    state.silentMs = ageMs;
    kept.restore([['a', { value: 7 }]], ageMs);
    expect(kept.peek('a')).toBeUndefined();
    expect(await kept.get('a')).toEqual({ value: 1 });
  });

  it('are no more once all rows were read and they are not among them', async () => {
    const { kept, state } = scene();
    kept.restore(
      [
        ['a', { value: 7 }],
        ['deleted', { value: 8 }],
      ],
      2_000,
    );
    await kept.preload(pages([row('a', 1)]));
    await new Promise(setImmediate);
    expect(kept.known()).toEqual([{ value: 1 }]);
    Object.assign(state, { away: true, known: true });
    expect(kept.peek('deleted')).toBeUndefined();
  });
});
