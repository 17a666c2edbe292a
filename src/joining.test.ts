import { describe, expect, it } from 'vitest';
import { createJoining } from './joining.ts';

/** Work that ends when it is told to. */
function heldWork() {
  const ends: ((value: string) => void)[] = [];
  return { ends, work: () => new Promise<string>((resolve) => ends.push(resolve)) };
}

describe('work for the same key', () => {
  it('is done once for all who ask while it is under way, and anew afterwards', async () => {
    const { ends, work } = heldWork();
    const joining = createJoining<string>('process');
    const asked = [joining.once('a', work), joining.once('a', work), joining.once('b', work)];
    expect(ends.length).toBe(2);
    for (const [index, end] of ends.entries()) end(String(index));
    expect(await Promise.all(asked)).toEqual(['0', '0', '1']);
    const again = joining.once('a', work);
    expect(ends.length).toBe(3);
    ends[2]?.('2');
    expect(await again).toBe('2');
  });

  it('is done anew after it failed', async () => {
    const joining = createJoining<string>('process');
    await expect(joining.once('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await joining.once('a', async () => 'yes')).toBe('yes');
  });

  it('is done by each caller where requests must not wait for each other', async () => {
    const { ends, work } = heldWork();
    const joining = createJoining<string>('request');
    const [first, second] = [joining.once('a', work), joining.once('a', work)];
    expect(ends.length).toBe(2);
    ends[1]?.('second');
    // The first caller's work hangs for ever, and the second one has its answer.
    expect(await second).toBe('second');
    ends[0]?.('first');
    expect(await first).toBe('first');
  });
});
