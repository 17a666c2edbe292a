/** The frame of every page that people are shown: whole without a script, an image or anything from elsewhere. */

import { html, raw } from 'hono/html';
import type { Language } from './language.ts';

export type Html = ReturnType<typeof html>;

/** `styles` go in as they are; the digest of each belongs into the page's policy. */
export const pageLayout = (
  language: Language,
  title: string,
  styles: readonly string[],
  content: readonly Html[],
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
    </main>
  </body>
</html>`;
