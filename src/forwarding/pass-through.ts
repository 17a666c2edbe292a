/**
 * Calls of the Microsoft side that go to the instance as they are, when method and path are on the operator's list.
 * A part of the path is either the list's own word, byte for byte, or `{id}`, for which the device's own computer id is
 * put: a caller names no computer, and so reaches no other. What is spelt in another way (encoded, with dots, with
 * empty parts) equals nothing on the list.
 */

import { passThroughQueryCharacters } from '../limits.ts';
import { type Problem, problem } from '../problems.ts';

/** One entry of ESPALIER_PASS_THROUGH. */
export interface PassThroughEntry {
  readonly method: string;
  /** Parts of the path; `{id}` stands for the computer's id. */
  readonly parts: readonly string[];
}

const idPart = '{id}';
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);
/** No `%`: nothing has two spellings. No `;`: servers cut it off with what follows. No `*`: it is no wildcard here. */
const literalPart = /^[\w.~!$&'()+,=:@-]+$/;

/** `GET /api/v1/…/{id}`; undefined when it is none. */
export function parsePassThroughEntry(text: string): PassThroughEntry | undefined {
  const [, method = '', path = ''] = /^([A-Z]+) \/(\S+)$/.exec(text) ?? [];
  const parts = path.split('/');
  const isPart = (part: string): boolean =>
    part === idPart || (literalPart.test(part) && part !== '.' && part !== '..');
  return methods.has(method) && parts.every(isPart) ? { method, parts } : undefined;
}

export type PassThroughMatch =
  | { readonly ok: true /** At the instance, with the query. */; readonly path: string }
  | { readonly ok: false; readonly problem: Problem };

/** `{id}` as it is written and as browsers and libraries encode it. */
const spellsId = (part: string): boolean => part === idPart || /^%7bid%7d$/i.test(part);

/** A HEAD is a GET without the body (RFC 9110, 9.3.2). */
const takes = (entry: PassThroughEntry, method: string): boolean =>
  entry.method === method || (entry.method === 'GET' && method === 'HEAD');

const partsMatch = (wanted: readonly string[], given: readonly string[]): boolean =>
  wanted.length === given.length &&
  wanted.every((part, index) => {
    const other = given[index] ?? '';
    return part === idPart ? spellsId(other) : part === other;
  });

/** Visible ASCII: what may stand in a request line, and no fragment. */
const queryText = /^[\x21\x22\x24-\x7e]*$/;

const notListed: PassThroughMatch = {
  ok: false,
  problem: problem('not-found', 'This method and path are not passed through (ESPALIER_PASS_THROUGH).'),
};

const badQuery: PassThroughMatch = {
  ok: false,
  problem: problem('invalid-request', 'The query may not be passed through.', {
    errors: [
      {
        code: 'INVALID_QUERY',
        field: 'query',
        description: `visible ASCII, ${passThroughQueryCharacters} characters at most`,
      },
    ],
  }),
};

/** `target`: what follows `/jamf` in the request line as it was sent, with its leading slash and the query. */
export function matchPassThrough(
  entries: readonly PassThroughEntry[],
  method: string,
  target: string,
  jamfComputerId: number,
): PassThroughMatch {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? '' : target.slice(mark);
  if (!path.startsWith('/')) return notListed;
  const given = path.slice(1).split('/');
  const entry = entries.find((one) => takes(one, method) && partsMatch(one.parts, given));
  if (!entry) return notListed;
  if (query.length > passThroughQueryCharacters || !queryText.test(query)) return badQuery;
  const parts = entry.parts.map((part) => (part === idPart ? String(jamfComputerId) : part));
  return { ok: true, path: `/${parts.join('/')}${query}` };
}
