import { expect, test } from 'vitest';
import { differing } from './recording.ts';

test('only the members that differ are kept, on both sides', () => {
  const before = { name: 'a', landing: { choice: 'default' }, group: null, gone: 1, same: [1, { x: 2 }] };
  const after = { name: 'b', landing: { choice: 'denied' }, group: null, came: 2, same: [1, { x: 2 }] };
  expect(differing(before, after)).toEqual({
    before: { name: 'a', landing: { choice: 'default' }, gone: 1 },
    after: { name: 'b', landing: { choice: 'denied' }, came: 2 },
  });
  expect(differing(before, before)).toEqual({ before: {}, after: {} });
});
