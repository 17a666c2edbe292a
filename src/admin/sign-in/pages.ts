import { html } from 'hono/html';
import type { TokenFailure } from '../../entra/errors.ts';
import type { Language } from '../../gateway/language.ts';
import {
  byForm,
  byLink,
  facts,
  type Html,
  type LanguageSwitch,
  type PageText,
  pageLayout,
  paragraphs,
  steps,
} from '../../gateway/page-layout.ts';
import { pagePolicy } from '../../gateway/page-style.ts';
import type { Operator } from '../context.ts';
import { signInTexts } from './texts.ts';
import type { SignInTexts } from './wording.ts';

/** The pages of sign-in: whole without a script, an image or anything from elsewhere. */

/** `same-origin` keeps the address from everybody else and leaves `Origin` in our own form's request. */
export const pageHeaders = (language: Language): Record<string, string> => ({
  'content-security-policy': pagePolicy('self'),
  'content-language': language,
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-frame-options': 'DENY',
  vary: 'accept-language, cookie',
});

/** The sign-in page again, with what it was opened for. */
const signInIn = (returnTo: string | undefined, signedOut: boolean): LanguageSwitch =>
  byLink(
    (language) =>
      `/sign-in?${new URLSearchParams({
        ...(returnTo === undefined ? {} : { returnTo }),
        ...(signedOut ? { 'signed-out': '' } : {}),
        language,
      })}`,
  );

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
): Html => html`<h2>${texts.keyTitle}</h2>
      <form method="post" action="/sign-in/key" class="key">
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
    keyForm(texts, returnTo, isWrongKey),
  ];
  return pageLayout(language, texts.signIn.title, content, signInIn(returnTo, signedOut));
}

/**
 * The page behind the demo's link has one button. The token stays in this page and its address, which no other origin sees,
 * and goes to the other language by a form.
 */
export function oneTimePage(language: Language, token: string): Html {
  const { oneTime, oneTimeButton } = signInTexts(language);
  return pageLayout(
    language,
    oneTime.title,
    [
      paragraphs(oneTime.paragraphs),
      html`<form method="post" action="/sign-in/once">
        <input type="hidden" name="token" value="${token}" />
        <button class="main" type="submit">${oneTimeButton}</button>
      </form>`,
    ],
    byForm({
      method: 'post',
      actionIn: (other) => `/sign-in/once?language=${other}`,
      fieldsIn: () => [
        ['token', token],
        ['show', 'page'],
      ],
    }),
  );
}

export function signedInPage(
  language: Language,
  {
    operator,
    returnTo,
    session: { csrfToken, expiresAt },
  }: {
    readonly operator: Operator;
    readonly session: { readonly expiresAt: Date; readonly csrfToken: string };
    readonly returnTo: string | undefined;
  },
): Html {
  const texts = signInTexts(language);
  const onward =
    returnTo === undefined ? '' : html`<a class="main" href="${returnTo}">${texts.continueLink}</a>`;
  return pageLayout(
    language,
    texts.signedIn(operator.name),
    [
      paragraphs([texts.roles[operator.role], texts.lasts(texts.moment(expiresAt))]),
      html`<p class="actions">${onward}<a href="/api/docs">${texts.apiLink}</a></p>
      <form method="post" action="/sign-out">
        <input type="hidden" name="csrf" value="${csrfToken}" />
        <button type="submit">${texts.signOutButton}</button>
      </form>`,
    ],
    signInIn(returnTo, false),
  );
}

export interface RefusalPage {
  readonly text: PageText;
  /** Failure of Entra, when it was Entra's. */
  readonly failure?: TokenFailure;
  readonly requestId: string;
  /** Absent where another try cannot help. */
  readonly again?: 'same' | 'choose';
}

const quotable = (texts: SignInTexts, { failure, requestId }: RefusalPage): Html =>
  facts([
    [texts.microsoftSaid, failure?.description ?? failure?.error],
    [texts.code, failure?.code === undefined ? undefined : `AADSTS${failure.code}`],
    [texts.traceId, failure?.traceId],
    [texts.requestId, requestId],
  ]);

/** Renders why it did not work, what to do, and what to quote. */
export function refusalPage(
  language: Language,
  page: RefusalPage,
  addressIn: (language: Language) => string,
): Html {
  const texts = signInTexts(language);
  const { again, text } = page;
  const link =
    again === undefined
      ? html``
      : html`<p class="actions"><a class="main" href="${startAddress(undefined, again === 'choose')}">${again === 'choose' ? texts.otherAccount : texts.again}</a></p>`;
  return pageLayout(
    language,
    text.title,
    [paragraphs(text.paragraphs), steps(texts.stepsTitle, text.steps, false), link, quotable(texts, page)],
    byLink(addressIn),
  );
}
