import type { MiddlewareHandler } from 'hono';
import { reasonCharacters } from '../limits.ts';
import type { AdminEnv } from './context.ts';
import { reading } from './recording.ts';
import { invalidField } from './schemas.ts';

/** `X-Espalier-Reason`: why an operator writes, for the history. */

export const reasonHeader = 'X-Espalier-Reason';

/** HTTP gives a header's bytes one character each; most clients send UTF-8 all the same. */
function fromUtf8(header: string): string {
  const bytes = Uint8Array.from(header, (character) => character.charCodeAt(0));
  // A character above 255 was no byte: the text is decoded already.
  if ([...header].some((character) => (character.codePointAt(0) ?? 0) > 0xff)) return header;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // ISO 8859-1, as the standard has it.
    return header;
  }
}

/** Undefined: none is given. Throws `ProblemError`, `invalid-request`. */
export function readReason(header: string | undefined): string | undefined {
  const reason = header === undefined ? '' : fromUtf8(header).trim();
  if (reason === '') return undefined;
  if (/[\p{Cc}\u2028\u2029]/u.test(reason)) throw invalidField(reasonHeader, 'must be one line of text');
  if (reason.length > reasonCharacters) {
    throw invalidField(reasonHeader, `has ${reason.length} characters; at most ${reasonCharacters} are kept`);
  }
  return reason;
}

/** Takes the reason of every write; where its body has a `reason` too, that one is recorded. */
export const takeReason: MiddlewareHandler<AdminEnv> = async (c, next) => {
  if (!reading.includes(c.req.method)) c.set('reason', readReason(c.req.header(reasonHeader)));
  await next();
};
