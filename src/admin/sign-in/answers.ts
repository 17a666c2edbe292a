/** All steps of signing in share how they read a request and how they answer it. */

import type { Context } from 'hono';
import { readBody } from '../../gateway/body.ts';
import { type Language, languageOf as languageOfAddress, languageParameter } from '../../gateway/language.ts';
import { formBodyBytes } from '../../limits.ts';
import type { AdminEnv } from '../context.ts';
import { isSameOrigin } from '../operators/csrf.ts';
import { pageHeaders, type RefusalPage, refusalPage } from './pages.ts';

export const languageOf = (c: Context): Language =>
  languageOfAddress(new URL(c.req.url).searchParams, c.req.header('accept-language'));

/** True where the address names the language: the form then carries it on. */
export const isLanguageAsked = (c: Context): boolean => c.req.query(languageParameter) !== undefined;

type RefusalStatus = 400 | 403 | 404 | 429 | 502 | 503;

export function refused(
  c: Context<AdminEnv>,
  status: RefusalStatus,
  page: Omit<RefusalPage, 'requestId'>,
  retryAfterSeconds?: number,
): Response | Promise<Response> {
  const language = languageOf(c);
  const headers = pageHeaders(language);
  if (retryAfterSeconds !== undefined)
    headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfterSeconds)));
  return c.html(refusalPage(language, { ...page, requestId: c.get('requestId') }), status, headers);
}

export function redirect(c: Context<AdminEnv>, location: string): Response {
  return c.body(null, 303, { ...pageHeaders(languageOf(c)), location });
}

/** The fields of a form of ours; another site's request comes without our Lax cookie, and is refused as it is. */
export async function ownForm(c: Context<AdminEnv>, ownOrigin: string): Promise<URLSearchParams | undefined> {
  if (!isSameOrigin(c.req.raw.headers, ownOrigin)) return undefined;
  return new URLSearchParams(new TextDecoder().decode(await readBody(c.req.raw, formBodyBytes)));
}
