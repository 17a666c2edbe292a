import type { MiddlewareHandler } from 'hono';
import { base64url } from 'jose';
import type { AdminEnv } from './context.ts';

/**
 * ETag of everything that is read (RFC 9110, section 8.8). Objects that are written under a lock give their version,
 * which alone is what `If-Match` compares (`checkIfMatch` in schemas.ts): a check-in that changes what is shown must not
 * fail a change of what is written. The tag has a hash of the answer behind it, `"7-…"`, so that it is a strong one
 * and `If-None-Match` is never told that nothing changed when something did.
 */

const hashCharacters = 16;

const hashOf = async (body: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<string> =>
  base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', body))).slice(0, hashCharacters);

/** The strong tag of an answer that is made once and given to many, so that it is not hashed for each of them. */
export const tagOf = async (text: string): Promise<string> =>
  `"${await hashOf(new TextEncoder().encode(text))}"`;

const strong = (tag: string): string => tag.trim().replace(/^W\//, '');

/** Weak comparison, as RFC 9110 section 13.1.2 wants it: a proxy that compresses makes tags weak. */
const names = (ifNoneMatch: string, tag: string): boolean =>
  ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((one) => strong(one) === tag);

export const entityTags: MiddlewareHandler<AdminEnv> = async (c, next) => {
  await next();
  const answer = c.res;
  // Streamed answers have other types; they are never held.
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return;
  if (answer.status !== 200 || !/^application\/json\b/.test(answer.headers.get('content-type') ?? '')) return;
  const given = answer.headers.get('etag');
  const version = /^"(\d+)"$/.exec(given ?? '')?.[1];
  const tag =
    given === null || version !== undefined
      ? `"${version === undefined ? '' : `${version}-`}${await hashOf(await answer.clone().arrayBuffer())}"`
      : given;
  const ifNoneMatch = c.req.header('if-none-match');
  if (ifNoneMatch === undefined || !names(ifNoneMatch, tag)) {
    c.header('etag', tag);
    return;
  }
  // Assigning merges the headers of the old answer into the new one, its content type among them.
  c.res = undefined;
  c.res = new Response(null, { status: 304, headers: { etag: tag } });
};
