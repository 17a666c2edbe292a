/** The landing pages' HTML: whole without a script, an image or anything from elsewhere. */

import { html } from 'hono/html';
import type { LandingTarget, MacState, ShownState } from '../forwarding/landing.ts';
import { type LandingTexts, landingTexts, type PageText } from './landing-texts.ts';
import type { Language } from './language.ts';
import { type Html, pageLayout } from './page-layout.ts';

/** Its digest is in the policy below, so a changed rule needs a changed digest: landing-pages.test.ts prints it. */
export const style = `
:root { color-scheme: light dark; --ink: #1b2620; --quiet: #4a5a51; --paper: #f3f6f3; --card: #fff; --line: #cfdad2; --accent: #1c5d3a; --on-accent: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eee9; --quiet: #b3c0b7; --paper: #121713; --card: #1b221d; --line: #38453c; --accent: #8fd6ab; --on-accent: #0e1a13; } }
* { box-sizing: border-box; }
body { margin: 0; font: 1.0625rem/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
main { max-width: 38rem; margin: 8vh auto; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem; overflow-wrap: anywhere; }
h1 { margin: 0 0 1rem; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 1.75rem 0 0.5rem; font-size: 1.1rem; }
p { margin: 0 0 1rem; }
ol, ul { margin: 0; padding-left: 1.4rem; }
li { margin: 0 0 0.5rem; }
.choices { padding: 0; list-style: none; }
.choices a { display: block; padding: 0.75rem 1rem; border: 1px solid var(--line); border-radius: 0.5rem; color: var(--accent); font-weight: 600; text-decoration: none; }
.choices a:hover { border-color: var(--accent); text-decoration: underline; }
.choices small { display: block; color: var(--quiet); font-size: 0.875rem; font-weight: 400; }
.actions { display: flex; flex-wrap: wrap; gap: 0.75rem; margin: 1.5rem 0 0; }
.actions a { padding: 0.6rem 1.1rem; border: 1px solid var(--accent); border-radius: 0.5rem; color: var(--accent); text-decoration: none; }
.actions .main { background: var(--accent); color: var(--on-accent); }
.actions a:hover { text-decoration: underline; }
a:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0.25rem 1rem; margin: 1.5rem 0 0; padding: 1rem 0 0; border-top: 1px solid var(--line); }
dt { color: var(--quiet); }
dd { margin: 0; }
.note { margin: 0.75rem 0 0; color: var(--quiet); }
.languages { margin: 2rem 0 0; font-size: 0.9375rem; }
.languages a { color: var(--accent); }
@media (max-width: 40rem) { main { margin: 0; min-height: 100vh; padding: 1.5rem; border: 0; border-radius: 0; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.5rem; } }
@media print { :root { --ink: #000; --quiet: #333; --paper: #fff; --card: #fff; --line: #999; --accent: #000; } main { margin: 0; padding: 0; border: 0; max-width: none; } .languages, .actions { display: none; } }
`;
export const styleSha256 = 'sha256-OD3oqKK2+KiRE9IxFlPwQOOuq5XlmT9AV/eNANXp96c=';

export const pageHeaders = (language: Language): Record<string, string> => ({
  'content-security-policy': `default-src 'none'; style-src '${styleSha256}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'content-language': language,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  vary: 'accept-language',
});

const inLanguage = (language: Language): string => `?${new URLSearchParams({ language })}`;

/** `isSwitched`: with a link to the other language, which holds nothing of the address but that. */
const layout = (language: Language, title: string, content: readonly Html[], isSwitched = false): Html =>
  pageLayout(language, title, [style], content, isSwitched ? inLanguage : undefined);

const paragraphs = ({ paragraphs: lines }: PageText): Html[] => lines.map((line) => html`<p>${line}</p>`);

const steps = (texts: LandingTexts, lines: readonly string[], ordered: boolean): Html => {
  const items = lines.map((line) => html`<li>${line}</li>`);
  return html`<h2>${texts.stepsTitle}</h2>
      ${ordered ? html`<ol>${items}</ol>` : html`<ul>${items}</ul>`}`;
};

export type PlainPage = 'denied' | 'closed' | 'unknown' | 'unavailable' | 'busy';

/** A page that knows nothing of the person, the Mac or the tenant. */
export function plainPage(language: Language, which: PlainPage, isSwitched = false): Html {
  const texts = landingTexts[language];
  const text = texts[which];
  const content = [...paragraphs(text), steps(texts, text.steps, false)];
  return layout(language, text.title, content, isSwitched);
}

/** Several instances could serve the Mac: their names are operators' text, the addresses their own. */
export function chooserPage(language: Language, targets: readonly LandingTarget[], isSwitched = false): Html {
  const texts = landingTexts[language];
  const { chooser } = texts;
  const choices = targets.map(
    ({ name, url }) => html`<li><a href="${url}">${name} <small>${new URL(url).host}</small></a></li>`,
  );
  const content = [
    ...paragraphs(chooser),
    html`<ul class="choices">${choices}</ul>`,
    steps(texts, chooser.steps, false),
  ];
  return layout(language, chooser.title, content, isSwitched);
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
export function statePage(language: Language, { selfService, state: shown, target }: StatePage): Html {
  const texts = landingTexts[language];
  const state = shown === 'unavailable' ? undefined : shown;
  const text =
    shown === 'unavailable' ? texts.stateUnavailable : texts.assessments[state?.assessment ?? 'undecided'];
  const first = texts.registrations[state?.registration ?? 'active'];
  const delivery = state && hasVerdict(state) ? texts.deliveries[state.delivery] : undefined;
  const told = state?.reportedAt
    ? html`<time datetime="${state.reportedAt.toISOString()}">${texts.moment(state.reportedAt)}</time>`
    : shown === 'unavailable'
      ? texts.toldUnavailable
      : texts.neverTold;
  const content = [
    ...paragraphs(text),
    steps(texts, first === undefined ? text.steps : [first, ...text.steps], true),
    html`<p class="actions">
        ${selfService === undefined ? '' : html`<a class="main" href="${selfService}">${texts.openSelfService}</a>`}
        <a href="${target.url}">${texts.openInstance(target.name)}</a>
      </p>
      <dl>
        <dt>${texts.managedBy}</dt>
        <dd>${target.name}</dd>
        <dt>${texts.told}</dt>
        <dd>${told}</dd>
      </dl>`,
    delivery === undefined ? html`` : html`<p class="note">${delivery}</p>`,
  ];
  return layout(language, text.title, content);
}
