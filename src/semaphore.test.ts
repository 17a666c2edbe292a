import { describe, expect, it } from 'vitest';
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
  const bound = (longestMs: number) =>
    createSharedBound({ sharing: 'request', limit: 1, maxWaiting: 100, longestMs });
  const forever = (): Promise<never> => new Promise(() => undefined);
  const at = async () => 'inside';

  it('refuses what is beyond it, and waits for nobody', async () => {
    const atOnce = bound(60_000);
    void atOnce(forever);
    await expect(atOnce(at)).rejects.toMatchObject({ problem: { slug: 'overloaded' } });
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
