import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Sharing } from '../joining.ts';
import { createCredentialLookup, createUseRecorder } from './credentials.ts';

interface Found {
  readonly keyId: string;
}

/** A made-up clock, and a database whose answers are held until `answer`. */
function start({ sharing = 'process', held = true }: { sharing?: Sharing; held?: boolean } = {}) {
  const state = { nowMs: 0, isAway: false };
  const live = new Set(['key', 'other']);
  const asked: string[][] = [];
  const answers: (() => void)[] = [];
  const lookup = createCredentialLookup<Found>({
    sharing,
    now: () => state.nowMs,
    read: async (hashes) => {
      asked.push([...hashes]);
      const found = new Map(hashes.filter((hash) => live.has(hash)).map((hash) => [hash, { keyId: hash }]));
      if (held) await new Promise<void>((resolve) => answers.push(resolve));
      if (state.isAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
      return found;
    },
  });
  const settle = async () => {
    for (let turn = 0; turn < 40; turn += 1) await undefined;
  };
  return {
    ...{ answers, asked, live, lookup, settle, state },
    answer: async () => {
      answers.shift()?.();
      await settle();
    },
    /** What a look finds without the database's answer; 'waits': it needs it. */
    atOnce: async (hash: string) =>
      Promise.race([
        lookup.find(hash).then((found) => found?.keyId ?? 'none'),
        settle().then(() => 'waits' as const),
      ]),
    /** The key is known since 0 ms. */
    know: async (hash: string) => {
      const found = lookup.find(hash);
      await settle();
      answers.shift()?.();
      expect(await found).toEqual({ keyId: hash });
    },
  };
}

describe('a key that is in use', () => {
  it('never waits for the database again while it is asked for every 50 ms, and is asked for twice a second', async () => {
    const { asked, lookup, settle, state } = start({ held: false });
    await lookup.find('key');
    for (let look = 0; look < 200; look += 1) {
      state.nowMs += 50;
      expect(await Promise.race([lookup.find('key'), Promise.resolve('waits')])).not.toBe('waits');
      await settle();
    }
    expect(asked).toHaveLength(1 + 20);
  });

  it('is asked for once, behind the looks that it answers, when half a second has passed', async () => {
    const { asked, atOnce, know, state } = start();
    await know('key');
    state.nowMs = 499;
    expect(await atOnce('key')).toBe('key');
    expect(asked).toHaveLength(1);
    state.nowMs = 500;
    for (let look = 0; look < 20; look += 1) expect(await atOnce('key')).toBe('key');
    expect(asked).toEqual([['key'], ['key']]);
  });

  it('is believed for a second at most, from when the database was asked', async () => {
    const { answer, asked, atOnce, know, state } = start();
    await know('key');
    state.nowMs = 600;
    expect(await atOnce('key')).toBe('key');
    state.nowMs = 1_000;
    expect(await atOnce('key')).toBe('waits');
    state.nowMs = 1_500;
    await answer();
    expect(await atOnce('key')).toBe('key');
    state.nowMs = 1_600;
    expect(await atOnce('key')).toBe('waits');
    expect(asked.length).toBe(3);
  });

  it('opens nothing more as soon as the database has said that it was revoked', async () => {
    const { answer, asked, atOnce, know, live, lookup, state } = start();
    await know('key');
    live.delete('key');
    state.nowMs = 600;
    expect(await atOnce('key')).toBe('key');
    await answer();
    expect(await atOnce('key')).toBe('none');
    expect(lookup.remembered('key')).toBeUndefined();
    state.nowMs = 1_599;
    expect(await atOnce('key')).toBe('none');
    expect(asked).toHaveLength(2);
  });

  it('is asked for anew after a change in this process, whatever is under way', async () => {
    const { answer, asked, atOnce, know, live, lookup, settle, state } = start();
    await know('key');
    state.nowMs = 600;
    expect(await atOnce('key')).toBe('key');
    live.delete('key');
    lookup.forgetAll();
    const found = lookup.find('key');
    await settle();
    await answer();
    await answer();
    expect(await found).toBeUndefined();
    expect(asked).toHaveLength(3);
    expect(await atOnce('key')).toBe('none');
  });

  it('is good until its second is over when the database is away, and then the look fails', async () => {
    const { answer, atOnce, know, lookup, settle, state } = start();
    await know('key');
    state.isAway = true;
    state.nowMs = 600;
    expect(await atOnce('key')).toBe('key');
    await answer();
    expect(await atOnce('key')).toBe('key');
    await answer();
    state.nowMs = 1_000;
    const late = expect(lookup.find('key')).rejects.toThrow('away');
    await settle();
    await answer();
    await late;
    expect(lookup.remembered('key')).toEqual({ keyId: 'key' });
  });

  it('waits for a query of its own request where requests must not share one', async () => {
    const { asked, atOnce, know, state } = start({ sharing: 'request' });
    await know('key');
    state.nowMs = 999;
    expect(await atOnce('key')).toBe('key');
    expect(asked).toHaveLength(1);
    state.nowMs = 1_000;
    expect([await atOnce('key'), await atOnce('key')]).toEqual(['waits', 'waits']);
    expect(asked).toHaveLength(3);
  });

  it('never opens anything when it was revoked a second ago', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(100, 300, 600) },
      { weight: 4, arbitrary: fc.constantFrom('look' as const, 'answer' as const) },
      fc.constant('revoke' as const),
    );
    const { answer, answers, live, lookup, settle, state } = start();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        live.add('key');
        lookup.forgetAll();
        state.nowMs = 0;
        let revokedAtMs = Number.POSITIVE_INFINITY;
        const looks: Promise<number | undefined>[] = [];
        for (const one of steps) {
          if (one === 'look') {
            const sinceMs = state.nowMs - revokedAtMs;
            looks.push(lookup.find('key').then((found) => found && sinceMs));
            await settle();
          } else if (one === 'answer') await answer();
          else if (one === 'revoke') {
            if (live.delete('key')) revokedAtMs = state.nowMs;
          } else state.nowMs += one;
        }
        while (answers.length > 0) await answer();
        for (const sinceMs of await Promise.all(looks)) expect(sinceMs ?? 0).toBeLessThan(1_000);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('keys that strangers invent', () => {
  it('are not asked for behind a look, and are refused for a second without a query', async () => {
    const { answer, asked, atOnce, state } = start();
    expect(await atOnce('invented')).toBe('waits');
    await answer();
    for (const nowMs of [1, 500, 999]) {
      state.nowMs = nowMs;
      expect(await atOnce('invented')).toBe('none');
    }
    expect(asked).toHaveLength(1);
    state.nowMs = 1_000;
    expect(await atOnce('invented')).toBe('waits');
  });

  it('do not stand before a key that is known, however many there are', async () => {
    const { answer, asked, know, lookup, settle, state } = start();
    await know('key');
    state.nowMs = 5_000;
    const strangers = Array.from({ length: 1_000 }, (_, nth) => lookup.find(`invented ${nth}`));
    await settle();
    const own = lookup.find('key');
    await answer();
    await answer();
    expect(await own).toEqual({ keyId: 'key' });
    expect(asked.slice(2).map((hashes) => hashes.includes('key'))).toEqual([true, false]);
    for (let query = 0; query < 20; query += 1) await answer();
    expect(new Set(await Promise.all(strangers))).toEqual(new Set([undefined]));
  });
});

describe('the use of a key', () => {
  it('is written once a minute, behind the answer, and a failure is told and keeps nobody out', async () => {
    const written: string[] = [];
    const behind: Promise<unknown>[] = [];
    const warned: string[] = [];
    const write = async ({ keyId }: Found) => {
      written.push(keyId);
      if (keyId === 'locked') throw new Error('canceling statement due to lock timeout');
    };
    const recordUse = createUseRecorder(write, {
      after: (work) => behind.push(work),
      log: { warn: (event) => warned.push(event) },
    });
    for (const keyId of ['key', 'locked', 'key', 'locked']) recordUse({ keyId });
    await Promise.all(behind);
    expect(written).toEqual(['key', 'locked']);
    expect(behind).toHaveLength(2);
    expect(warned).toEqual(['credential.use-not-recorded']);
  });
});
