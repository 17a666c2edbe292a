/** The frame of every page that people are shown: whole without a script, an image or anything from elsewhere. */

import { html, raw } from 'hono/html';
import { type Language, languages } from './language.ts';
import { style } from './page-style.ts';

export type Html = ReturnType<typeof html>;

const names: Readonly<Record<Language, string>> = { en: 'English', fr: 'Français' };
const switchNames: Readonly<Record<Language, string>> = { en: 'Language', fr: 'Langue' };

/** Leads to the same page in the named language. Its name is in that language: its reader cannot read the page. */
export type LanguageSwitch = (language: Language, name: string) => Html;

/** An address that holds no secret: it may stand in a link. */
export const byLink =
  (addressIn: (language: Language) => string): LanguageSwitch =>
  (language, name) =>
    html`<a href="${addressIn(language)}" lang="${language}" hreflang="${language}">${name}</a>`;

export interface FormSwitch {
  readonly method: 'get' | 'post';
  readonly actionIn: (language: Language) => string;
  /** Hidden fields, each by its name; with `get` they make up the query. */
  readonly fieldsIn: (language: Language) => Iterable<readonly [string, string]>;
}

/** For a page whose address or form holds something that must not stand in a link. */
export const byForm =
  ({ actionIn, fieldsIn, method }: FormSwitch): LanguageSwitch =>
  (language, name) =>
    html`<form method="${method}" action="${actionIn(language)}">${[...fieldsIn(language)].map(
      ([field, value]) => html`<input type="hidden" name="${field}" value="${value}" />`,
    )}<button type="submit" lang="${language}">${name}</button></form>`;

const switchTo = (shown: Language, toLanguage: LanguageSwitch): Html =>
  html`<nav class="languages" aria-label="${switchNames[shown]}">${languages
    .filter((language) => language !== shown)
    .map((language) => toLanguage(language, names[language]))}</nav>`;

/** The words of a page. Plain text; the page escapes it. */
export interface PageText {
  readonly title: string;
  readonly paragraphs: readonly string[];
  readonly steps: readonly string[];
}

export const paragraphs = (lines: readonly string[]): Html =>
  html`${lines.map((line) => html`<p>${line}</p>`)}`;

/** Lists what to do: `ordered`, one after the other; else each stands for itself. */
export const steps = (title: string, lines: readonly string[], ordered: boolean): Html => {
  const items = lines.map((line) => html`<li>${line}</li>`);
  return html`<h2>${title}</h2>
      ${ordered ? html`<ol>${items}</ol>` : html`<ul>${items}</ul>`}`;
};

/** Rows without a value are left out. */
export const facts = (rows: readonly (readonly [name: string, value: string | Html | undefined])[]): Html => {
  const shown = rows.filter(([, value]) => value !== undefined && value !== '');
  return shown.length === 0
    ? html``
    : html`<dl>${shown.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
};

export const pageLayout = (
  language: Language,
  title: string,
  content: readonly Html[],
  toLanguage?: LanguageSwitch,
): Html => html`<!doctype html>
<html lang="${language}">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <title>${title}</title>
    <style>${raw(style)}</style>
  </head>
  <body>
    <main>
      <h1>${title}</h1>
      ${content}
      ${toLanguage === undefined ? '' : switchTo(language, toLanguage)}
    </main>
  </body>
</html>`;
