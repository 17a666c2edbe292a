import { describe, expect, it } from 'vitest';
import { createFairQueues } from './fair-queues.ts';

describe('the wait for a turn', () => {
  const scene = () => {
    let nowMs = 1_000;
    const queues = createFairQueues<{ readonly weight: number }>(4, () => nowMs);
    const add = (name: string, items: number): void => {
      for (let nth = 0; nth < items; nth += 1) queues.add(name, { weight: 1 });
    };
    return {
      queues,
      add,
      pass: (ms: number) => {
        nowMs += ms;
      },
    };
  };

  it('is that of the queue whose turn is next, and of none where nothing waits', () => {
    const { add, pass, queues } = scene();
    expect(queues.longestWaitMs()).toBe(0);
    add('a', 4);
    pass(30);
    add('b', 1);
    pass(5);
    expect(queues.longestWaitMs()).toBe(35);
    queues.takeGroup();
    // Three of the first queue's went with the second one's, and what is left waits for its next turn from now on.
    expect([queues.size, queues.longestWaitMs()]).toEqual([1, 0]);
    pass(7);
    expect(queues.longestWaitMs()).toBe(7);
    queues.takeGroup();
    expect(queues.longestWaitMs()).toBe(0);
  });

  it('does not grow with what one queue holds while it has its turns', () => {
    const { add, pass, queues } = scene();
    add('a', 100);
    for (let turn = 0; turn < 20; turn += 1) {
      pass(10);
      expect(queues.longestWaitMs()).toBe(10);
      queues.takeGroup();
    }
    expect(queues.size).toBe(20);
  });

  it('grows where there are more queues than have a turn in one group', () => {
    const { add, pass, queues } = scene();
    for (let tenant = 0; tenant < 12; tenant += 1) add(`tenant ${tenant}`, 2);
    pass(10);
    queues.takeGroup();
    pass(10);
    expect(queues.longestWaitMs()).toBe(20);
  });
});
