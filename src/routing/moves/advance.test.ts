import { describe, expect, it } from 'vitest';
import type { Move } from '../../store/moves/move.ts';
import { nextStep } from './advance.ts';

const move = (more: Partial<Move> = {}): Move => ({
  tenantId: 't',
  moveId: 'm',
  fromInstanceId: 'a',
  toInstanceId: 'b',
  filter: null,
  unclaimed: false,
  stepPercent: 10,
  shadow: true,
  state: 'shadowing',
  paused: false,
  percent: 0,
  threshold: 0.01,
  shadowStartedAt: null,
  compared: 100,
  differed: 0,
  author: 'somebody',
  reason: 'because',
  version: 1,
  createdAt: new Date(0),
  updatedAt: new Date(0),
  ...more,
});
const next = (more: Partial<Move>, ask: { force?: boolean; percent?: number } = {}, planned = 1_000) =>
  nextStep(move(more), planned, { force: ask.force ?? false, percent: ask.percent });

describe('the next step of a move', () => {
  it('is shadowing first, unless shadowing is not asked for or forced away', () => {
    expect(next({ state: 'planned' })).toEqual({ ok: true, state: 'shadowing', percent: 0 });
    expect(next({ state: 'planned' }, { percent: 50 })).toMatchObject({ ok: false, refusal: 'state' });
    expect(next({ state: 'planned' }, { percent: 50, force: true })).toMatchObject({ percent: 50 });
    expect(next({ state: 'planned', shadow: false })).toEqual({ ok: true, state: 'moving', percent: 10 });
  });

  it('is so many percent more, never above 100', () => {
    expect(next({})).toEqual({ ok: true, state: 'moving', percent: 10 });
    expect(next({ state: 'moving', percent: 95 })).toMatchObject({ percent: 100 });
    expect(next({ state: 'moving', percent: 20 }, { percent: 50 })).toMatchObject({ percent: 50 });
    expect(next({ state: 'moving', percent: 20 }, { percent: 20 })).toMatchObject({ refusal: 'percent' });
  });

  it('is refused while too few answers were compared; small moves need fewer', () => {
    expect(next({ compared: 19 })).toMatchObject({ ok: false, refusal: 'shadow' });
    expect(next({ compared: 3 }, {}, 3)).toMatchObject({ ok: true });
    expect(next({ compared: 0 }, { force: true })).toMatchObject({ ok: true });
  });

  it('is refused beyond the threshold, also in the middle', () => {
    expect(next({ differed: 1 })).toMatchObject({ ok: true });
    const refused = next({ state: 'moving', percent: 10, differed: 2 });
    expect(refused).toMatchObject({ ok: false, refusal: 'shadow' });
    expect(refused).toMatchObject({
      detail: expect.stringContaining('2 of 100 compared answers differ (2 %)'),
    });
    expect(next({ differed: 100 }, { force: true })).toMatchObject({ ok: true });
  });

  it('goes on where a paused move was, or to the percent that is asked for', () => {
    const paused = { state: 'moving', percent: 30, paused: true, differed: 100 } as const;
    expect(next(paused)).toEqual({ ok: true, state: 'moving', percent: 30 });
    expect(next({ ...paused, differed: 0 }, { percent: 60 })).toMatchObject({ percent: 60 });
  });

  it('does not exist for a move that has ended', () => {
    for (const state of ['done', 'rolled-back'] as const)
      expect(next({ state }, { force: true })).toMatchObject({ ok: false, refusal: 'state' });
  });
});
