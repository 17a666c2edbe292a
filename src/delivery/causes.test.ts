import { expect, test } from 'vitest';
import { remedyOf } from './causes.ts';

test.each([
  'user-not-assigned',
  'device-not-in-entra',
  'not-in-entra',
  'refused',
  'verdict-unknown',
  'paused',
])('%s has a remedy', (cause) => {
  expect(remedyOf(cause)).toBeTruthy();
});

test.each(['user-not-assigned', 'device-not-in-entra', 'not-in-entra', 'refused'])(
  'the remedy of %s, which fails a report, says how it is told again',
  (cause) => {
    expect(remedyOf(cause)).toContain('replay the report');
  },
);

test.each(['throttled', 'constructor', 'unknown'])('%s has none of its own', (cause) => {
  expect(remedyOf(cause)).toBeUndefined();
});
