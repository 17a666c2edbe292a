/**
 * The problems callers can meet, RFC 9457 with Jamf's members beside (contract section 6). One exhaustive
 * table: slug to status, title and owner, the one who has to act.
 */

export type Owner = 'caller' | 'routing' | 'configuration' | 'instance' | 'microsoft' | 'espalier';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  readonly owner: Owner;
}

export const problemKinds = {
  unauthenticated: { status: 401, title: 'No valid credential was given', owner: 'caller' },
  'tenant-mismatch': { status: 403, title: 'The token belongs to another tenant', owner: 'caller' },
  forbidden: { status: 403, title: 'The credential does not allow this', owner: 'caller' },
  'tenant-unknown': { status: 404, title: 'No such tenant', owner: 'routing' },
  'device-unknown': { status: 404, title: 'No such device', owner: 'routing' },
  'instance-unknown': { status: 404, title: 'No such instance', owner: 'routing' },
  'not-found': { status: 404, title: 'Not found', owner: 'caller' },
  'invalid-request': { status: 400, title: 'The request is not valid', owner: 'caller' },
  'method-not-allowed': { status: 405, title: 'The path does not take this method', owner: 'caller' },
  'address-refused': { status: 400, title: 'The address is not allowed', owner: 'configuration' },
  conflict: { status: 409, title: 'The request conflicts with what is there', owner: 'caller' },
  'precondition-failed': { status: 412, title: 'The object has changed since', owner: 'caller' },
  'payload-too-large': { status: 413, title: 'The body is too large', owner: 'caller' },
  'unsupported-media-type': { status: 415, title: 'The content type is not supported', owner: 'caller' },
  'idempotency-mismatch': {
    status: 422,
    title: 'The idempotency key was used with another body',
    owner: 'caller',
  },
  'rate-limited': { status: 429, title: 'Too many requests', owner: 'caller' },
  'internal-error': { status: 500, title: 'Espalier failed', owner: 'espalier' },
  'instance-unreachable': {
    status: 502,
    title: 'The Jamf Pro instance could not be reached',
    owner: 'instance',
  },
  'instance-error': { status: 502, title: 'The Jamf Pro instance gave no valid answer', owner: 'instance' },
  'instance-paused': { status: 503, title: 'The Jamf Pro instance is paused', owner: 'instance' },
  'store-unavailable': { status: 503, title: 'The database is away', owner: 'espalier' },
  overloaded: { status: 503, title: 'Espalier is shedding load', owner: 'espalier' },
  'instance-timeout': {
    status: 504,
    title: 'The Jamf Pro instance did not answer in time',
    owner: 'instance',
  },
} as const satisfies Record<string, ProblemKind>;

export type ProblemSlug = keyof typeof problemKinds;

export interface FieldError {
  readonly code: string;
  readonly field: string | null;
  readonly description: string;
  readonly id?: string | null;
}

export interface Problem {
  readonly slug: ProblemSlug;
  /** The cause and the remedy in this case, for the person who must act; no secret, no internals. */
  readonly detail: string;
  readonly owner?: Owner;
  readonly errors?: readonly FieldError[];
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export const problem = (slug: ProblemSlug, detail: string, more: Partial<Problem> = {}): Problem => ({
  slug,
  detail,
  ...more,
});

/** The only way a problem travels as an exception: from a place that cannot return one, to the listener's edge. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(`${problem.slug}: ${problem.detail}`);
    this.problem = problem;
  }
}

/** Base of `type`; each slug has a page under docs/problems/. */
export const problemTypeBase = 'https://espalier.dev/problems/';

/** Told with a 503 whose cause does not say how long it lasts. */
const usualRetrySeconds = 5;

/**
 * `Retry-After` of a 503. Callers that were refused in the same moment must not come back in the same moment, so up to
 * half as much again is told.
 */
export function unavailableRetryAfter(
  seconds: number = usualRetrySeconds,
  random: () => number = Math.random,
): string {
  const whole = Math.max(1, Math.ceil(seconds));
  return String(whole + Math.floor(random() * (Math.ceil(whole / 2) + 1)));
}

/** `Retry-After` of an answer; undefined: it has none. */
export function retryAfterOf(status: number, seconds: number | undefined): string | undefined {
  if (status === 503) return unavailableRetryAfter(seconds);
  return seconds === undefined ? undefined : String(Math.max(1, Math.ceil(seconds)));
}

export interface ProblemAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The answer for a problem. `requestId` goes into `instance`, so that a caller can quote it. */
export function problemAnswer(problem: Problem, requestId: string): ProblemAnswer {
  const kind: ProblemKind = problemKinds[problem.slug];
  const errors = problem.errors ?? [
    { code: problem.slug.toUpperCase().replaceAll('-', '_'), field: null, description: problem.detail },
  ];
  const body = {
    type: `${problemTypeBase}${problem.slug}`,
    title: kind.title,
    status: kind.status,
    detail: problem.detail,
    instance: requestId,
    owner: problem.owner ?? kind.owner,
    httpStatus: kind.status,
    errors: errors.map(({ code, field, description, id }) => ({ code, description, id: id ?? '0', field })),
  };
  const retryAfter = retryAfterOf(kind.status, problem.retryAfterSeconds);
  const headers = {
    'content-type': 'application/problem+json',
    'x-request-id': requestId,
    ...problem.headers,
    ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
  };
  return { status: kind.status, headers, body: JSON.stringify(body) };
}

export function problemResponse(problem: Problem, requestId: string): Response {
  const { body, headers, status } = problemAnswer(problem, requestId);
  return new Response(body, { status, headers });
}
