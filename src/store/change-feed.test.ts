import { describe, expect, it } from 'vitest';
import { createLog } from '../telemetry/log.ts';
import { type Change, createChangeFeed, keepChangesMs, type Poll } from './change-feed.ts';

const log = createLog({ level: 'error', format: 'json', write: () => undefined });
const tenant = (tenantId: string): Change => ({ kind: 'tenant', tenantId });

function scene() {
  const state = {
    nowMs: 0,
    number: 0,
    history: 'one',
    changes: [] as readonly Change[] | undefined,
    failing: false,
  };
  const since: (string | undefined)[] = [];
  const pruned: (string | undefined)[] = [];
  const events: string[] = [];
  const feed = createChangeFeed({
    log,
    now: () => state.nowMs,
    source: {
      poll: async (snapshot): Promise<Poll> => {
        since.push(snapshot);
        if (state.failing) throw new Error('away');
        state.number += 1;
        const { changes, history, nowMs, number } = state;
        return { snapshot: `${number}:${number}:`, atMs: nowMs, history, changes };
      },
      prune: async (seenBy) => {
        pruned.push(seenBy);
        return false;
      },
    },
  });
  feed.subscribe({
    apply: (changes) => void events.push(`apply ${changes.map(({ tenantId }) => tenantId).join(' ')}`),
    forget: () => void events.push('forget'),
  });
  return { events, feed, pruned, since, state };
}

describe('the change feed', () => {
  it('begins by forgetting, then tells what each poll finds since the one before', async () => {
    const { events, feed, since, state } = scene();
    expect([feed.started, feed.alive(), feed.silentMs()]).toEqual([false, false, Number.POSITIVE_INFINITY]);
    await feed.poll();
    state.changes = [tenant('a'), tenant('b')];
    await feed.poll();
    state.changes = [];
    await feed.poll();
    expect(events).toEqual(['forget', 'apply a b']);
    expect(since).toEqual([undefined, '1:1:', '2:2:']);
    expect(feed.started).toBe(true);
  });

  it('polls again from the same place when a poll fails, or somebody cannot apply what it found', async () => {
    const { feed, since, state } = scene();
    await feed.poll();
    state.failing = true;
    await expect(feed.poll()).rejects.toThrow('away');
    state.failing = false;
    state.changes = [tenant('a')];
    let broken = true;
    feed.subscribe({
      apply: () => {
        if (broken) throw new Error('not now');
      },
      forget: () => undefined,
    });
    await expect(feed.poll()).rejects.toThrow('not now');
    broken = false;
    await feed.poll();
    expect(since).toEqual([undefined, '1:1:', '1:1:', '1:1:']);
  });

  it.each([
    ['another history', { history: 'two' }],
    ['too many changes', { changes: undefined }],
    ['an absence for as long as changes are kept', { nowMs: keepChangesMs }],
  ])('forgets everything after %s', async (_, after) => {
    const { events, feed, state } = scene();
    await feed.poll();
    Object.assign(state, after);
    await feed.poll();
    expect(events).toEqual(['forget', 'forget']);
  });

  it('is alive for two seconds after the beginning of the last poll that ended', async () => {
    const { feed, state } = scene();
    await feed.poll();
    state.nowMs = 1_999;
    expect(feed.alive()).toBe(true);
    state.nowMs = 2_000;
    expect(feed.alive()).toBe(false);
    expect(feed.silentMs()).toBe(2_000);
  });

  it('who asks for a poll while one is under way gets one that begins later', async () => {
    const { feed, since } = scene();
    await Promise.all([feed.poll(), feed.poll(), feed.poll()]);
    expect(since).toEqual([undefined, '1:1:']);
  });

  it('prunes only what every poll of the last ten minutes has seen', async () => {
    const { feed, pruned, state } = scene();
    await feed.poll();
    await feed.prune();
    for (let minute = 1; minute <= 11; minute += 1) {
      state.nowMs = minute * 60_000;
      await feed.poll();
    }
    await feed.prune();
    expect(pruned).toEqual([undefined, '2:2:']);
  });

  it('goes on from where an earlier process was', async () => {
    const { events, feed, since, state } = scene();
    feed.resume({ snapshot: '7:7:', atMs: -60_000, history: 'one' }, 60_000);
    expect([feed.started, feed.silentMs()]).toEqual([true, 60_000]);
    state.changes = [tenant('a')];
    await feed.poll();
    expect([since, events]).toEqual([['7:7:'], ['apply a']]);
  });

  it.each([
    ['longer ago than changes are kept', { snapshot: '7:7:', atMs: -keepChangesMs, history: 'one' }],
    ['in another history', { snapshot: '7:7:', atMs: -1_000, history: 'two' }],
  ])('forgets everything where that was %s', async (_, position) => {
    const { events, feed } = scene();
    feed.resume(position, 1_000);
    await feed.poll();
    expect(events).toEqual(['forget']);
  });
});
