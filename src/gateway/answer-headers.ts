/**
 * Headers that every answer of every listener has, whoever makes it: pages, API answers, problems, redirects, answers that
 * are passed on from an instance, and refusals of what is no HTTP. A browser may be led to any of them. What an answer says
 * itself stands in place of the one here: pages have policies of their own, assets may be cached.
 */

import { isAddressLiteral, isLocalhost } from '../outbound/addresses.ts';

const always = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** A year. Without `includeSubDomains`: other hosts of the domain are not Espalier's. */
const strictTransport = 'max-age=31536000';

/** Names in lower case. */
export interface AnswerHeaders {
  readonly entries: readonly (readonly [name: string, value: string])[];
  /** The same as lines of a head. */
  readonly lines: string;
}

/**
 * `origin`: the address at which browsers reach the listener. HTTP Strict Transport Security follows from it and not from
 * ESPALIER_TLS, because a balancer in front may terminate TLS. Undefined: plain HTTP.
 */
export function createAnswerHeaders(origin?: string): AnswerHeaders {
  const { hostname, protocol } = new URL(origin ?? 'http://localhost');
  // At localhost browsers would use HTTPS for every port of a person's own machine, development servers included.
  const isStrict = protocol === 'https:' && !isLocalhost(hostname) && !isAddressLiteral(hostname);
  const entries = Object.entries(
    isStrict ? { ...always, 'strict-transport-security': strictTransport } : always,
  );
  return { entries, lines: entries.map(([name, value]) => `${name}: ${value}\r\n`).join('') };
}

/** The answer with what it lacks of them. */
export function withAnswerHeaders(answer: Response, { entries }: AnswerHeaders): Response {
  const headers = new Headers(answer.headers);
  for (const [name, value] of entries) if (!headers.has(name)) headers.set(name, value);
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}
