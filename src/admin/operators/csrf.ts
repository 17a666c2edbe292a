import { base64url } from 'jose';
import type { OperatorSession } from '../context.ts';
import { sameText } from './key-operators.ts';

/**
 * Protection of requests that a browser authenticates by its cookie (OWASP, Cross-Site Request Forgery Prevention): the
 * browser's own word on where the request comes from, and a token of the session that only our pages can read.
 */

export const csrfHeader = 'x-espalier-csrf';

/** Methods that change nothing (RFC 9110, 9.2.1). */
export const isSafeMethod = (method: string): boolean => ['GET', 'HEAD', 'OPTIONS'].includes(method);

const tokenBytes = 32;
const maskedForm = /^[\w-]{86}$/;

/**
 * The token as one answer shows it: random bytes, then the token mixed with them. Pages are compressed, and the size of
 * many answers would tell a text that stands in all of them beside what an attacker chooses (BREACH); this one is in one.
 */
export function maskedToken(token: string): string {
  const mixed = new Uint8Array(2 * tokenBytes);
  const mask = crypto.getRandomValues(mixed.subarray(0, tokenBytes));
  mixed.set(
    base64url.decode(token).map((byte, index) => byte ^ (mask[index] ?? 0)),
    tokenBytes,
  );
  return base64url.encode(mixed);
}

/** The session's token in what an answer showed; undefined: it is none. */
function unmasked(shown: string): string | undefined {
  if (!maskedForm.test(shown)) return undefined;
  const mixed = base64url.decode(shown);
  return base64url.encode(mixed.subarray(tokenBytes).map((byte, index) => byte ^ (mixed[index] ?? 0)));
}

/**
 * Fetch metadata where the browser sends it, else `Origin`, which every browser sends with a write. `null` is what it
 * becomes under a strict referrer policy.
 */
export function isSameOrigin(headers: Headers, adminUrl: string): boolean {
  const site = headers.get('sec-fetch-site');
  const origin = headers.get('origin');
  if (origin !== null && origin !== 'null' && origin !== adminUrl) return false;
  return site === null ? origin === adminUrl : site === 'same-origin';
}

/** Reason why a write is refused; undefined: it comes from our own pages. */
export async function csrfFault(
  headers: Headers,
  adminUrl: string,
  session: OperatorSession,
  given: string | undefined,
): Promise<string | undefined> {
  if (!isSameOrigin(headers, adminUrl)) {
    return `A request with the session's cookie has to come from ${adminUrl} (ESPALIER_ADMIN_URL).`;
  }
  const token = given === undefined ? undefined : unmasked(given);
  if (token === undefined || !(await sameText(token, await session.csrfToken()))) {
    return `A writing request with the session's cookie needs the header ${csrfHeader}: GET /api/v1/session tells its value.`;
  }
  return undefined;
}
