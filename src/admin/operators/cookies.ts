import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { Language } from '../../gateway/language.ts';
import { signInMs } from '../../limits.ts';

/**
 * The cookies of operators' browsers. `__Host-`: only this host itself can have set them, over TLS, for all its
 * paths. They are Secure also where TLS ends at a load balancer: the browser speaks TLS with that.
 */

const options = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const;
const session = '__Host-espalier';
const signIn = '__Host-espalier-sign-in';
const language = '__Host-espalier-language';
const refusal = '__Host-espalier-refusal';
/** 256 bits in base64url. */
const form = /^[\w-]{43}$/;

const read = (c: Context, name: string): string | undefined => {
  const value = getCookie(c, name);
  return value !== undefined && form.test(value) ? value : undefined;
};

export const sessionCookie = (c: Context): string | undefined => read(c, session);
/** Without an age: the browser forgets it at its end, the server before that. */
export const setSessionCookie = (c: Context, value: string): void => setCookie(c, session, value, options);
export const dropSessionCookie = (c: Context): void => void deleteCookie(c, session, options);

/** Cookie of the browser that began a sign-in: another one cannot finish it. */
export const signInCookie = (c: Context): string | undefined => read(c, signIn);
export const setSignInCookie = (c: Context, value: string): void =>
  setCookie(c, signIn, value, { ...options, maxAge: signInMs / 1_000 });
export const dropSignInCookie = (c: Context): void => void deleteCookie(c, signIn, options);

/** The language that the person chose, until the browser ends: the ways to Microsoft and back carry none. */
export const languageCookie = (c: Context): string | undefined => getCookie(c, language);
export const setLanguageCookie = (c: Context, chosen: Language): void =>
  setCookie(c, language, chosen, options);

/** Sealed: what Microsoft said of a sign-in that it refused, for the same page in the other language. */
export const refusalCookie = (c: Context): string | undefined => getCookie(c, refusal);
export const setRefusalCookie = (c: Context, sealed: string): void =>
  setCookie(c, refusal, sealed, { ...options, maxAge: signInMs / 1_000 });
