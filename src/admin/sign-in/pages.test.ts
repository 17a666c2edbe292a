import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classifyTokenError } from '../../entra/errors.ts';
import { type Language, languages } from '../../gateway/language.ts';
import type { Role } from '../../store/row-types.ts';
import { oneTimePage, refusalPage, signedInPage, signInPage } from './pages.ts';
import { type ExplainedRefusal, pageOfRefusal } from './refusals.ts';
import { signInTexts } from './texts.ts';
import type { EntraWords } from './wording.ts';

const entraWords = Object.keys(signInTexts('en').entra) as EntraWords[];
const requestId = 'request-1';
const adminUrl = 'https://localhost:9443';
const addressIn = (language: Language): string => `/sign-in/refused?language=${language}`;

async function allPages(language: Language): Promise<string[]> {
  const texts = signInTexts(language);
  const plain = [
    ...(['notSetUp', 'badReturn', 'busy', 'unavailable', 'notMatched', 'incomplete', 'oneTimeGone'] as const),
    ...(['token', 'clock', 'keys', 'otherTenant'] as const),
  ].map((name) => texts[name]);
  const all = [
    ...plain,
    texts.forged(adminUrl),
    texts.noRole('ada'),
    ...entraWords.map((words) => texts.entra[words]),
  ];
  const session = { expiresAt: new Date('2026-03-04T05:06:00Z'), csrfToken: 'token' };
  const signedIn = (role: Role) =>
    signedInPage(language, {
      operator: { kind: 'user', name: 'ada', id: 'id', role, tenantIds: undefined },
      session,
      returnTo: '/',
    });
  const pages = [
    signInPage(language, { returnTo: undefined, hasEntra: true, signedOut: false }),
    signInPage(language, { returnTo: '/a?b=c', hasEntra: true, signedOut: true, isWrongKey: true }),
    oneTimePage(language, 'token'),
    ...(['admin', 'operator', 'viewer'] as const).map(signedIn),
    ...all.map((text) => refusalPage(language, { text, requestId, again: 'same' }, addressIn)),
  ];
  return (await Promise.all(pages)).map(String);
}

describe('the pages of sign-in', () => {
  test('hold no script and nothing to load, in each language', async () => {
    for (const language of languages) {
      for (const text of await allPages(language)) {
        expect(text).toContain(`<html lang="${language}">`);
        expect(text).not.toMatch(/<script|\sstyle=|\ssrc=|<link|<img|@import|url\(|\son\w+=/i);
        expect(text.match(/<h1>/g)).toHaveLength(1);
      }
    }
  });

  test('differ in every sentence between the languages', async () => {
    const sentences = (text: string): (string | undefined)[] =>
      [...text.matchAll(/<(?:h1|h2|p|li|button)[^>]*>([^<]+)</g)].map((found) => found[1]?.trim());
    const [english = [], french = []] = await Promise.all(languages.map(allPages));
    for (const [index, page] of english.entries()) {
      const other = sentences(french[index] ?? '');
      const own = sentences(page);
      expect(other).toHaveLength(own.length);
      expect(own.filter((line) => other.includes(line))).toEqual([]);
    }
  });

  test('escape what Microsoft said and what a person is called', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (noise) => {
        const evil = `<b onclick="x">${noise}`;
        const body = JSON.stringify({ error: evil, error_description: evil });
        const refusals: ExplainedRefusal[] = [
          { reason: 'entra', failure: classifyTokenError(400, body) },
          { reason: 'no-role', name: evil },
        ];
        for (const refusal of refusals) {
          const { page } = pageOfRefusal(refusal, signInTexts('en'), adminUrl);
          expect(String(await refusalPage('en', { ...page, requestId }, addressIn))).not.toContain(
            '<b onclick',
          );
        }
      }),
      { numRuns: 50 },
    );
  });

  test('tell the request id of every refusal, and a remedy', async () => {
    for (const words of entraWords) expect(signInTexts('fr').entra[words].steps.length).toBeGreaterThan(0);
    const page = refusalPage('en', { text: signInTexts('en').token, requestId }, addressIn);
    expect(String(await page)).toContain(requestId);
  });
});
