import type { ConsentOutcome } from '../connection/consent.ts';
import { consentParameters } from '../entra/consent.ts';
import { consentTexts } from './consent-texts.ts';
import { type Language, languageParameter } from './language.ts';
import { byForm, byLink, facts, type Html, pageLayout, paragraphs, steps } from './page-layout.ts';

/** Renders the page for a customer's administrator whom Microsoft sends back, in the frame of the landing pages. */

export function consentPage(
  language: Language,
  { result, said, state, tenant }: Extract<ConsentOutcome, { kind: 'shown' }>,
): Html {
  const texts = consentTexts[language];
  const text = texts.results[result];
  return pageLayout(
    language,
    text.title,
    [
      paragraphs(text.paragraphs),
      steps(texts.stepsTitle, text.steps, true),
      facts([
        [texts.organisation, tenant?.displayName],
        // For an incomplete address Microsoft said nothing: the text is ours and meant for the log.
        [texts.said, result === 'incomplete' ? undefined : said],
      ]),
    ],
    // The state is not live any more and only names what came of it, so the address may hold it.
    byLink(
      (other) =>
        `?${new URLSearchParams({ ...(state === undefined ? {} : { state }), [languageParameter]: other })}`,
    ),
  );
}

/** Nothing was looked at yet, so the state may be live: a form carries it to the other language, not a link. */
export function consentUnavailablePage(language: Language, query: URLSearchParams): Html {
  const { stepsTitle, unavailable } = consentTexts[language];
  const came = [...query].filter(([name]) => consentParameters.includes(name));
  return pageLayout(
    language,
    unavailable.title,
    [paragraphs(unavailable.paragraphs), steps(stepsTitle, unavailable.steps, true)],
    byForm({
      method: 'get',
      actionIn: () => '/microsoft/consent',
      fieldsIn: (other) => [...came, [languageParameter, other]],
    }),
  );
}
