import type { MiddlewareHandler } from 'hono';
import type { AdminEnv } from './context.ts';
import { invalidField } from './schemas.ts';

/**
 * PostgreSQL's texts hold no NUL, so no value of a request may; said in one place for every field that there is or
 * will be.
 */

const nul = '\0';

/** Path of the first text with NUL, or of the member whose name has one; `[]` is the value itself. */
function placeOfNul(value: unknown, path: readonly string[] = []): readonly string[] | undefined {
  if (typeof value === 'string') return value.includes(nul) ? path : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const found = name.includes(nul) ? path : placeOfNul(inner, [...path, name]);
    if (found !== undefined) return found;
  }
  return undefined;
}

const mayHoldNul = (text: string): boolean => text.includes(nul) || text.includes('\\u0000');

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Refused as what it is, by the validation that follows.
    return undefined;
  }
}

export const refuseNulInQuery: MiddlewareHandler<AdminEnv> = async (c, next) => {
  for (const [name, value] of new URL(c.req.url).searchParams) {
    if (name.includes(nul) || value.includes(nul))
      throw invalidField(name.replaceAll(nul, ''), 'must not contain the character NUL');
  }
  await next();
};

/** After the body was read within its limits: it is looked at only when the signs are there. */
export const refuseNulInBody: MiddlewareHandler<AdminEnv> = async (c, next) => {
  if (/json/i.test(c.req.header('content-type') ?? '') && c.req.raw.body) {
    const text = await c.req.raw.clone().text();
    const place = mayHoldNul(text) ? placeOfNul(parsed(text)) : undefined;
    if (place !== undefined)
      throw invalidField(place.join('.') || 'body', 'must not contain the character NUL');
  }
  await next();
};
