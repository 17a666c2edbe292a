import { describe, expect, it } from 'vitest';
import { hashKey } from '../../secrets/keys.ts';
import { csrfFault, maskedToken } from './csrf.ts';

const adminUrl = 'https://admin.example';
const headers = new Headers({ 'sec-fetch-site': 'same-origin' });

describe('the token of a session', async () => {
  const csrfToken = await hashKey('a session');
  const session = { sessionId: 's', expiresAt: new Date(), csrfToken: async () => csrfToken };
  const fault = (given: string | undefined) => csrfFault(headers, adminUrl, session, given);

  it('is another text in every answer, and each of them is taken', async () => {
    const shown = Array.from({ length: 20 }, () => maskedToken(csrfToken));
    expect(new Set(shown).size).toBe(20);
    for (const text of shown) {
      expect(text).not.toContain(csrfToken.slice(0, 8));
      expect(await fault(text)).toBeUndefined();
    }
  });

  it.each([
    ['none', undefined],
    ['nothing', ''],
    ['the bare token', csrfToken],
    ['another length', `${maskedToken(csrfToken)}A`],
    ['no base64url', '*'.repeat(86)],
  ])('is refused as %s', async (_, given) => {
    expect(await fault(given)).toContain('x-espalier-csrf');
  });

  it('is refused where it is of another session, and where one character was changed', async () => {
    expect(await fault(maskedToken(await hashKey('another session')))).toContain('x-espalier-csrf');
    const shown = maskedToken(csrfToken);
    const changed = `${shown.slice(0, 60)}${shown[60] === 'A' ? 'B' : 'A'}${shown.slice(61)}`;
    expect(await fault(changed)).toContain('x-espalier-csrf');
  });
});
