/** Reason why a call to an instance gave nothing. */
export type JamfFailureKind =
  | 'not-found'
  | 'unauthenticated'
  | 'forbidden'
  | 'unreachable'
  | 'timeout'
  | 'refused-address'
  | 'overloaded'
  | 'invalid-answer'
  | 'no-secret'
  | 'error';

export interface JamfFailure {
  readonly ok: false;
  readonly failure: JamfFailureKind;
  /** HTTP status, when there was an answer. */
  readonly status?: number;
  readonly retryAfterSeconds?: number;
  /** Explanation for people; never holds a token, a secret or text of the instance's own making. */
  readonly detail: string;
}

/** The value's members beside `ok: true`, or why there is none. */
export type JamfResult<Value> = ({ readonly ok: true } & Value) | JamfFailure;

/** An answer whose body was read. */
export interface JamfAnswer {
  readonly ok: true;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Longest wait taken from `Retry-After`: a day; a longer one is a fault of the sender. */
const retryAfterMaxSeconds = 86_400;

/**
 * Reads an answer by its JSON (undefined: it is none), or says why it has none. A JSON or empty body speaks for Jamf, and its status counts; HTML,
 * plain text and broken JSON come from something in front of it (a firewall's 403, a maintenance page with 503, a
 * router's `404 page not found`: domain/jamf.md 5.3 and 9) and are `invalid-answer` whatever the status says.
 */
export function readAnswer(
  answer: JamfAnswer,
  nowMs: number,
  body: unknown,
): JamfResult<{ readonly body: unknown }> {
  const { status, headers, text } = answer;
  const retryAfterSeconds = readRetryAfter(headers.get('retry-after'), nowMs);
  if (body === undefined && text.trim() !== '') {
    return {
      ok: false,
      failure: 'invalid-answer',
      status,
      retryAfterSeconds,
      detail: foreignDetail(status, text),
    };
  }
  if (status >= 200 && status < 300) {
    if (body !== undefined) return { ok: true, body };
    return { ok: false, failure: 'invalid-answer', status, detail: `HTTP ${status} with an empty body` };
  }
  const failure = failureOfStatus(status);
  return { ok: false, failure, status, retryAfterSeconds, detail: `HTTP ${status}${codesOf(body)}` };
}

function failureOfStatus(status: number): JamfFailureKind {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not-found';
  if (status === 429 || status === 503) return 'overloaded';
  // A redirect leads to a sign-in page or another server; a token must not follow it there.
  return status < 400 ? 'invalid-answer' : 'error';
}

function foreignDetail(status: number, text: string): string {
  if (!/^\s*</.test(text)) return `HTTP ${status} with a body that is not JSON`;
  if (status === 403)
    return 'HTTP 403 with an HTML page: a firewall or content network in front of the instance';
  if (status === 503)
    return 'HTTP 503 with an HTML page: the instance is starting, updating or in maintenance';
  return `HTTP ${status} with an HTML page instead of JSON`;
}

/**
 * The codes of Jamf's error envelope or of an OAuth error (RFC 6749 5.2). Descriptions are left out: they are the
 * server's free text and may repeat what was sent.
 */
function codesOf(body: unknown): string {
  if (typeof body !== 'object' || body === null) return '';
  const codes: unknown[] = 'error' in body ? [body.error] : [];
  if ('errors' in body && Array.isArray(body.errors)) {
    for (const error of body.errors.slice(0, 3) as readonly unknown[]) {
      if (typeof error === 'object' && error !== null && 'code' in error) codes.push(error.code);
    }
  }
  const safe = codes.filter((code) => typeof code === 'string' && /^[A-Za-z_]{1,40}$/.test(code));
  return safe.length > 0 ? ` (${safe.join(', ')})` : '';
}

/** Seconds of a `Retry-After` (RFC 9110 10.2.3: seconds or an HTTP date). */
function readRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  const seconds = /^[0-9]{1,9}$/.test(text) ? Number(text) : Math.ceil((Date.parse(text) - nowMs) / 1000);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), retryAfterMaxSeconds) : undefined;
}
