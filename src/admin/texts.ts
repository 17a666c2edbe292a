import type { MiddlewareHandler } from 'hono';
import type { AdminEnv } from './context.ts';
import { invalidField } from './schemas.ts';
import { hasReadBody } from './writes.ts';

/**
 * Texts of every request are held to these rules, in one place for each field that there is or will be. PostgreSQL's
 * texts hold no NUL. Names stand in lists, logs and pages, where a control character breaks the line and one that turns
 * the direction of text around makes it read as another name. An URL with a line break would be stored as another URL:
 * that is what the URL standard does with it.
 */

const control = /[\p{Cc}\p{Zl}\p{Zp}]/u;
/** Unicode's Bidi_Control: marks, embeddings, overrides and isolates. */
const turning = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/;
/** Texts of several lines, and a secret, which is whatever its maker chose. */
const ofSeveralLines: ReadonlySet<string> = new Set(['caCertificate', 'clientSecret']);

function faultOf(text: string, member: string | undefined): string | undefined {
  if (text.includes('\0')) return 'must not contain the character NUL';
  if (!text.isWellFormed()) return 'is no well-formed Unicode: half of a character stands alone';
  if (member !== undefined && ofSeveralLines.has(member)) return undefined;
  if (control.test(text)) return 'must not contain control characters or line ends';
  return turning.test(text)
    ? 'must not contain characters that turn the direction of the text around'
    : undefined;
}

interface TextFault {
  /** Path of the text, or of the object whose member has such a name; empty: the value itself. */
  readonly path: readonly string[];
  readonly description: string;
}

function findFault(value: unknown, path: readonly string[] = []): TextFault | undefined {
  if (typeof value === 'string') {
    const description = faultOf(value, path.at(-1));
    return description === undefined ? undefined : { path, description };
  }
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const description = faultOf(name, undefined);
    const fault = description === undefined ? findFault(inner, [...path, name]) : { path, description };
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Refused as what it is, by the validation that follows.
    return undefined;
  }
}

/** A query is checked for NUL and broken encoding alone: the rest of it is compared and never stored. */
export const refuseBadTextInQuery: MiddlewareHandler<AdminEnv> = async (c, next) => {
  const { search, searchParams } = new URL(c.req.url);
  try {
    decodeURIComponent(search.replaceAll('+', ' '));
  } catch {
    throw invalidField('query', 'is no percent-encoded UTF-8', 'INVALID_ENCODING');
  }
  for (const [name, value] of searchParams) {
    if (name.includes('\0') || value.includes('\0'))
      throw invalidField(name.replaceAll('\0', ''), 'must not contain the character NUL');
  }
  await next();
};

/** After the body was read within its limits and is known to be UTF-8. */
export const refuseBadTextInBody: MiddlewareHandler<AdminEnv> = async (c, next) => {
  const isJson = /json/i.test(c.req.header('content-type') ?? '');
  if (isJson && c.req.raw.body && hasReadBody(c.req.method)) {
    const fault = findFault(parsed(await c.req.raw.clone().text()));
    if (fault !== undefined) throw invalidField(fault.path.join('.') || 'body', fault.description);
  }
  await next();
};
