import type { MiddlewareHandler } from 'hono';
import { html } from 'hono/html';
import { problemTypeBase } from '../problems.ts';
import { type ErrorKind, errorTexts, type Helper } from './error-texts.ts';
import { pageHeaders } from './landing-pages.ts';
import { type Language, languageOf, languageParameter } from './language.ts';
import type { ListenerEnv } from './listener.ts';
import {
  byLink,
  facts,
  type Html,
  type LanguageSwitch,
  pageLayout,
  paragraphs,
  steps,
} from './page-layout.ts';

/**
 * A problem as a page, where a person's browser went to an address that answers with one. Programs get the same problem as
 * `application/problem+json`: by their paths, and because they do not ask for `text/html`.
 */
export interface ErrorPages {
  readonly helper: Helper;
  /** Paths that only programs call. */
  readonly programs: RegExp;
  /** The console is at the root of the listener. */
  readonly hasConsole?: boolean;
  /** The readers run the gateway, and are told that it is the database that is away. */
  readonly tellsOfStore?: boolean;
}

export const errorPages = {
  data: { helper: 'help-desk', programs: /^\/(?:jamf\/|t\/[^/]+\/(?:devices|notifications)(?:\/|$))/ },
  admin: { helper: 'gateway', programs: /^\/(?:api|console)\//, hasConsole: true },
  ops: { helper: 'gateway', programs: /^\/(?:health|metrics)\b/ },
} as const satisfies Record<string, ErrorPages>;

const kindOf = (status: number): ErrorKind => {
  if (status === 404) return 'not-found';
  if (status === 429) return 'busy';
  if (status === 503) return 'unavailable';
  return status < 500 ? 'refused' : 'failed';
};

interface ErrorPage {
  readonly kind: ErrorKind;
  readonly helper: Helper;
  readonly hasConsole: boolean;
  readonly requestId: string;
  readonly toLanguage: LanguageSwitch | undefined;
}

export function errorPage(
  language: Language,
  { hasConsole, helper, kind, requestId, toLanguage }: ErrorPage,
): Html {
  const { help, kinds, openConsole, requestId: idName, stepsTitle } = errorTexts[language];
  const text = kinds[kind];
  return pageLayout(
    language,
    text.title,
    [
      paragraphs(text.paragraphs),
      steps(stepsTitle, [...text.steps, help[helper]], false),
      hasConsole && kind === 'not-found'
        ? html`<p class="actions"><a class="main" href="/">${openConsole}</a></p>`
        : html``,
      facts([[idName, requestId]]),
    ],
    toLanguage,
  );
}

async function slugOf(answer: Response): Promise<string | undefined> {
  const { type } = (await answer.clone().json()) as { type?: string };
  return type?.slice(problemTypeBase.length);
}

const asksForPage = (accept: string | undefined): boolean => /(?:^|,)\s*text\/html\b/i.test(accept ?? '');

export const showErrorsAsPages =
  <E extends ListenerEnv>({
    hasConsole = false,
    helper,
    programs,
    tellsOfStore = false,
  }: ErrorPages): MiddlewareHandler<E> =>
  async (c, next) => {
    await next();
    const { headers: told, status } = c.res;
    if (status < 400 || told.get('content-type') !== 'application/problem+json') return;
    const url = new URL(c.req.url);
    if (programs.test(url.pathname) || !asksForPage(c.req.header('accept'))) return;
    const { searchParams: query } = url;
    const language = languageOf(query, c.req.header('accept-language'));
    query.delete(languageParameter);
    // An address with more in it may hold something that must not stand in a link, and leads elsewhere without it.
    const isPlain = c.req.method === 'GET' && query.size === 0;
    const toLanguage = isPlain ? byLink((other) => `?${languageParameter}=${other}`) : undefined;
    const requestId = c.get('requestId');
    const isStoreAway = tellsOfStore && (await slugOf(c.res)) === 'store-unavailable';
    const page = await errorPage(language, {
      ...{ hasConsole, helper, requestId, toLanguage },
      kind: isStoreAway ? 'store-away' : kindOf(status),
    });
    const headers = new Headers({ ...pageHeaders(language), 'content-type': 'text/html; charset=UTF-8' });
    for (const name of ['allow', 'retry-after', 'www-authenticate', 'x-request-id']) {
      const value = told.get(name);
      if (value !== null) headers.set(name, value);
    }
    c.res = undefined;
    c.res = new Response(String(page), { status, headers });
  };
