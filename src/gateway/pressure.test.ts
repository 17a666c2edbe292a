import { describe, expect, it } from 'vitest';
import {
  nextPressure,
  noPressure,
  Pressure,
  type PressureLevel,
  type PressureState,
  type RequestClass,
  type Signals,
  shedFrom,
} from './pressure.ts';

const calm: Signals = { loopDelayMs: 2, heapShare: 0.4, poolWaitMs: 0 };
const at = (level: PressureLevel): PressureState => ({ ...noPressure, level });
/** The state after as many equal observations. */
const settled = (state: PressureState, times: number, observed: Partial<Signals>): PressureState =>
  Array.from({ length: times }).reduce<PressureState>(
    (last) => nextPressure(last, { ...calm, ...observed }),
    state,
  );
const levelAt = (observed: Partial<Signals>): PressureLevel => settled(noPressure, 10, observed).level;

describe('the level of pressure', () => {
  it.each([
    ['loopDelayMs', [249, 250, 400, 700, 1_200, 2_000, 60_000], [0, 1, 2, 3, 4, 5, 5]],
    ['heapShare', [0.84, 0.85, 0.9, 0.93, 0.96, 0.98, 1], [0, 1, 2, 3, 4, 5, 5]],
    // Device calls, which begin at 4, do not wait for the database.
    ['poolWaitMs', [999, 1_000, 1_500, 2_000, 60_000], [0, 1, 2, 3, 3]],
  ] as const)('follows %s', (signal, values, levels) => {
    expect(values.map((value) => levelAt({ [signal]: value }))).toEqual(levels);
  });

  it('follows the signal that demands most, and names it', () => {
    const state = settled(noPressure, 10, { loopDelayMs: 250, heapShare: 0.94, poolWaitMs: 1_100 });
    expect(state).toMatchObject({ level: 3, cause: 'heapShare' });
  });

  it('rises by one level at a time, so that what is refused first can help', () => {
    expect(
      [1, 2, 3, 4, 5, 6].map((times) => settled(noPressure, times, { loopDelayMs: 5_000 }).level),
    ).toEqual([1, 2, 3, 4, 5, 5]);
  });

  it('rises by as many as a late observation stands for, and never above what is demanded', () => {
    expect(
      [1, 2, 9].map((steps) => nextPressure(noPressure, { ...calm, loopDelayMs: 1_300 }, steps).level),
    ).toEqual([1, 2, 4]);
  });

  it('falls by one level after four calmer observations in a row', () => {
    expect([3, 4, 7, 8, 12].map((times) => settled(at(3), times, {}).level)).toEqual([3, 2, 2, 1, 0]);
  });

  it('begins to wait anew when it was not calmer for once', () => {
    const nearly = settled(at(1), 3, {});
    const disturbed = settled(nearly, 1, { loopDelayMs: 150 });
    expect([nearly.level, settled(disturbed, 3, {}).level, settled(disturbed, 4, {}).level]).toEqual([
      1, 1, 0,
    ]);
  });

  it('does not flap around a bound: a level stays until it is well below where it began', () => {
    let state = noPressure;
    const seen: number[] = [];
    for (let nth = 0; nth < 40; nth += 1) {
      state = nextPressure(state, { ...calm, loopDelayMs: nth % 2 === 0 ? 251 : 130 });
      seen.push(state.level);
    }
    expect(new Set(seen)).toEqual(new Set([1]));
    expect(settled(at(1), 20, { heapShare: 0.83 }).level).toBe(1);
    expect(settled(at(1), 20, { heapShare: 0.8 }).level).toBe(0);
  });
});

describe('what is refused', () => {
  /** Under pressure of a level from the start. */
  function under(level: PressureLevel) {
    const shed: RequestClass[] = [];
    const pressure = new Pressure({ onShed: (of) => shed.push(of) });
    pressure.level = level;
    pressure.ownLevel = level;
    return { pressure, shed };
  }
  const classes = Object.keys(shedFrom) as RequestClass[];
  const shedAt = (level: PressureLevel): RequestClass[] =>
    classes.filter((of) => under(level).pressure.sheds(of));

  it('is what can wait first, then pages, then webhooks, and device calls last', () => {
    const first = ['push', 'notification', 'export', 'import', 'list'];
    expect(([0, 1, 2, 3, 4] as const).map(shedAt)).toEqual([
      [],
      first,
      [...first, 'page'],
      [...first, 'page', 'webhook'],
      [...first, 'page', 'webhook', 'call'],
    ]);
  });

  it('is half of the device calls at level 4 and seven of eight at level 5, and each is counted', () => {
    const answered = ([3, 4, 5] as const).map((level) => {
      const { pressure, shed } = under(level);
      const sent = Array.from({ length: 80 }, () => pressure.sheds('call'));
      expect(shed).toHaveLength(sent.filter(Boolean).length);
      return sent.filter((isShed) => !isShed).length;
    });
    expect(answered).toEqual([80, 40, 10]);
  });

  it('is told as overloaded', () => {
    const { pressure } = under(1);
    expect(() => pressure.admit('page')).not.toThrow();
    expect(() => pressure.admit('push')).toThrow(
      expect.objectContaining({
        problem: expect.objectContaining({ slug: 'overloaded', retryAfterSeconds: 5 }),
      }),
    );
  });

  it('is no landing page for want of the database, which they do not need', () => {
    const pressure = new Pressure();
    for (let nth = 0; nth < 6; nth += 1) pressure.observe({ ...calm, poolWaitMs: 5_000 });
    expect(classes.filter((of) => pressure.sheds(of))).toEqual([
      'push',
      'notification',
      'export',
      'import',
      'list',
      'webhook',
    ]);
    for (let nth = 0; nth < 6; nth += 1) pressure.observe({ ...calm, loopDelayMs: 450, poolWaitMs: 5_000 });
    expect(pressure.sheds('page')).toBe(true);
  });

  it('is a landing page as soon as any other request, where a look comes late', () => {
    const pressure = new Pressure();
    pressure.observe({ ...calm, loopDelayMs: 2_500 }, 5);
    pressure.observe({ ...calm, loopDelayMs: 2_500 }, 5);
    expect([pressure.level, pressure.ownLevel]).toEqual([5, 5]);
    expect(pressure.sheds('page')).toBe(true);
  });

  it('is nothing for a pause that one look alone saw', () => {
    const pressure = new Pressure();
    const paused = { loopDelayMs: 9_000, heapShare: 0.99, poolWaitMs: 9_000 };
    for (const observed of [paused, calm, paused, calm]) pressure.observe(observed, 18);
    expect([pressure.level, pressure.ownLevel]).toEqual([0, 0]);
    pressure.observe(paused);
    pressure.observe(paused, 18);
    expect([pressure.level, pressure.ownLevel]).toEqual([5, 5]);
  });

  it('changes are told once each, with what was observed', () => {
    const changes: string[] = [];
    const pressure = new Pressure({
      onChange: ({ cause, level }, before) => changes.push(`${before} to ${level} for ${cause}`),
    });
    for (let nth = 0; nth < 3; nth += 1) pressure.observe({ ...calm, poolWaitMs: 1_600 });
    for (let nth = 0; nth < 8; nth += 1) pressure.observe(calm);
    expect(changes).toEqual([
      '0 to 1 for poolWaitMs',
      '1 to 2 for poolWaitMs',
      '2 to 1 for poolWaitMs',
      '1 to 0 for poolWaitMs',
    ]);
  });
});
