import { describe, expect, test } from 'vitest';
import { readBodyText } from './body-text.ts';
import { parseWebhook } from './webhook.ts';

const body = '{"webhook":{"webhookEvent":"ComputerAdded","name":"Büro"},"event":{"jssID":17}}';
const xmlBody = `<?xml version="1.0" encoding="ISO-8859-1"?><JSSEvent><webhook><name>Büro</name><webhookEvent>ComputerAdded</webhookEvent></webhook><event><jssID>17</jssID></event></JSSEvent>`;
const utf16 = (text: string, bigEndian = false): Uint8Array => {
  const bytes = Buffer.from(text, 'utf16le');
  return bigEndian ? bytes.swap16() : bytes;
};

describe('a body in any encoding', () => {
  test.each<[string, Uint8Array, string | undefined]>([
    ['UTF-8', Buffer.from(body), undefined],
    ['UTF-8 with its mark', Buffer.from(`\uFEFF${body}`), 'application/json'],
    ['UTF-8 declared as Latin-1', Buffer.from(body), 'application/json; charset=iso-8859-1'],
    ['Latin-1', Buffer.from(body, 'latin1'), 'application/json'],
    ['Latin-1 as declared', Buffer.from(body, 'latin1'), 'application/json;charset="ISO-8859-1"'],
    ['Latin-1 declared as UTF-8', Buffer.from(body, 'latin1'), 'application/json; charset=utf-8'],
    ['Latin-1 declared as what no decoder has', Buffer.from(body, 'latin1'), 'application/json; charset=x-y'],
    ['UTF-16 LE with its mark', utf16(`\uFEFF${body}`), undefined],
    ['UTF-16 BE with its mark', utf16(`\uFEFF${body}`, true), undefined],
    ['UTF-16 LE without', utf16(body), 'application/json; charset=utf-16'],
    ['UTF-16 BE without', utf16(body, true), undefined],
    ['XML in Latin-1', Buffer.from(xmlBody, 'latin1'), 'text/xml'],
    ['XML in UTF-16', utf16(`\uFEFF${xmlBody}`), 'text/xml'],
    ['XML in UTF-8 that declares another', Buffer.from(xmlBody), 'text/xml'],
  ])('%s is read', (_name, bytes, contentType) => {
    const parsed = parseWebhook(readBodyText(bytes, contentType), contentType);
    expect(parsed).toMatchObject({
      ok: true,
      webhook: { webhookName: 'Büro', computers: [{ jamfComputerId: '17' }] },
    });
  });

  test('Windows-1252 has its own quotes and dashes', () => {
    expect(readBodyText(Uint8Array.of(0x93, 0x61, 0x94, 0x20, 0x96), undefined)).toBe('“a” –');
  });

  test('a multi-byte encoding is read as declared', () => {
    const shiftJis = Uint8Array.of(0x7b, 0x83, 0x65, 0x7d);
    expect(readBodyText(shiftJis, 'application/json; charset=shift_jis')).toBe('{テ}');
  });
});
