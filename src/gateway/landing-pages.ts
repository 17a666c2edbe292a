/** The landing pages' HTML: whole without a script, an image or anything from elsewhere. */

import { html } from 'hono/html';
import type { LandingTarget, MacState, ShownState } from '../forwarding/landing.ts';
import { landingTexts } from './landing-texts.ts';
import type { Language } from './language.ts';
import { facts, type Html, type LanguageSwitch, pageLayout, paragraphs, steps } from './page-layout.ts';
import { pagePolicy } from './page-style.ts';

export const pageHeaders = (language: Language): Record<string, string> => ({
  'content-security-policy': pagePolicy('none'),
  'content-language': language,
  vary: 'accept-language',
});

export type PlainPage = 'denied' | 'closed' | 'unknown' | 'unavailable' | 'busy';

/** A page that knows nothing of the person, the Mac or the tenant. */
export function plainPage(language: Language, which: PlainPage, toLanguage: LanguageSwitch): Html {
  const { stepsTitle, [which]: text } = landingTexts[language];
  const content = [paragraphs(text.paragraphs), steps(stepsTitle, text.steps, false)];
  return pageLayout(language, text.title, content, toLanguage);
}

/** Several instances could serve the Mac: their names are operators' text, the addresses their own. */
export function chooserPage(
  language: Language,
  targets: readonly LandingTarget[],
  toLanguage: LanguageSwitch,
): Html {
  const { chooser, stepsTitle } = landingTexts[language];
  const choices = targets.map(
    ({ name, url }) => html`<li><a href="${url}">${name} <small>${new URL(url).host}</small></a></li>`,
  );
  const content = [
    paragraphs(chooser.paragraphs),
    html`<ul class="choices">${choices}</ul>`,
    steps(stepsTitle, chooser.steps, false),
  ];
  return pageLayout(language, chooser.title, content, toLanguage);
}

export interface StatePage {
  readonly target: LandingTarget;
  readonly state: ShownState;
  readonly selfService: string | undefined;
}

/** Without one there is nothing that could be told, and the page says why already. */
const hasVerdict = ({ assessment }: MacState): boolean =>
  assessment !== 'undecided' && assessment !== 'not-assessed';

/** A known Mac, to whoever names its id: nothing of the person, its name or its serial number. */
export function statePage(
  language: Language,
  { selfService, state: shown, target }: StatePage,
  toLanguage: LanguageSwitch,
): Html {
  const texts = landingTexts[language];
  const state = shown === 'unavailable' ? undefined : shown;
  const text =
    shown === 'unavailable' ? texts.stateUnavailable : texts.assessments[state?.assessment ?? 'undecided'];
  const first = texts.registrations[state?.registration ?? 'active'];
  const delivery = state && hasVerdict(state) ? texts.deliveries[state.delivery] : undefined;
  const reported = state?.reportedAt
    ? html`<time datetime="${state.reportedAt.toISOString()}">${texts.moment(state.reportedAt)}</time>`
    : shown === 'unavailable'
      ? texts.reportedUnavailable
      : texts.neverReported;
  const content = [
    paragraphs(text.paragraphs),
    steps(texts.stepsTitle, first === undefined ? text.steps : [first, ...text.steps], true),
    html`<p class="actions">
        ${selfService === undefined ? '' : html`<a class="main" href="${selfService}">${texts.openSelfService}</a>`}
        <a href="${target.url}">${texts.openInstance(target.name)}</a>
      </p>`,
    facts([
      [texts.managedBy, target.name],
      [texts.reported, reported],
    ]),
    delivery === undefined ? html`` : html`<p class="note">${delivery}</p>`,
  ];
  return pageLayout(language, text.title, content, toLanguage);
}
