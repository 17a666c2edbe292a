import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBoundedJson, structureFault } from './bounded-json.ts';

describe('bounded JSON', () => {
  it('is what JSON.parse makes of it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1), (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(parseBoundedJson(text)).toEqual(JSON.parse(text));
      }),
    );
    for (const text of ['', '{', '"', '"\\', '[1', 'x'])
      expect(() => parseBoundedJson(text)).toThrow(SyntaxError);
  });

  it('is refused before it is parsed where it is too deep or holds too much, brackets in strings apart', () => {
    expect(structureFault('['.repeat(65))).toBe('TOO_DEEP');
    expect(structureFault(`${'{"a":'.repeat(64)}1`)).toBeUndefined();
    expect(structureFault(JSON.stringify({ a: '[{,'.repeat(300_000), 'b\\"': '\\' }))).toBeUndefined();
    expect(structureFault(`[${'1,'.repeat(200_001)}1]`)).toBe('TOO_MANY_MEMBERS');
    expect(structureFault(`${'[]'.repeat(200_001)}`)).toBe('TOO_MANY_MEMBERS');
    expect(structureFault(`"${'\\'.repeat(1_000_000)}`)).toBeUndefined();
    expect(() => parseBoundedJson('['.repeat(1_000_000))).toThrow('nested too deep');
  });
});
