import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MacState } from '../forwarding/landing.ts';
import { chooserPage, plainPage, statePage } from './landing-pages.ts';
import { languages } from './language.ts';
import { byLink } from './page-layout.ts';
import { style } from './page-style.ts';

const state: MacState = {
  managed: true,
  assessment: 'not-compliant',
  registration: 'active',
  reportedAt: new Date('2026-03-04T05:06:00Z'),
  delivery: 'reported',
};
const toLanguage = byLink((language) => `?language=${language}`);
const target = { name: 'berlin', url: 'https://berlin.example/DeviceRegistration.html' };
const page = async (made: ReturnType<typeof plainPage>): Promise<string> => String(await made);
const stateText = (language: 'en' | 'fr', more: Partial<MacState>, selfService?: string) =>
  page(statePage(language, { target, state: { ...state, ...more }, selfService }, toLanguage));

describe('the landing pages', () => {
  test('hold no script, no style in an attribute and nothing to load, in each language', async () => {
    for (const language of languages) {
      const pages = await Promise.all([
        ...(['denied', 'closed', 'unknown', 'unavailable', 'busy'] as const).map((which) =>
          page(plainPage(language, which, toLanguage)),
        ),
        page(chooserPage(language, [target], toLanguage)),
        stateText(language, {}),
      ]);
      for (const text of pages) {
        expect(text).toContain(`<html lang="${language}">`);
        expect(text).toContain(`<style>${style}</style>`);
        expect(text).not.toMatch(/<script|\sstyle=|\ssrc=|<link|<img|<form|@import|url\(|\son\w+=/i);
        expect(text.match(/<h1>/g)).toHaveLength(1);
      }
    }
  });

  test('differ in every sentence between the languages', async () => {
    for (const which of ['denied', 'closed', 'unknown', 'unavailable', 'busy'] as const) {
      const [english, french] = await Promise.all(
        languages.map(async (language) =>
          [...(await page(plainPage(language, which, toLanguage))).matchAll(/<(?:h1|h2|p|li)>([^<]+)</g)].map(
            (found) => found[1],
          ),
        ),
      );
      expect(english).toHaveLength(french?.length ?? 0);
      expect(english?.filter((line) => french?.includes(line))).toEqual([]);
    }
  });

  test("escape an instance's name and address", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (noise) => {
        const name = `"'><script>alert(1)</script>${noise}`;
        const text = await page(
          chooserPage('en', [{ name, url: 'https://a.example/?a=1&b="<' }], toLanguage),
        );
        expect(text).not.toContain('<script');
        expect(text).toContain('https://a.example/?a=1&amp;b=&quot;&lt;');
      }),
    );
  });

  test('say of a known Mac what to do, by whom it is managed and when Microsoft was told', async () => {
    const text = await stateText('en', {});
    expect(text).toContain('This Mac does not meet the requirements');
    expect(text).toContain('<dd>berlin</dd>');
    expect(text).toContain('<time datetime="2026-03-04T05:06:00.000Z">4 March 2026 at 05:06\u00a0UTC</time>');
    expect(text).not.toContain('Open Self Service</a>');
    const french = await stateText('fr', {}, 'jamfselfservice://');
    expect(french).toContain('4 mars 2026');
    expect(french).toContain('<a class="main" href="jamfselfservice://">Ouvrir Self Service</a>');
  });

  test('say of a registration that has ended what to do first', async () => {
    const text = await stateText('en', { registration: 'deactivated' });
    expect(/<ol><li>([^<]+)/.exec(text)?.[1]).toMatch(
      /^The registration of this Mac with Microsoft has ended/,
    );
  });

  test('say when Microsoft does not hold the newest state', async () => {
    expect(await stateText('en', { delivery: 'on-its-way', reportedAt: null })).toContain('<dd>not yet</dd>');
    expect(await stateText('en', { delivery: 'on-its-way' })).toContain('The newest state is on its way');
    expect(await stateText('en', { delivery: 'stopped' })).toContain('could not be told to Microsoft');
    for (const assessment of ['undecided', 'not-assessed'] as const)
      expect(await stateText('en', { assessment, delivery: 'stopped' })).not.toContain('could not be told');
  });
});
