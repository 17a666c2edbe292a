import { describe, expect, it } from 'vitest';
import { decodeText, EncodingFault } from './text-file.ts';

const utf16 = (text: string, big = false): Buffer => {
  const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
  return big ? bytes.swap16() : bytes;
};
const faultOf = (bytes: Buffer): EncodingFault => {
  try {
    decodeText(bytes);
  } catch (error) {
    if (error instanceof EncodingFault) return error;
    throw error;
  }
  throw new Error('it was read');
};

describe('a text file', () => {
  it.each([
    ['UTF-8', Buffer.from('Café 東京 🍎\r\n')],
    ['UTF-8 with a byte order mark', Buffer.from('\ufeffCafé 東京 🍎\r\n')],
    ['UTF-16 as Windows writes it', utf16('Café 東京 🍎\r\n')],
    ['UTF-16, the high byte first', utf16('Café 東京 🍎\r\n', true)],
  ])('is read as it was meant: %s', (_name, bytes) => {
    expect(decodeText(bytes)).toBe('Café 東京 🍎\r\n');
  });

  it('in Windows-1252 or Latin-1 is refused with the encoding, the byte and its place', () => {
    const fault = faultOf(Buffer.from('a: 1\r\n  name: ü Café\n', 'latin1'));
    expect([fault.message, fault.at]).toEqual([
      'is not UTF-8: the byte 0xFC is one of another encoding, as Windows-1252 (Latin-1); save the file as UTF-8',
      { line: 2, column: 9 },
    ]);
    // Letters of UTF-8 before it do not make it UTF-8.
    const mixed = Buffer.concat([Buffer.from('é '), Buffer.from([0x93])]);
    expect(faultOf(mixed)).toMatchObject({ at: { line: 1, column: 3 } });
    expect(faultOf(mixed).message).toContain('0x93');
  });

  it.each([
    ['UTF-16 without a byte order mark', Buffer.from('apiVersion', 'utf16le'), 'zero bytes'],
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), 'zero bytes'],
    ['UTF-16 that ends within a character', utf16('ab').subarray(0, 5), 'broken character'],
    ['UTF-16 with half of a pair', utf16('\ud83c.'), 'broken character'],
    ['UTF-8 that ends within a character', Buffer.from('é').subarray(0, 1), '0xC3'],
  ])('that cannot be read is refused with words: %s', (_name, bytes, words) => {
    expect(faultOf(bytes).message).toContain(words);
    expect(faultOf(bytes).message).toContain('save the file as UTF-8');
  });
});
