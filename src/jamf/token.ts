import { createJoining } from '../joining.ts';
import { SecretUnreadable } from '../secrets/reference.ts';
import { isRecord, parseJson } from '../untrusted/bounded-json.ts';
import type { Exchange } from './exchange.ts';
import { type JamfAnswer, type JamfFailure, type JamfResult, readAnswer } from './failure.ts';

/** Renewal this long before a token's end, where it lives long enough. */
const renewBeforeSeconds = 30;
/** Below this lifetime a token is renewed in its last third: Jamf's console makes tokens of 60 s by default. */
const shortLifetimeSeconds = 90;
/** Lifetime assumed when the instance does not say: the console's default (domain/jamf.md 1.2). */
const defaultLifetimeSeconds = 60;
const lifetimeMaxSeconds = 86_400;
const tokenAnswerMaxBytes = 65_536;
const tokenMaxChars = 16_384;

/** The documented path since 10.49 is the second; the specification's current one is the first. */
const tokenPaths = ['/api/v1/oauth/token', '/api/oauth/token'] as const;

export type TokenPath = (typeof tokenPaths)[number];

export interface JamfToken {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
  readonly renewAtMs: number;
}

export interface TokenSource {
  /** The cached token while it is fresh. */
  cached(): JamfToken | undefined;
  /** The cached token, or a new one; callers at the same time share one request. */
  get(): Promise<JamfResult<{ readonly token: JamfToken }>>;
  /** Forgets this token, and no newer one that came meanwhile. */
  invalidate(token: string): void;
}

/** What an instance granted, as plain data that outlives its source. */
export interface GrantedToken {
  token?: JamfToken;
  /** The path that is known to work. */
  path?: TokenPath;
}

export interface TokenSourceOptions {
  readonly exchange: Exchange;
  readonly clientId: string;
  readonly clientSecret: () => Promise<string>;
  /** Milliseconds that only grow (clock.ts). */
  readonly now: () => number;
  /** Default: the source's own. */
  readonly granted?: GrantedToken;
}

/** Tokens of one API client by the client credentials grant (domain/jamf.md 1.1 and 1.2). */
export function createTokenSource(options: TokenSourceOptions): TokenSource {
  const { granted: known = {}, now } = options;
  const requests = createJoining<JamfResult<{ readonly token: JamfToken }>>('process');

  const cached = (): JamfToken | undefined =>
    known.token && now() < known.token.renewAtMs ? known.token : undefined;

  const renew = async (): Promise<JamfResult<{ readonly token: JamfToken }>> => {
    const granted = await requestToken(options, known.path);
    if (granted.ok) {
      known.token = granted.token;
      known.path = granted.path;
    }
    return granted;
  };

  return {
    cached,
    get: async () => {
      const token = cached();
      return token ? { ok: true, token } : requests.once('', renew);
    },
    invalidate: (token) => {
      if (known.token?.value === token) delete known.token;
    },
  };
}

/** One token request, at the path known to work first, else at both in turn. */
async function requestToken(
  options: TokenSourceOptions,
  knownPath: TokenPath | undefined,
): Promise<JamfResult<{ readonly token: JamfToken; readonly path: TokenPath }>> {
  const form = await credentialsForm(options);
  if (!form.ok) return form;
  const { body } = form;
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const order = knownPath === tokenPaths[1] ? tokenPaths.toReversed() : tokenPaths;
  let refusal: JamfFailure | undefined;
  for (const path of order) {
    // Counted from before the request: the lifetime began on the server at some moment after it.
    const askedAtMs = options.now();
    const request = { method: 'POST', path, headers, body, answerMaxBytes: tokenAnswerMaxBytes } as const;
    const answer = await options.exchange(request);
    if (!answer.ok) return ofTokenRequest(answer);
    const isMissing = answer.status === 404 || answer.status === 405;
    const result = isMissing ? noTokenEndpoint(answer.status) : readToken(answer, askedAtMs);
    if (result.ok) return { ...result, path };
    // A server may also guard a path it does not have: a 401 without an OAuth error says nothing about the client.
    const isGuarded = answer.status === 401 && path !== knownPath && !hasOAuthError(answer);
    if (!isMissing && !isGuarded) return result;
    refusal = refusal?.failure === 'unauthenticated' ? refusal : result;
  }
  return refusal ?? noTokenEndpoint(404);
}

/**
 * The grant's form. A secret that cannot be had is this instance's failure, which whoever configured it has to end, and
 * must not end the work for others. A reference's fault is told; what else went wrong may hold what must not be shown.
 */
async function credentialsForm(options: TokenSourceOptions): Promise<JamfResult<{ readonly body: string }>> {
  try {
    const secret = await options.clientSecret();
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: options.clientId,
      client_secret: secret,
    });
    return { ok: true, body: body.toString() };
  } catch (error) {
    const why = error instanceof SecretUnreadable ? `: ${error.message}` : '';
    return { ok: false, failure: 'no-secret', detail: `the API client's secret could not be read${why}` };
  }
}

function ofTokenRequest(failure: JamfFailure): JamfFailure {
  return { ...failure, detail: `token request: ${failure.detail}` };
}

function hasOAuthError(answer: JamfAnswer): boolean {
  const read = parseJson(answer.text);
  return isRecord(read) && typeof read.error === 'string';
}

/** The kind is never `not-found`, which for the caller would mean that the computer is gone. */
function noTokenEndpoint(status: number): JamfFailure {
  const detail = `HTTP ${status} on both token paths: not a Jamf Pro server of 10.49 or newer at this URL`;
  return { ok: false, failure: 'invalid-answer', status, detail };
}

function readToken(answer: JamfAnswer, askedAtMs: number): JamfResult<{ readonly token: JamfToken }> {
  const read = readAnswer(answer, askedAtMs, parseJson(answer.text));
  // RFC 6749 5.2 answers 400 to a wrong client; some servers answer 401. A malformed request would be our own bug.
  if (!read.ok) {
    const isRefusal = read.status === 400 && read.failure === 'error';
    return ofTokenRequest(isRefusal ? { ...read, failure: 'unauthenticated' } : read);
  }
  const { status } = answer;
  const invalid: JamfFailure = {
    ok: false,
    failure: 'invalid-answer',
    status,
    detail: `HTTP ${status} without a usable bearer token`,
  };
  if (!isRecord(read.body)) return invalid;
  const { access_token: value, token_type: type, expires_in: expiresIn } = read.body;
  // Visible ASCII only: the value goes into a header.
  if (typeof value !== 'string' || value.length > tokenMaxChars || !/^[\x21-\x7e]+$/.test(value))
    return invalid;
  if (typeof type === 'string' && type.toLowerCase() !== 'bearer') return invalid;
  const lifetimeSeconds = readLifetimeSeconds(expiresIn);
  const renewEarlySeconds = lifetimeSeconds < shortLifetimeSeconds ? lifetimeSeconds / 3 : renewBeforeSeconds;
  return {
    ok: true,
    token: {
      value,
      expiresAtMs: askedAtMs + lifetimeSeconds * 1000,
      renewAtMs: askedAtMs + (lifetimeSeconds - renewEarlySeconds) * 1000,
    },
  };
}

function readLifetimeSeconds(value: unknown): number {
  const seconds = typeof value === 'string' && /^[0-9]{1,9}$/.test(value) ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return defaultLifetimeSeconds;
  return Math.min(Math.max(seconds, 0), lifetimeMaxSeconds);
}
