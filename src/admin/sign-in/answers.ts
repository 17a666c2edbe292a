/** All steps of signing in share how they read a request and how they answer it. */

import type { Context } from 'hono';
import { askedLanguage, type Language, languageOf as languageOfRequest } from '../../gateway/language.ts';
import { parseGuid } from '../../ids.ts';
import { formBodyBytes } from '../../limits.ts';
import { retryAfterOf } from '../../problems.ts';
import { SealBroken } from '../../secrets/seal.ts';
import type { AdminEnv, AdminServices } from '../context.ts';
import { languageCookie, refusalCookie, setLanguageCookie, setRefusalCookie } from '../operators/cookies.ts';
import { isSameOrigin } from '../operators/csrf.ts';
import { pageHeaders, refusalPage } from './pages.ts';
import { type ExplainedRefusal, pageOfRefusal, plainRefusal, type Refusal } from './refusals.ts';
import { signInTexts } from './texts.ts';

const queryOf = (c: Context): URLSearchParams => new URL(c.req.url).searchParams;

export const languageOf = (c: Context): Language =>
  languageOfRequest(queryOf(c), c.req.header('accept-language'), languageCookie(c));

/** Keeps the language that the address asks for, for the steps that follow. */
export function keepLanguage(c: Context): void {
  const asked = askedLanguage(queryOf(c));
  if (asked !== undefined) setLanguageCookie(c, asked);
}

type Parts = Pick<AdminServices, 'adminUrl' | 'sealer'>;

/** Binds a sealed refusal to the cookie that holds it. */
const sealedFor = 'sign-in-refusal.1';

interface KeptRefusal {
  readonly refusal: ExplainedRefusal;
  readonly requestId: string;
}

export const refusedPath = '/sign-in/refused';

function showRefusal(
  c: Context<AdminEnv>,
  { adminUrl }: Parts,
  refusal: Refusal,
  { requestId, retryAfterSeconds }: { readonly requestId: string; readonly retryAfterSeconds?: number },
): Response | Promise<Response> {
  const language = languageOf(c);
  const { page, status } = pageOfRefusal(refusal, signInTexts(language), adminUrl());
  const headers = pageHeaders(language);
  const retryAfter = retryAfterOf(status, retryAfterSeconds);
  if (retryAfter !== undefined) headers['retry-after'] = retryAfter;
  const addressIn = (other: Language): string => {
    const named: Record<string, string> =
      typeof refusal === 'string' ? { reason: refusal, request: requestId } : {};
    return `${refusedPath}?${new URLSearchParams({ ...named, language: other })}`;
  };
  return c.html(refusalPage(language, { ...page, requestId }, addressIn), status, headers);
}

/**
 * The request cannot be made again for the other language, so its refusal has an address of its own: with its name where that
 * says all, and with what Microsoft said sealed in a cookie, where nobody else's link can write it.
 */
export async function refused(
  c: Context<AdminEnv>,
  parts: Parts,
  refusal: Refusal,
  retryAfterSeconds?: number,
): Promise<Response> {
  const requestId = c.get('requestId');
  if (typeof refusal !== 'string') {
    const kept: KeptRefusal = { refusal, requestId };
    setRefusalCookie(c, await parts.sealer.seal(JSON.stringify(kept), sealedFor));
  }
  const more = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  return showRefusal(c, parts, refusal, { requestId, ...more });
}

async function keptRefusal(c: Context<AdminEnv>, { sealer }: Parts): Promise<KeptRefusal | undefined> {
  const sealed = refusalCookie(c);
  if (sealed === undefined) return undefined;
  try {
    return JSON.parse(await sealer.open(sealed, sealedFor));
  } catch (error) {
    if (error instanceof SealBroken) return undefined;
    throw error;
  }
}

/** Shows the page of an earlier refusal; of the address it shows nothing but an id in our own form. */
export async function showEarlierRefusal(c: Context<AdminEnv>, parts: Parts): Promise<Response> {
  const query = queryOf(c);
  const reason = query.get('reason');
  const requestId = parseGuid(query.get('request') ?? undefined) ?? c.get('requestId');
  const kept = reason === null ? await keptRefusal(c, parts) : undefined;
  return kept === undefined
    ? showRefusal(c, parts, plainRefusal(reason ?? '') ?? 'not-matched', { requestId })
    : showRefusal(c, parts, kept.refusal, kept);
}

export function redirect(c: Context<AdminEnv>, location: string): Response {
  return c.body(null, 303, { ...pageHeaders(languageOf(c)), location });
}

/** The fields of a form of ours; another site's request comes without our Lax cookie, and is refused as it is. */
export async function ownForm(
  c: Context<AdminEnv>,
  { facts }: Pick<AdminServices, 'facts'>,
  ownOrigin: string,
): Promise<URLSearchParams | undefined> {
  if (!isSameOrigin(c.req.raw.headers, ownOrigin)) return undefined;
  return new URLSearchParams(new TextDecoder().decode(await facts.readBody(c, formBodyBytes)));
}
