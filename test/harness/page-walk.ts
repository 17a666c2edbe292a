import type { Browser, Page, Response } from 'playwright-core';
import { expect } from 'vitest';
import type { Language } from '../../src/gateway/language.ts';
import { violationsOf, withinContext } from './chromium.ts';

/** Walks a page for people who are not at the console in each language, colour and width, on paper and with scripts off. */

export type Titles = Readonly<Record<Language, string>>;
type Open = (page: Page) => Promise<unknown>;

const other: Readonly<Record<Language, Language>> = { en: 'fr', fr: 'en' };
/** Words that no sentence of the language does without and no sentence of the other one has. */
const wordsOf: Readonly<Record<Language, RegExp>> = {
  en: /\b(the|this|your|you|and|not|with|again|of)\b/i,
  fr: /(^|[\s’])(le|la|les|des|votre|vous|une|pas|cette|pour|avec)\b/i,
};

/** All that the page itself says: not the names of languages, nor what Microsoft said or an operator wrote. */
const ownWords = (page: Page): Promise<string> =>
  page
    .locator('title, h1, h2, main > p, li, dt, label, main button, .actions a, form p')
    .evaluateAll((elements) =>
      elements
        .filter((element) => element.closest('.languages, .choices') === null)
        .map((element) => element.textContent)
        .join('\n'),
    );

async function isIn(page: Page, language: Language, titles: Titles): Promise<void> {
  expect(await page.locator('h1').allInnerTexts()).toEqual([titles[language]]);
  expect(await page.locator('html').getAttribute('lang')).toBe(language);
  expect(await page.locator('[lang]').count(), 'only the link names another language').toBe(2);
  const said = await ownWords(page);
  expect(said).toMatch(wordsOf[language]);
  expect(said, `no text in ${other[language]}`).not.toMatch(wordsOf[other[language]]);
  expect(await page.locator('script, [style], link, img').count()).toBe(0);
}

const looks = [
  { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 390 },
] as const;

async function looksWell(page: Page, { colorScheme, width }: (typeof looks)[number]): Promise<void> {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 800 });
  expect(await violationsOf(page), `${colorScheme} at ${width}`).toEqual([]);
  for (const look of looks) {
    await page.setViewportSize({ width: look.width, height: 800 });
    const overflow = await page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect(overflow, `too wide at ${look.width}`).toBe(0);
  }
}

/** On paper: black on white whatever the screen is, and nothing that could be pressed. */
async function printsWell(page: Page): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark', media: 'print' });
  expect(await page.locator('.languages, .actions, form').locator('visible=true').count()).toBe(0);
  expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
  await page.emulateMedia({ colorScheme: 'light', media: 'screen' });
}

export interface PageWalk {
  everyWay(origin: string, titles: Titles, open: Open): Promise<void>;
  everyWayTo(url: string, status: number, titles: Titles): Promise<void>;
}

export const titlesIn = (titleIn: (language: Language) => string): Titles => ({
  en: titleIn('en'),
  fr: titleIn('fr'),
});

export function createPageWalk(browser: Browser, onTheWay: string): PageWalk {
  let walks = 0;
  /**
   * Opens a page as a browser with English does and by its switch in French, and the other way round with scripts off. The
   * colours and widths take turns from page to page: all have one style. Beside its own origin only the one on the way there
   * may be asked, which is Microsoft's.
   */
  async function everyWay(origin: string, titles: Titles, open: Open): Promise<void> {
    const [first, second] = walks % 2 === 0 ? looks : looks.toReversed();
    walks += 1;
    const toOther = (page: Page) => page.locator('.languages a, .languages button').click();
    await withinContext(browser, origin, { locale: 'en-GB' }, async ({ faults, page }) => {
      await open(page);
      await isIn(page, 'en', titles);
      await looksWell(page, first!);
      await toOther(page);
      await isIn(page, 'fr', titles);
      await looksWell(page, second!);
      await printsWell(page);
      expect(faults.filter((fault) => !fault.startsWith(`asks ${onTheWay}/`))).toEqual([]);
    });
    const withoutScripts = { locale: 'fr-CA', javaScriptEnabled: false };
    await withinContext(browser, origin, withoutScripts, async ({ page }) => {
      await open(page);
      await isIn(page, 'fr', titles);
      await toOther(page);
      await isIn(page, 'en', titles);
    });
  }

  /** Does the same for a page that an address leads to. */
  const everyWayTo = (url: string, status: number, titles: Titles): Promise<void> =>
    everyWay(new URL(url).origin, titles, async (page) => {
      const answer: Response | null = await page.goto(url);
      expect(answer?.status(), url).toBe(status);
    });
  return { everyWay, everyWayTo };
}
