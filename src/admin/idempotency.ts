import type { Context, MiddlewareHandler } from 'hono';
import { base64url } from 'jose';
import type { After } from '../joining.ts';
import { idempotencyKeyCharacters, leaseRenewMs } from '../limits.ts';
import { ProblemError, problem } from '../problems.ts';
import type { Sealer } from '../secrets/seal.ts';
import { SealBroken } from '../secrets/seal.ts';
import type { Sql } from '../store/database.ts';
import {
  type Attempt,
  beginRequest,
  giveUpAttempt,
  type KeptAnswer,
  keepAnswer,
  renewAttempt,
} from '../store/idempotency-keys.ts';
import type { Log } from '../telemetry/log.ts';
import type { AdminEnv, Operator } from './context.ts';
import { invalidField } from './schemas.ts';
import { endsInProblem, linesType } from './streamed.ts';
import { isWrite, streamsItsBody } from './writes.ts';

/**
 * `Idempotency-Key` on every write (draft-ietf-httpapi-idempotency-key-header): the answer to the first request is kept
 * for a day and given to every repetition of it.
 */

const field = 'Idempotency-Key';
const keyPattern = new RegExp(`^[\\x21-\\x7e]{1,${idempotencyKeyCharacters}}$`);

/** Headers that are a part of the answer; the others belong to the connection or to every answer. */
const keptHeaders = ['content-type', 'etag', 'location', 'allow', 'retry-after'];

/** Two operators may choose the same key. */
const ownerOf = ({ id, kind }: Operator): string => (id === undefined ? kind : `${kind}:${id}`);

/**
 * The hash includes the operator's rights: an answer shows what they allowed, such as a key that was just made, and is
 * not for the same person with less. Nor is the request made again then, so this is another request and not another
 * operator.
 */
async function requestHash(c: Context<AdminEnv>): Promise<string> {
  const { pathname, search } = new URL(c.req.url);
  const { role, tenantIds } = c.get('operator');
  const rights = `${role} ${tenantIds === undefined ? '*' : tenantIds.toSorted().join(',')}`;
  const head = new TextEncoder().encode(`${rights}\n${c.req.method} ${pathname}${search}\n`);
  // Nobody reads what a DELETE carries, so nothing bounds it either.
  const body = c.req.method === 'DELETE' ? new Uint8Array() : new Uint8Array(await c.req.arrayBuffer());
  const whole = new Uint8Array(head.byteLength + body.byteLength);
  whole.set(head);
  whole.set(body, head.byteLength);
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', whole)));
}

/** The same again may go better after these. */
const passes = (status: number): boolean => status >= 500 || status === 429;

const association = ({ idempotencyKey, operator }: Pick<Attempt, 'idempotencyKey' | 'operator'>): string =>
  `idempotency_keys/${operator}/${idempotencyKey}/body`;

/** undefined: lines that end in a problem, after which the same again may go better. */
async function toKeep(
  sealer: Sealer,
  attempt: Attempt,
  answer: Response,
  requestId: string,
): Promise<KeptAnswer | undefined> {
  // The id of the request that was carried out: history and log have it.
  const headers: Record<string, string> = { 'x-request-id': requestId };
  for (const name of keptHeaders) {
    const value = answer.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  const text = await answer.clone().text();
  if (headers['content-type'] === linesType && endsInProblem(text)) return undefined;
  const bodySealed = text === '' ? null : await sealer.seal(text, association(attempt));
  return { status: answer.status, headers, bodySealed };
}

async function replayed(
  sealer: Sealer,
  of: Pick<Attempt, 'idempotencyKey' | 'operator'>,
  { bodySealed, headers, status }: KeptAnswer,
): Promise<Response> {
  let body: string | null = null;
  try {
    if (bodySealed !== null) body = await sealer.open(bodySealed, association(of));
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    throw new ProblemError(
      problem(
        'conflict',
        `The request was carried out before and answered ${status}, but no key of ESPALIER_SECRETS_KEY opens the kept answer.`,
      ),
    );
  }
  return new Response(body, { status, headers: { ...headers, 'idempotent-replayed': 'true' } });
}

interface IdempotencyOptions {
  readonly sql: Sql;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly after: After;
}

/** Carries the request out, holding the key meanwhile, and keeps the answer or gives the key free. */
async function carryOut(
  { after, log, sealer, sql }: IdempotencyOptions,
  c: Context<AdminEnv>,
  attempt: Attempt,
  next: () => Promise<void>,
): Promise<void> {
  const requestId = c.get('requestId');
  // Renewed while this process lives: whoever repeats the request meanwhile must not carry it out beside it.
  const renewing = setInterval(() => {
    renewAttempt(sql, attempt).catch((error: unknown) =>
      log.warn('idempotency.not-renewed', { requestId, error }),
    );
  }, leaseRenewMs);
  const settle = async (answer: Response): Promise<void> => {
    try {
      const kept = passes(answer.status) ? undefined : await toKeep(sealer, attempt, answer, requestId);
      if (kept === undefined) await giveUpAttempt(sql, attempt);
      else await keepAnswer(sql, attempt, kept);
    } catch (error) {
      // The change itself is done, so the caller gets the answer. docs/admin-api.md says what a repetition does then.
      log.error('idempotency.answer-not-kept', { requestId, status: answer.status, error });
    } finally {
      clearInterval(renewing);
    }
  };
  try {
    await next();
  } catch (error) {
    clearInterval(renewing);
    throw error;
  }
  // Lines go to the caller as they come, and are kept together when the last one is there.
  if (c.res.headers.get('content-type') === linesType) after(settle(c.res.clone()));
  else await settle(c.res);
}

/** Stands behind the authentication and behind whoever has read the body within its limits. */
export function idempotency(options: IdempotencyOptions): MiddlewareHandler<AdminEnv> {
  const { sealer, sql } = options;
  return async (c, next) => {
    const idempotencyKey = c.req.header(field);
    if (idempotencyKey === undefined || !isWrite(c.req.method)) return next();
    if (!keyPattern.test(idempotencyKey)) {
      const must = `must be 1 to ${idempotencyKeyCharacters} visible ASCII characters`;
      throw invalidField(field, must, 'INVALID_IDEMPOTENCY_KEY');
    }
    if (streamsItsBody(c.req.method, c.req.path)) {
      const why =
        'is not taken here: the body is streamed and never held; importing the same rows again is safe';
      throw invalidField(field, why, 'IDEMPOTENCY_KEY_NOT_TAKEN');
    }
    const operator = ownerOf(c.get('operator'));
    const of = { operator, idempotencyKey };
    const begun = await beginRequest(sql, { ...of, requestHash: await requestHash(c) });
    switch (begun.kind) {
      case 'first':
        return carryOut(options, c, begun.attempt, next);
      case 'kept':
        return replayed(sealer, of, begun.answer);
      case 'mismatch':
        throw new ProblemError(
          problem(
            'idempotency-mismatch',
            'This Idempotency-Key came with another method, path, query or body before, or with another role or tenants of yours; use a new key for a new request.',
            {
              errors: [{ code: 'IDEMPOTENCY_MISMATCH', field, description: 'was used for another request' }],
            },
          ),
        );
      case 'in-work':
        throw new ProblemError(
          problem('conflict', 'The first request with this Idempotency-Key is still in work.', {
            retryAfterSeconds: 1,
            errors: [{ code: 'REQUEST_IN_WORK', field, description: 'the first request is still in work' }],
          }),
        );
    }
  };
}
