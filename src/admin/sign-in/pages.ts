import { html } from 'hono/html';
import type { TokenFailure } from '../../entra/errors.ts';
import { style, styleSha256 } from '../../gateway/landing-pages.ts';
import type { PageText } from '../../gateway/landing-texts.ts';
import type { Language } from '../../gateway/language.ts';
import { type Html, type InLanguage, pageLayout } from '../../gateway/page-layout.ts';
import type { Operator, OperatorSession } from '../context.ts';
import { maskedToken } from '../operators/csrf.ts';
import { signInTexts } from './texts.ts';
import type { SignInTexts } from './wording.ts';

/** The pages of sign-in: whole without a script, an image or anything from elsewhere. */

/** Style that the landing pages do not need. Its digest is in the policy: pages.test.ts prints a changed one. */
export const formStyle = `
form { margin: 1.5rem 0 0; }
.key { margin: 0; display: grid; gap: 0.5rem; justify-items: start; }
.key input { width: 100%; padding: 0.55rem 0.7rem; font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--quiet); border-radius: 0.5rem; }
.key input:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
.key p { margin: 0; }
button { padding: 0.6rem 1.1rem; font: inherit; color: var(--accent); background: transparent; border: 1px solid var(--accent); border-radius: 0.5rem; cursor: pointer; }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
`;
export const formStyleSha256 = 'sha256-926egbbuyzT5twXqrokEDl0tur7dbrnxMw3L2422z40=';

