import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createLog } from '../telemetry/log.ts';
import { type BreakerObserver, createBreaker } from './breaker.ts';
import { createEpisodeLog } from './episodes.ts';

const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

function scene(awaySince?: Error) {
  const lines: { event: string; level: string; [field: string]: unknown }[] = [];
  const log = createLog({ level: 'info', format: 'json', write: (line) => lines.push(JSON.parse(line)) });
  let isThere = true;
  const breaker = createBreaker({
    probe: async () => {
      if (!isThere) throw refused();
    },
    close: () => undefined,
    now: () => performance.now(),
    ...(awaySince ? { awaySince } : {}),
  });
  const episodes = createEpisodeLog(log, breaker);
  const state = (what: 'away' | 'back'): Promise<void> =>
    new Promise((resolve) => {
      const observer: BreakerObserver = { [what]: () => resolve() };
      breaker.observe(observer);
      isThere = what === 'back';
      if (what === 'away')
        breaker.failed(
          breaker.enter(() => undefined),
          refused(),
        );
    });
  return { breaker, episodes, events: () => lines.map(({ event }) => event), lines, state };
}

test('an outage is one line when it begins, however many notice it, and one with their number when it ends', async () => {
  const { breaker, episodes, events, lines, state } = scene();
  episodes.warn('feeds.failed', { error: refused() });
  await state('away');
  for (let time = 0; time < 500; time += 1) {
    episodes.warn('store.unavailable', { error: breaker.refuse(), requestId: String(time) });
    episodes.error('stage.claim-failed', { error: breaker.refuse() });
  }
  expect(events()).toEqual(['store.unavailable']);
  expect(String(lines[0]?.error)).toContain('ECONNREFUSED');
  await state('back');
  episodes.warn('feeds.failed', { error: breaker.refuse() });
  await wait(3_000);
  expect(events()).toEqual(['store.unavailable', 'store.available']);
  expect(lines[1]).toMatchObject({ level: 'info', failures: 1_003 });
  expect(lines[1]?.refused).toBeGreaterThanOrEqual(1_000);
  breaker.close();
  episodes.close();
});

test('what is no failure of the database is told each time', () => {
  const { breaker, episodes, events } = scene();
  episodes.warn('one');
  episodes.warn('one', { error: new Error('a bug') });
  episodes.error('one', { error: 'words' });
  expect(events()).toEqual(['one', 'one', 'one']);
  breaker.close();
  episodes.close();
});

test('a single lost connection is told in the words of whoever lost it', async () => {
  const { breaker, episodes, events } = scene();
  episodes.warn('readers.failed', { error: refused() });
  await wait(2_500);
  expect(events()).toEqual(['readers.failed']);
  breaker.close();
  episodes.close();
});

test('statements that are refused again and again are told once, and how often when it ends', async () => {
  const { breaker, episodes, events, lines } = scene();
  const full = Object.assign(new Error('too many clients'), { code: '53300', severity: 'FATAL' });
  for (let time = 0; time < 5; time += 1) episodes.warn('store.unavailable', { error: full });
  expect(events()).toEqual(['store.unavailable']);
  await wait(2_500);
  expect(events()).toEqual(['store.unavailable', 'store.available']);
  expect(lines[1]).toMatchObject({ failures: 5 });
  breaker.close();
  episodes.close();
});

test('an outage that was there before the log is told of when it ends', async () => {
  const { breaker, episodes, events, lines } = scene(new Error('nothing listens'));
  expect(breaker.isAway).toBe(true);
  expect(breaker.refuse().message).toBe('the database is away: nothing listens');
  episodes.warn('changes.not-heard', { error: breaker.refuse() });
  expect(events()).toEqual([]);
  breaker.admit();
  expect(breaker.isAway).toBe(false);
  await wait(2_500);
  expect(events()).toEqual(['store.available']);
  expect(lines[0]).toMatchObject({ refused: 2 });
  breaker.close();
  episodes.close();
});

test('a process that ends in the middle of it still says how far it went', async () => {
  const { breaker, episodes, events, state } = scene();
  await state('away');
  breaker.close();
  episodes.close();
  expect(events()).toEqual(['store.unavailable', 'store.not-back']);
});
