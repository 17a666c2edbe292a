import { describe, expect, it } from 'vitest';
import { createKeptRows, type Keeping } from './kept-rows.ts';

interface Row {
  readonly value: number;
}

function scene(withFeed = true) {
  const state = { nowMs: 0, silentMs: 0, started: true, away: false, reads: 0 };
  const rows = new Map<string, Row>([['a', { value: 1 }]]);
  let gate: Promise<void> = Promise.resolve();
  const keeping: Keeping = {
    maxAgeMs: 100_000,
    feed: {
      get started() {
        return state.started;
      },
      silentMs: () => state.silentMs,
      alive: () => state.silentMs < 2_000,
    },
  };
  const kept = createKeptRows<Row>({
    read: async (key) => {
      state.reads += 1;
      if (state.away) throw Object.assign(new Error('away'), { code: 'CONNECTION_CLOSED' });
      const row = rows.get(key);
      await gate;
      return row;
    },
    most: 10,
    now: () => state.nowMs,
    keeping: withFeed ? keeping : undefined,
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
      gate = held.promise;
      return held.resolve;
    },
  };
}

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
    state.away = true;
    pass(99_999, true);
    expect(kept.peek('a')).toEqual({ value: 1 });
    expect(await kept.get('a')).toEqual({ value: 1 });
    await expect(kept.get('b')).rejects.toThrow('away');
    pass(1, true);
    expect(kept.peek('a')).toBeUndefined();
    await expect(kept.get('a')).rejects.toThrow('away');
  });

  it('a known row serves on when its renewal fails, but not when it was named meanwhile', async () => {
    const { kept, pass, state } = scene();
    await kept.get('a');
    pass(60_000);
    state.away = true;
    expect(await kept.get('a')).toEqual({ value: 1 });
    const answer = kept.get('a');
    kept.forget('a');
    await expect(answer).rejects.toThrow('away');
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
