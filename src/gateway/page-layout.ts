/** The frame of every page that people are shown: whole without a script, an image or anything from elsewhere. */

import { html, raw } from 'hono/html';
import { type Language, languages } from './language.ts';

export type Html = ReturnType<typeof html>;

const names: Readonly<Record<Language, string>> = { en: 'English', fr: 'Français' };

/** Address of the same page in another language. */
export type InLanguage = (language: Language) => string;

/** Names each language in itself: who needs the link cannot read the page. */
const languageLinks = (shown: Language, inLanguage: InLanguage): Html =>
  html`<nav class="languages" aria-label="${names[shown]}">${languages
    .filter((language) => language !== shown)
    .map(
      (language) =>
        html`<a href="${inLanguage(language)}" lang="${language}" hreflang="${language}">${names[language]}</a>`,
    )}</nav>`;

/** `styles` go in as they are; the digest of each belongs into the page's policy. */
export const pageLayout = (
  language: Language,
  title: string,
  styles: readonly string[],
  content: readonly Html[],
  inLanguage?: InLanguage,
): Html => html`<!doctype html>
<html lang="${language}">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <title>${title}</title>
    ${styles.map((style) => html`<style>${raw(style)}</style>`)}
  </head>
  <body>
    <main>
      <h1>${title}</h1>
      ${content}
      ${inLanguage === undefined ? '' : languageLinks(language, inLanguage)}
    </main>
  </body>
</html>`;
