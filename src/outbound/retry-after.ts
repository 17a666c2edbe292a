import { longestSilenceMs } from '../limits.ts';

const bounded = (seconds: number): number =>
  Math.min(Math.max(0, Math.ceil(seconds)), longestSilenceMs / 1_000);

/**
 * Whole seconds to wait from a `Retry-After` header (RFC 9110 section 10.2.3: seconds or an HTTP date),
 * rounded up, from 0 to an hour: a date and a clock that was set may be days apart, and no service of Microsoft's asks
 * for more. Undefined when it is absent or unreadable.
 */
export function retryAfterSeconds(headers: Headers, nowMs: number): number | undefined {
  const text = headers.get('retry-after')?.trim();
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,9}(?:\.\d+)?$/.test(text)) return bounded(Number(text));
  const atMs = /^[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : bounded((atMs - nowMs) / 1000);
}
