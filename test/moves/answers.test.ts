import { describe, expect, it } from 'vitest';
import { type Call, checkAnswers, type RouteVersion } from './answers.ts';

const version = (number: number, instanceId: string, committedAt: number): RouteVersion => ({
  deviceId: 'mac',
  version: number,
  instanceId,
  committedAt,
});
const call = (startedAt: number, endedAt: number, instanceId: string | undefined): Call => ({
  deviceId: 'mac',
  startedAt,
  endedAt,
  instanceId,
});
const versions = [version(3, 'old', 20_000), version(1, 'old', 0), version(2, 'new', 10_000)];

describe('check of answers', () => {
  it('finds an answer of the old instance after the time in which it may still be given', () => {
    const late = call(11_001, 11_010, 'old');
    expect(checkAnswers([call(10_900, 11_950, 'old'), late], versions, 1_000)).toMatchObject({
      misanswered: [{ call: late, allowed: ['new'] }],
      during: 1,
      longestBehindMs: 1_001,
    });
  });

  it('finds an answer of the new instance before the version that names it, and of a third', () => {
    const calls = [call(9_000, 9_999, 'new'), call(5_000, 5_001, 'third'), call(9_000, 10_000, 'new')];
    const { misanswered } = checkAnswers(calls, versions, 1_000);
    expect(misanswered.map(({ call: { endedAt } }) => endedAt)).toEqual([9_999, 5_001]);
  });

  it('counts what no instance answered', () => {
    expect(checkAnswers([call(1, 2, undefined)], versions, 1_000).failed).toHaveLength(1);
  });
});
