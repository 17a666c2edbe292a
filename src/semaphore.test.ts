import { describe, expect, it, vi } from 'vitest';
import {
  createKeyedSemaphore,
  createObservedSemaphore,
  createSemaphore,
  createSharedBound,
} from './semaphore.ts';

describe('a semaphore for each key', () => {
  it('lets so many of a key in at a time, in order, and another key past those that hang', async () => {
    const semaphore = createKeyedSemaphore(2);
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const call = (key: string, name: string) =>
      semaphore(key, () => {
        begun.push(name);
        return new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
      });
    const calls = ['a1', 'a2', 'a3', 'a4'].map((name) => call('a', name));
    const other = call('b', 'b1');
    expect(begun).toEqual(['a1', 'a2', 'b1']);
    ends.get('b1')?.();
    expect(await other).toBe('b1');
    ends.get('a2')?.();
    await calls[1];
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
    for (const name of ['a1', 'a3']) ends.get(name)?.();
    await calls[2];
    ends.get('a4')?.();
    expect(await Promise.all(calls)).toEqual(['a1', 'a2', 'a3', 'a4']);
  });

  it('gives the place back when a call fails', async () => {
    const semaphore = createKeyedSemaphore(1);
    await expect(semaphore('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await semaphore('a', async () => 'yes')).toBe('yes');
  });
});

describe('an observed semaphore', () => {
  it('says for how long the first of those that wait has waited', async () => {
    let nowMs = 0;
    const { longestWaitMs, run } = createObservedSemaphore(1, () => nowMs);
    const leaves: (() => void)[] = [];
    const stay = () => run(() => new Promise<void>((resolve) => leaves.push(resolve)));
    const all = [stay()];
    nowMs = 10;
    expect(longestWaitMs()).toBe(0);
    all.push(stay());
    nowMs = 25;
    all.push(stay());
    nowMs = 30;
    expect(longestWaitMs()).toBe(20);
    for (const [nth, waited] of [5, 0, 0].entries()) {
      leaves.shift()?.();
      await all[nth];
      await Promise.resolve();
      expect(longestWaitMs()).toBe(waited);
    }
  });
});

describe('a semaphore', () => {
  it('refuses as overloaded what comes when enough wait', async () => {
    const semaphore = createSemaphore(1, 1);
    let leave = (): void => undefined;
    const first = semaphore(() => new Promise<void>((resolve) => (leave = resolve)));
    const second = semaphore(async () => 'second');
    await expect(semaphore(async () => 'third')).rejects.toMatchObject({ problem: { slug: 'overloaded' } });
    leave();
    await first;
    expect(await second).toBe('second');
    expect(await semaphore(async () => 'fourth')).toBe('fourth');
  });
});

describe('a bound of requests that share nothing', () => {
  const bound = (longestMs: number, maxWaiting = 100) =>
    createSharedBound({ sharing: 'request', limit: 1, maxWaiting, longestMs });
  const forever = (): Promise<never> => new Promise(() => undefined);
  const at = async () => 'inside';

  it('lets those wait that may, each by itself and in their order, and refuses the others', async () => {
    const atOnce = bound(60_000, 2);
    const begun: string[] = [];
    let leave = (): void => undefined;
    const first = atOnce(() => new Promise<void>((resolve) => (leave = resolve)));
    const others = ['second', 'third'].map((name) => atOnce(async () => begun.push(name)));
    await expect(atOnce(at)).rejects.toMatchObject({ problem: { slug: 'overloaded' } });
    leave();
    await Promise.all([first, ...others]);
    expect(begun).toEqual(['second', 'third']);
    expect(await atOnce(at)).toBe('inside');
  });

  it('refuses who has waited for ten seconds, and passes over one of whom nothing is seen any more', async () => {
    vi.useFakeTimers();
    try {
      const atOnce = bound(12_000);
      void atOnce(forever);
      const refused = expect(atOnce(at)).rejects.toMatchObject({ problem: { slug: 'overloaded' } });
      await vi.advanceTimersByTimeAsync(10_100);
      await refused;
      vi.spyOn(globalThis, 'setTimeout').mockImplementationOnce(() => 0 as never);
      void atOnce(at);
      const later = atOnce(at);
      await vi.advanceTimersByTimeAsync(2_100);
      expect(await later).toBe('inside');
    } finally {
      vi.restoreAllMocks();
      vi.useRealTimers();
    }
  });

  it('gives a place back with its work, also work that fails', async () => {
    const atOnce = bound(60_000);
    await expect(atOnce(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await atOnce(at)).toBe('inside');
    expect(await atOnce(at)).toBe('inside');
  });

  it('takes a place back whose work nothing was heard of', async () => {
    const atOnce = bound(0);
    void atOnce(forever);
    expect(await atOnce(at)).toBe('inside');
  });
});
