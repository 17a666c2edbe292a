import { expect, it } from 'vitest';
import { maxMoved, type ServedQuestion } from '../../store/served.ts';
import { createLog } from '../../telemetry/log.ts';
import { createConfirmations, createStrictClock } from './confirmations.ts';

const tenantId = '0000002a-0000-4000-8000-000000000000';

function scene() {
  const state = {
    nowMs: 10_000,
    ageMs: 0,
    history: 'h',
    served: 7,
    routes: 3,
    moved: undefined as readonly string[] | undefined,
    isAway: false,
  };
  const asked: ServedQuestion[] = [];
  const names: string[] = [];
  const behind: Promise<unknown>[] = [];
  const lines: string[] = [];
  const now = createStrictClock(() => state.nowMs);
  const confirmations = createConfirmations({
    namespace: {
      idFromName: (name) => names.push(name),
      get: () => ({
        keep: async () => undefined,
        versions: async (questions) => {
          asked.push(...questions);
          if (state.isAway) throw new Error('it is away');
          const { ageMs, history, moved, routes, served } = state;
          return {
            ageMs,
            history,
            tenants: questions.map((one) => ({ tenantId: one.tenantId, served, routes, moved })),
          };
        },
      }),
    },
    shards: 4,
    after: (work) => void behind.push(work),
    now,
    log: createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) }),
  });
  const pass = async (ms: number): Promise<void> => {
    state.nowMs += ms;
  };
  /** As long as the bound lets it, with questions behind the caller. */
  const goOn = async (readAtMs: number, ms: number, deviceId?: string): Promise<boolean> => {
    for (let passed = 0; passed < ms; passed += 100) {
      state.nowMs += 100;
      if (!confirmations.holds(tenantId, readAtMs, deviceId)) return false;
      await Promise.all(behind.splice(0));
    }
    return true;
  };
  return { state, asked, names, behind, lines, now, pass, goOn, confirmations };
}

it('believes what was read under a version for as long as that stands, and asks twice a second at most', async () => {
  const { asked, confirmations, goOn, names, now } = scene();
  await confirmations.ask(tenantId);
  const readAtMs = now();
  expect(await goOn(readAtMs, 60_000)).toBe(true);
  expect(names[0]).toBe('directory/2/4');
  expect(asked.length).toBeLessThanOrEqual(61);
  expect(asked.at(-1)).toEqual({ tenantId, routesFrom: 3 });
});

it('believes nothing beyond the bound that nobody confirms, counted from the reading of the version', async () => {
  const { confirmations, now, pass, state } = scene();
  const unconfirmed = now();
  await pass(1_790);
  expect(confirmations.holds(tenantId, unconfirmed)).toBe(true);
  await pass(20);
  expect(confirmations.holds(tenantId, unconfirmed)).toBe(false);
  await confirmations.ask(tenantId);
  const readAtMs = now();
  await pass(3_000);
  state.ageMs = 700;
  await confirmations.ask(tenantId);
  await pass(1_000);
  expect(confirmations.holds(tenantId, readAtMs)).toBe(true);
  await pass(110);
  expect(confirmations.holds(tenantId, readAtMs)).toBe(false);
});

it('does not believe what was read before the version was known, nor before it changed', async () => {
  const { confirmations, now, pass, state } = scene();
  const early = now();
  await confirmations.ask(tenantId);
  const readAtMs = now();
  await pass(1_900);
  await confirmations.ask(tenantId);
  expect(confirmations.holds(tenantId, early)).toBe(false);
  expect(confirmations.holds(tenantId, readAtMs)).toBe(true);
  state.served = 8;
  await pass(1_900);
  await confirmations.ask(tenantId);
  expect(confirmations.holds(tenantId, readAtMs)).toBe(false);
  const again = now();
  expect(confirmations.holds(tenantId, again)).toBe(true);
  // The database goes on from a backup, whose versions may be anything.
  Object.assign(state, { history: 'another', served: 8 });
  await pass(1_900);
  await confirmations.ask(tenantId);
  expect(confirmations.holds(tenantId, again)).toBe(false);
});

it('forgets the routes that moved, and all of them where these are not known', async () => {
  const { confirmations, now, pass, state } = scene();
  await confirmations.ask(tenantId);
  const readAtMs = now();
  const holds = (deviceId?: string) => confirmations.holds(tenantId, readAtMs, deviceId);
  const ask = async (routes: number, moved: readonly string[] | undefined): Promise<void> => {
    Object.assign(state, { routes, moved });
    await pass(1_900);
    await confirmations.ask(tenantId);
  };
  await ask(4, ['a']);
  expect([holds('a'), holds('b'), holds()]).toEqual([false, true, true]);
  expect(confirmations.holds(tenantId, now(), 'a')).toBe(true);
  // An answer that was overtaken.
  await ask(3, []);
  await ask(5, undefined);
  expect([holds('b'), holds()]).toEqual([false, true]);
  await ask(
    6,
    Array.from({ length: maxMoved + 1 }, (_, index) => `d${index}`),
  );
  expect([holds('b'), holds()]).toEqual([false, true]);
});

