import { html } from 'hono/html';
import type { ConsentOutcome } from '../connection/consent.ts';
import { consentTexts } from './consent-texts.ts';
import { style } from './landing-pages.ts';
import type { Language } from './language.ts';
import { type Html, pageLayout } from './page-layout.ts';

/** Renders the page for a customer's administrator whom Microsoft sends back, in the frame of the landing pages. */

/** The state is not live any more and only names what came of it, so the address may hold it. */
const inLanguage =
  (state: string | undefined) =>
  (language: Language): string =>
    `?${new URLSearchParams({ ...(state === undefined ? {} : { state }), language })}`;

export function consentPage(
  language: Language,
  { result, said, state, tenant }: Extract<ConsentOutcome, { kind: 'shown' }>,
): Html {
  const texts = consentTexts[language];
  const text = texts.results[result];
  const rows = [
    [texts.organisation, tenant?.displayName],
    [texts.said, said],
  ] as const;
  const shown = rows.filter(([, value]) => value !== undefined && value !== '');
  return pageLayout(
    language,
    text.title,
    [style],
    [
      ...text.paragraphs.map((line) => html`<p>${line}</p>`),
      html`<h2>${texts.stepsTitle}</h2><ol>${text.steps.map((line) => html`<li>${line}</li>`)}</ol>`,
      shown.length === 0
        ? html``
        : html`<dl>${shown.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`,
    ],
    inLanguage(state),
  );
}
