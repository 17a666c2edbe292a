import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrayTypes, readArray, writeArray } from './array-types.ts';

const { element: text } = arrayTypes.text;

describe('the text of an array', () => {
  test.each([
    ['nothing', [], '{}'],
    ['plain texts', ['a', 'b'], '{"a","b"}'],
    [
      'what has a meaning in it',
      ['a"b', 'c\\d', '{e,f}', 'NULL', ''],
      '{"a\\"b","c\\\\d","{e,f}","NULL",""}',
    ],
    ['null', ['a', null], '{"a",NULL}'],
    ['arrays', [['a'], ['b']], '{{"a"},{"b"}}'],
  ])('of %s', (_name, values, written) => {
    expect(writeArray(values, text.write)).toBe(written);
  });

  test('that was made elsewhere stays as it is', () => {
    expect(writeArray('{1,2}', text.write)).toBe('{1,2}');
  });

  test('holds nothing undefined', () => {
    expect(() => writeArray([undefined], text.write)).toThrow('undefined');
  });

  test.each([
    ['nothing', '{}', []],
    ['bare and quoted elements', '{a,"b c",NULL,"NULL",""}', ['a', 'b c', null, 'NULL', '']],
    ['escapes', '{"a\\"b","c\\\\d","{e,f}"}', ['a"b', 'c\\d', '{e,f}']],
    [
      'arrays',
      '{{a,b},{c,NULL}}',
      [
        ['a', 'b'],
        ['c', null],
      ],
    ],
    ['other bounds', '[0:1]={a,b}', ['a', 'b']],
  ])('is read: %s', (_name, source, values) => {
    expect(readArray(source, text.read)).toEqual(values);
  });

  test.each(['', '{', '{a', '{a,', '{"a', '{"a\\', '{"a"', '{{a}', '{{a},', '[0:1]={a,b'])(
    'is no array without its end: %s',
    (source) => {
      expect(() => readArray(source, text.read)).toThrow('end');
    },
  );

  test('is read as it was written, whatever the elements', () => {
    const values = fc.array(fc.option(fc.string({ unit: 'binary' })));
    fc.assert(
      fc.property(values, (some) => {
        expect(readArray(String(writeArray(some, text.write)), text.read)).toEqual(some);
      }),
    );
  });
});
