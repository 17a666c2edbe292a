import { expect, test } from 'vitest';
import { parseGuid } from '../ids.ts';
import { newRequestId, requestIdOf } from './request-id.ts';

test('ids are GUIDs and never come twice, over many batches', () => {
  const ids = Array.from({ length: 200_000 }, newRequestId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of [ids[0], ids[65_535], ids[65_536], ids.at(-1)]) expect(parseGuid(id)).toBe(id);
});

test("a caller's id goes on if it is a plain token", () => {
  expect(requestIdOf('a.B_c:d-1')).toBe('a.B_c:d-1');
  for (const asked of [undefined, '', 'a b', 'a\r\nb', 'x'.repeat(129)])
    expect(parseGuid(requestIdOf(asked))).toBeDefined();
});