it('ends at the bound where the object does not answer, and asks it again after a second', async () => {
  const { asked, confirmations, goOn, lines, now, pass, state } = scene();
  await confirmations.ask(tenantId);
  const readAtMs = now();
  state.isAway = true;
  expect(await goOn(readAtMs, 1_700)).toBe(true);
  expect(await goOn(readAtMs, 300)).toBe(false);
  expect(lines.join()).toContain('directory.not-asked');
  await pass(1_001);
  const before = asked.length;
  await confirmations.ask(tenantId);
  await confirmations.ask(tenantId);
  expect(asked).toHaveLength(before + 1);
  state.isAway = false;
  await pass(1_001);
  await confirmations.ask(tenantId);
  // The version is the same, so what was read under it holds.
  expect(confirmations.holds(tenantId, readAtMs)).toBe(true);
});

it('keeps nothing of a tenant that never was, and nothing of before where it is told to forget', async () => {
  const { confirmations, now, pass, state } = scene();
  state.served = 0;
  await confirmations.ask(tenantId);
  const absent = now();
  await pass(1_900);
  await confirmations.ask(tenantId);
  expect(confirmations.holds(tenantId, absent)).toBe(false);
  state.served = 7;
  await confirmations.ask(tenantId);
  const readAtMs = now();
  confirmations.forget(tenantId);
  await pass(1_900);
  await confirmations.ask(tenantId);
  expect(confirmations.holds(tenantId, readAtMs)).toBe(false);
});

it('has a clock that orders what happens while that of the platform stands still', () => {
  let nowMs = 5;
  const clock = createStrictClock(() => nowMs);
  const given = Array.from({ length: 100 }, () => clock());
  expect(given).toEqual([...new Set(given)].sort((a, b) => a - b));
  nowMs = 6;
  expect(clock()).toBe(6);
  // It was set back by a minute.
  nowMs = -60_000;
  const before = clock();
  expect(before).toBeGreaterThan(6);
  nowMs += 10;
  expect(clock()).toBeCloseTo(before + 10, 2);
});

it('believes a version for no longer because the clock of its object was set back', async () => {
  const { confirmations, pass, state } = scene();
  state.ageMs = -60_000;
  await confirmations.ask(tenantId);
  const readAtMs = confirmations.now();
  state.isAway = true;
  await pass(2_000);
  expect(confirmations.holds(tenantId, readAtMs)).toBe(false);
  expect(confirmations.isConfirmed(tenantId)).toBe(false);
});

const under = { history: 'h', served: 7, routes: 3 };

it('believes what another isolate read under the version that stands, and no other', async () => {
  const { confirmations, pass, state } = scene();
  expect(confirmations.readUnder(tenantId)).toBeUndefined();
  expect(await confirmations.stands(tenantId, under)).toBe(false);
  await confirmations.ask(tenantId);
  expect(confirmations.readUnder(tenantId)).toEqual(under);
  expect(await confirmations.stands(tenantId, under)).toBe(true);
  expect(await confirmations.stands(tenantId, { ...under, routes: 1 })).toBe(true);
  for (const other of [{ history: 'another' }, { served: 6 }, { served: 8 }])
    expect(await confirmations.stands(tenantId, { ...under, ...other })).toBe(false);
  state.isAway = true;
  await pass(1_801);
  expect(await confirmations.stands(tenantId, under)).toBe(false);
  expect(confirmations.readUnder(tenantId)).toBeUndefined();
});

it('believes a route of before where the object says that the device did not move since', async () => {
  const { asked, confirmations, pass, state } = scene();
  await confirmations.ask(tenantId);
  const stands = (routes: number) => confirmations.stands(tenantId, { ...under, routes }, 'a');
  expect([await stands(3), asked.length]).toEqual([true, 1]);
  expect([await stands(4), asked.length]).toEqual([false, 1]);
  for (const [moved, expected] of [
    [['b'], true],
    [['b', 'a'], false],
    [undefined, false],
  ] as const) {
    Object.assign(state, { moved });
    expect(await stands(2), `${moved}`).toBe(expected);
    expect(asked.at(-1)).toEqual({ tenantId, routesFrom: 2 });
  }
  // Its answer is of another history, of a tenant that changed, or older than the version that is known.
  state.moved = ['b'];
  for (const answer of [{ history: 'another' }, { served: 8 }, { routes: 2 }]) {
    const { history, routes, served } = state;
    Object.assign(state, answer);
    expect(await stands(2), JSON.stringify(answer)).toBe(false);
    Object.assign(state, { history, routes, served });
  }
  state.isAway = true;
  expect(await stands(2)).toBe(false);
  await pass(1_001);
  state.isAway = false;
  expect(await stands(2)).toBe(true);
});

it('believes what another isolate read for no longer than the version that confirmed it', async () => {
  const { confirmations, now, pass, state } = scene();
  await confirmations.ask(tenantId);
  await pass(1_700);
  const readAtMs = now();
  expect(await confirmations.stands(tenantId, under)).toBe(true);
  state.isAway = true;
  expect(confirmations.holds(tenantId, readAtMs)).toBe(true);
  await pass(101);
  expect(confirmations.holds(tenantId, readAtMs)).toBe(false);
  // The next answer confirms it, and what this isolate reads itself is as new as its reading.
  state.isAway = false;
  await pass(1_001);
  await confirmations.ask(tenantId);
  expect(confirmations.holds(tenantId, readAtMs)).toBe(true);
  await pass(1_700);
  const ownMs = now();
  await pass(101);
  expect([confirmations.holds(tenantId, ownMs), confirmations.holds(tenantId, readAtMs)]).toEqual([
    true,
    false,
  ]);
});
