import { changeBatch, idempotencyKeptMs, leaseMs } from '../limits.ts';
import { columns, pick, type Row } from './columns.ts';
import type { Sql } from './database.ts';
import { idempotencyKeys } from './operator-schema.ts';

/** Answers to writes that carried an Idempotency-Key: each key belongs to one operator. */

export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: the answer has no body. */
  readonly bodySealed: string | null;
}

/** One try of a request; a process whose lease ran out cannot settle the try of another. */
export interface Attempt {
  readonly operator: string;
  readonly idempotencyKey: string;
  /** Time of the beginning to the microsecond, as PostgreSQL writes it. */
  readonly begunAt: string;
}

export type Begun =
  | { readonly kind: 'first'; readonly attempt: Attempt }
  | { readonly kind: 'in-work' }
  /** The key came with another request before. */
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'kept'; readonly answer: KeptAnswer };

interface Request {
  readonly operator: string;
  readonly idempotencyKey: string;
  readonly requestHash: string;
}

/** Takes the key: a new one, one whose time is over, or that of the same request whose process died. */
async function takeKey(
  sql: Sql,
  { idempotencyKey, operator, requestHash }: Request,
): Promise<string | undefined> {
  const [taken] = await sql<{ begunAt: string }[]>`
    insert into idempotency_keys as k (operator, idempotency_key, request_hash, busy_until, created_at, expires_at)
    values (${operator}, ${idempotencyKey}, ${requestHash}, now() + ${leaseMs} * interval '1 millisecond',
      clock_timestamp(), now() + ${idempotencyKeptMs} * interval '1 millisecond')
    on conflict (operator, idempotency_key) do update set request_hash = excluded.request_hash, status = null,
      headers = null, body_sealed = null, busy_until = excluded.busy_until, created_at = excluded.created_at,
      expires_at = excluded.expires_at
    where k.expires_at <= now() and (k.status is not null or k.busy_until <= now())
      or k.status is null and k.busy_until <= now() and k.request_hash = excluded.request_hash
    returning created_at::text as "begunAt"`;
  return taken?.begunAt;
}

const knownShape = pick(idempotencyKeys, 'requestHash', 'status', 'headers', 'bodySealed');

/** Decides what is to be done with a request. */
export async function beginRequest(sql: Sql, request: Request): Promise<Begun> {
  const { idempotencyKey, operator, requestHash } = request;
  const begunAt = await takeKey(sql, request);
  if (begunAt !== undefined) return { kind: 'first', attempt: { operator, idempotencyKey, begunAt } };
  const [known] = await sql<Row<typeof knownShape>[]>`
    select ${columns(sql, knownShape)} from idempotency_keys
    where operator = ${operator} and idempotency_key = ${idempotencyKey}`;
  // Gone since just now: its answer was none to keep, and the caller may try again.
  if (!known) return { kind: 'in-work' };
  if (known.requestHash !== requestHash) return { kind: 'mismatch' };
  const { bodySealed, headers, status } = known;
  return status === null || headers === null
    ? { kind: 'in-work' }
    : { kind: 'kept', answer: { status, headers, bodySealed } };
}

const ofAttempt = (sql: Sql, { begunAt, idempotencyKey, operator }: Attempt) => sql`
  operator = ${operator} and idempotency_key = ${idempotencyKey} and created_at = ${begunAt}::text::timestamptz
  and status is null`;

/** While the request is in work, more often than `leaseMs`. */
export async function renewAttempt(sql: Sql, attempt: Attempt): Promise<void> {
  await sql`
    update idempotency_keys set busy_until = now() + ${leaseMs} * interval '1 millisecond'
    where ${ofAttempt(sql, attempt)}`;
}

export async function keepAnswer(sql: Sql, attempt: Attempt, answer: KeptAnswer): Promise<void> {
  await sql`
    update idempotency_keys set status = ${answer.status}, headers = ${sql.json({ ...answer.headers })},
      body_sealed = ${answer.bodySealed}
    where ${ofAttempt(sql, attempt)}`;
}

/** The answer is none to keep: the same request may be made again at once. */
export async function giveUpAttempt(sql: Sql, attempt: Attempt): Promise<void> {
  await sql`delete from idempotency_keys where ${ofAttempt(sql, attempt)}`;
}

/** Removes what is older than a day; the runtime calls it now and then. */
export async function forgetIdempotencyKeys(sql: Sql): Promise<void> {
  for (;;) {
    const gone = await sql`
      delete from idempotency_keys where (operator, idempotency_key) in (
        select operator, idempotency_key from idempotency_keys
        where expires_at <= now() and (status is not null or busy_until <= now())
        order by expires_at limit ${changeBatch} for update skip locked)
      returning 1`;
    if (gone.length < changeBatch) return;
  }
}
