import { describe, expect, test } from 'vitest';
import { emptySummary, isComplete, summaryTable } from './demo-text.ts';

const whole = { devices: 2, routed: 2, uploaded: 2, completed: 2, verified: 2, misrouted: 0, seconds: 9.5 };

describe('isComplete', () => {
  test('needs every device at the end and none misrouted', () => {
    expect(isComplete(whole)).toBe(true);
    expect(isComplete({ ...whole, verified: 1 })).toBe(false);
    expect(isComplete({ ...whole, misrouted: 1 })).toBe(false);
    expect(isComplete(emptySummary(1))).toBe(false);
  });
});

describe('summaryTable', () => {
  test('has each number under its name', () => {
    const [names = '', , numbers = ''] = summaryTable(whole).split('\n');
    expect(names.length).toBe(numbers.length);
    expect(names.indexOf('devices') + 'devices'.length).toBe(numbers.indexOf('2') + 1);
  });
});