/** `same-origin` keeps the address from everybody else and leaves `Origin` in our own form's request. */
export const pageHeaders = (language: Language): Record<string, string> => ({
  'content-security-policy': `default-src 'none'; style-src '${styleSha256}' '${formStyleSha256}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
  'content-language': language,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
  vary: 'accept-language, cookie',
});

const layout = (language: Language, title: string, content: readonly Html[], inLanguage?: InLanguage): Html =>
  pageLayout(language, title, [style, formStyle], content, inLanguage);

/** The sign-in page again, with what it was opened for. */
const signInIn =
  (returnTo: string | undefined, signedOut: boolean): InLanguage =>
  (language) =>
    `/sign-in?${new URLSearchParams({
      ...(returnTo === undefined ? {} : { returnTo }),
      ...(signedOut ? { 'signed-out': '' } : {}),
      language,
    })}`;

const paragraphs = (lines: readonly string[]): Html => html`${lines.map((line) => html`<p>${line}</p>`)}`;

const startAddress = (returnTo: string | undefined, choose: boolean): string => {
  const query = new URLSearchParams({
    ...(returnTo === undefined ? {} : { returnTo }),
    ...(choose ? { choose: 'true' } : {}),
  }).toString();
  return query === '' ? '/sign-in/start' : `/sign-in/start?${query}`;
};

/** The field keeps the browser from remembering the key as a password: it is a machine's credential. */
const keyForm = (
  texts: SignInTexts,
  returnTo: string | undefined,
  isWrongKey: boolean,
  language: Language | undefined,
): Html => html`<h2>${texts.keyTitle}</h2>
      <form method="post" action="/sign-in/key${language === undefined ? '' : `?language=${language}`}" class="key">
        <label for="key">${texts.keyLabel}</label>
        <input id="key" name="key" type="password" required autocomplete="off" spellcheck="false" autocapitalize="none" maxlength="200"${isWrongKey ? html` aria-invalid="true" aria-describedby="key-fault"` : ''} />
        ${isWrongKey ? html`<p id="key-fault" role="alert">${texts.keyRefused}</p>` : ''}
        ${returnTo === undefined ? '' : html`<input type="hidden" name="returnTo" value="${returnTo}" />`}
        <button type="submit">${texts.keyButton}</button>
      </form>
      <p class="note">${texts.keyNote}</p>`;

/** Nobody is signed in: one button. After signing out it asks for the account, or it would sign in again by itself. */
export function signInPage(
  language: Language,
  {
    hasEntra,
    isLanguageAsked = false,
    isWrongKey = false,
    returnTo,
    signedOut,
  }: {
    readonly returnTo: string | undefined;
    readonly signedOut: boolean;
    /** True where people of an Entra tenant are operators here. */
    readonly hasEntra: boolean;
    /** The key that was just shown opens nothing. */
    readonly isWrongKey?: boolean;
    /** True where the address names the language, which goes before the browser's own wish. */
    readonly isLanguageAsked?: boolean;
  },
): Html {
  const texts = signInTexts(language);
  const content = [
    ...(signedOut ? [html`<p role="status">${texts.signedOut}</p>`] : []),
    ...(hasEntra
      ? [
          paragraphs(texts.signIn.paragraphs),
          html`<p class="actions"><a class="main" href="${startAddress(returnTo, signedOut)}">${texts.signInButton}</a></p>`,
        ]
      : []),
    keyForm(texts, returnTo, isWrongKey, isLanguageAsked ? language : undefined),
  ];
  return layout(language, texts.signIn.title, content, signInIn(returnTo, signedOut));
}

/** The page behind the demo's link has one button. The token stays in this page and its address, which no other origin sees. */
export function oneTimePage(language: Language, token: string): Html {
  const { oneTime, oneTimeButton } = signInTexts(language);
  return layout(language, oneTime.title, [
    paragraphs(oneTime.paragraphs),
    html`<form method="post" action="/sign-in/once">
        <input type="hidden" name="token" value="${token}" />
        <button type="submit">${oneTimeButton}</button>
      </form>`,
  ]);
}

export function signedInPage(
  language: Language,
  {
    operator,
    returnTo,
    session,
  }: {
    readonly operator: Operator;
    readonly session: OperatorSession;
    readonly returnTo: string | undefined;
  },
): Html {
  const texts = signInTexts(language);
  const onward =
    returnTo === undefined ? '' : html`<a class="main" href="${returnTo}">${texts.continueLink}</a>`;
  return layout(language, texts.signedIn(operator.name), [
    paragraphs([texts.roles[operator.role], texts.lasts(texts.moment(session.expiresAt))]),
    html`<p class="actions">${onward}<a href="/api/docs">${texts.apiLink}</a></p>
      <form method="post" action="/sign-out">
        <input type="hidden" name="csrf" value="${maskedToken(session.csrfToken)}" />
        <button type="submit">${texts.signOutButton}</button>
      </form>`,
  ]);
}

export interface RefusalPage {
  readonly text: PageText;
  /** Failure of Entra, when it was Entra's. */
  readonly failure?: TokenFailure;
  readonly requestId: string;
  /** Absent where another try cannot help. */
  readonly again?: 'same' | 'choose';
}

const facts = (texts: SignInTexts, { failure, requestId }: RefusalPage): Html => {
  const rows = [
    [texts.microsoftSaid, failure?.description ?? failure?.error],
    [texts.code, failure?.code === undefined ? undefined : `AADSTS${failure.code}`],
    [texts.traceId, failure?.traceId],
    [texts.requestId, requestId],
  ] as const;
  return html`<dl>${rows.map(([name, value]) => (value === undefined ? '' : html`<dt>${name}</dt><dd>${value}</dd>`))}</dl>`;
};

/** Renders why it did not work, what to do, and what to quote. */
export function refusalPage(language: Language, page: RefusalPage): Html {
  const texts = signInTexts(language);
  const { again, text } = page;
  const steps = html`<h2>${texts.stepsTitle}</h2><ul>${text.steps.map((step) => html`<li>${step}</li>`)}</ul>`;
  const link =
    again === undefined
      ? html``
      : html`<p class="actions"><a class="main" href="${startAddress(undefined, again === 'choose')}">${again === 'choose' ? texts.otherAccount : texts.again}</a></p>`;
  return layout(language, text.title, [paragraphs(text.paragraphs), steps, link, facts(texts, page)]);
}
