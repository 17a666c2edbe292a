import type { OperatorSession } from '../context.ts';
import { sameText } from './key-operators.ts';

/**
 * Protection of requests that a browser authenticates by its cookie (OWASP, Cross-Site Request Forgery Prevention): the
 * browser's own word on where the request comes from, and a token of the session that only our pages can read.
 */

export const csrfHeader = 'x-espalier-csrf';

/** Methods that change nothing (RFC 9110, 9.2.1). */
export const isSafeMethod = (method: string): boolean => ['GET', 'HEAD', 'OPTIONS'].includes(method);

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
  if (given === undefined || !(await sameText(given, session.csrfToken))) {
    return `A writing request with the session's cookie needs the header ${csrfHeader}: GET /api/v1/session tells its value.`;
  }
  return undefined;
}
