import { longestSilenceMs } from '../limits.ts';

/**
 * Whole seconds to wait from a `Retry-After` header (RFC 9110 section 10.2.3: seconds or an HTTP date),
 * rounded up, from 0 to `longestMs`. That is an hour: a date and a clock that was set may be days apart, and no service of
 * Microsoft's asks for more. Undefined when it is absent or unreadable.
 */
export function retryAfterSeconds(
  headers: Headers,
  nowMs: number,
  longestMs = longestSilenceMs,
): number | undefined {
  const bounded = (seconds: number): number => Math.min(Math.max(0, Math.ceil(seconds)), longestMs / 1_000);
  const text = headers.get('retry-after')?.trim();
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,9}(?:\.\d+)?$/.test(text)) return bounded(Number(text));
  const atMs = /^[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : bounded((atMs - nowMs) / 1000);
}
