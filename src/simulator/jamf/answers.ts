import type { Context } from 'hono';
import type { HostEnv } from '../host.ts';
import type { Grant } from './tokens.ts';

/** The variables of an instance's handlers: the host's, and the token that opened the request. */
export interface JamfEnv {
  Bindings: HostEnv['Bindings'];
  Variables: HostEnv['Variables'] & { grant: Grant };
}

export interface ApiErrorEntry {
  readonly code: string;
  readonly description: string;
  readonly id: string | null;
  readonly field: string | null;
}

/**
 * JSON laid out as the server's Jackson printer does it, `"key" : value` and `[ ]` (domain/jamf.md 2.3): a
 * reader that counts on compact JSON fails here as it would there.
 */
export function prettyJson(value: unknown, indent = ''): string {
  if (Array.isArray(value)) {
    return value.length === 0 ? '[ ]' : `[ ${value.map((item) => prettyJson(item, indent)).join(', ')} ]`;
  }
  if (typeof value === 'object' && value !== null) {
    const inner = `${indent}  `;
    const lines = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => `${inner}${JSON.stringify(key)} : ${prettyJson(member, inner)}`);
    return lines.length === 0 ? '{ }' : `{\n${lines.join(',\n')}\n${indent}}`;
  }
  return JSON.stringify(value ?? null);
}

export function answerJson(status: number, value: unknown, headers: Record<string, string> = {}): Response {
  return new Response(prettyJson(value), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });
}

/** The Jamf Pro API's error envelope (domain/jamf.md 8, "Error body"); `errors` may be empty. */
export function apiError(status: number, errors: readonly ApiErrorEntry[]): Response {
  return answerJson(status, { httpStatus: status, errors });
}

/** 401 as captured from real servers (domain/jamf.md 8, "Known codes"). */
export const invalidToken = (): Response =>
  apiError(401, [{ code: 'INVALID_TOKEN', description: 'Unauthorized', id: '0', field: null }]);

/** 403; the code's name is marked unverified in domain/jamf.md 8. */
export const invalidPrivilege = (): Response =>
  apiError(403, [{ code: 'INVALID_PRIVILEGE', description: 'Forbidden', id: '0', field: null }]);

/** 404 for an id that is not there; the code's name is marked unverified in domain/jamf.md 8. */
export const invalidId = (id: string): Response =>
  apiError(404, [
    { code: 'INVALID_ID', description: 'The specified object does not exist', id, field: 'id' },
  ]);

/** 400 for a parameter or body member. */
export const invalidField = (field: string, description: string): Response =>
  apiError(400, [{ code: 'INVALID_FIELD', description, id: '0', field }]);

/** 404 for a path this version of the server does not have. */
export const noSuchPath = (): Response => apiError(404, []);

/** Classic API errors are HTML, not the envelope (domain/jamf.md 8). */
export function classicError(status: number, reason: string): Response {
  return new Response(
    `<html>\n<head>\n   <title>Status page</title>\n</head>\n<body style="font-family: sans-serif;">\n<p>Error: ${reason}</p>\n</body>\n</html>\n`,
    { status, headers: { 'content-type': 'text/html;charset=UTF-8' } },
  );
}

const isClassic = (c: Context<JamfEnv>): boolean => c.req.path.includes('/JSSResource/');

/** The right kind of 401 for the API that was called. */
export const unauthorized = (c: Context<JamfEnv>): Response =>
  isClassic(c) ? classicError(401, 'The request requires user authentication') : invalidToken();

/** The right kind of 403 for the API that was called. */
export const forbidden = (c: Context<JamfEnv>): Response =>
  isClassic(c) ? classicError(403, 'The server understood the request but refuses it') : invalidPrivilege();

/** An instant as Java prints it: milliseconds only when there are any (capture in domain/jamf.md 2.3). */
export function instant(ms: number): string {
  const text = new Date(ms).toISOString();
  return ms % 1000 === 0 ? text.replace('.000Z', 'Z') : text;
}
