/**
 * Which headers cross. Both directions are allow lists: a header that nobody thought of stays on its side. The
 * caller's token, cookies and hop-by-hop headers never cross (contract section 6; RFC 9110, 7.6.1).
 */

export const towardsInstance = ['accept', 'accept-language', 'traceparent', 'tracestate'] as const;
export const towardsCaller = [
  'content-type',
  'content-language',
  'etag',
  'last-modified',
  'retry-after',
] as const;

export function requestHeaders(from: Headers, requestId: string): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json' };
  for (const name of towardsInstance) {
    const value = from.get(name);
    if (value !== null) headers[name] = value;
  }
  return { ...headers, 'x-request-id': requestId, 'user-agent': 'Espalier' };
}

export function responseHeaders(from: Headers, requestId: string): Headers {
  const headers = new Headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  for (const name of towardsCaller) {
    const value = from.get(name);
    if (value !== null) headers.set(name, value);
  }
  headers.set('x-request-id', requestId);
  return headers;
}
