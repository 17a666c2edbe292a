import { expect, test } from 'vitest';
import { newTraceableId, parseGuid } from './ids.ts';

test('traceable ids are GUIDs and never come twice, over many batches', () => {
  const ids = Array.from({ length: 200_000 }, newTraceableId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of [ids[0], ids[65_535], ids[65_536], ids.at(-1)]) expect(parseGuid(id)).toBe(id);
});
