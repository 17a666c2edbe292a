import { sessionIdleMs, sessionLifeMs, sessionSeenEveryMs, sessionsKeptMs, signInMs } from '../limits.ts';
import { hashKey } from '../secrets/keys.ts';
import { columns, omit, pick, type Row } from './columns.ts';
import type { Queries, Sql, Transaction } from './database.ts';
import { sessions, signIns } from './operator-schema.ts';

/**
 * Sign-ins on their way to Entra and back, and the sessions of operators that they lead to. The cookie of a session
 * holds 256 random bits and nothing else, the database its SHA-256.
 */

const signInShape = omit(signIns, 'createdAt', 'expiresAt');
export type SignIn = Row<typeof signInShape>;

export async function insertSignIn(sql: Sql, row: SignIn): Promise<void> {
  await sql`
    insert into sign_ins (state_hash, browser_hash, cloud, nonce, verifier_sealed, return_to, expires_at)
    values (${row.stateHash}, ${row.browserHash}, ${row.cloud}, ${row.nonce}, ${row.verifierSealed}, ${row.returnTo},
      now() + ${signInMs} * interval '1 millisecond')`;
}

/** Uses the sign-in up, whether or not it is still live; undefined when it is not. */
export async function takeSignIn(sql: Sql, state: string): Promise<SignIn | undefined> {
  const [row] = await sql<(SignIn & { readonly live: boolean })[]>`
    delete from sign_ins where state_hash = ${await hashKey(state)}
    returning ${columns(sql, signInShape)}, expires_at > now() as live`;
  return row?.live ? row : undefined;
}

const liveShape = pick(
  sessions,
  'sessionId',
  'entraTenantId',
  'objectId',
  'keyHash',
  'name',
  'role',
  'expiresAt',
);
type LiveSession = Row<typeof liveShape>;
/** A session belongs to a person in Entra, or to the holder of a key. */
export type SessionUser = Omit<LiveSession, 'sessionId' | 'expiresAt'>;

export async function insertSession(
  tx: Transaction,
  { cookie, sessionId, ...owner }: SessionUser & { readonly cookie: string; readonly sessionId: string },
): Promise<void> {
  await tx`
    insert into sessions (session_hash, session_id, entra_tenant_id, object_id, key_hash, name, role, expires_at)
    values (${await hashKey(cookie)}, ${sessionId}, ${owner.entraTenantId}, ${owner.objectId}, ${owner.keyHash},
      ${owner.name}, ${owner.role}, now() + ${sessionLifeMs} * interval '1 millisecond')`;
}

/** A session with whether its last use is to be noted again (`markSessionSeen`). */
export type SeenSession = LiveSession & { readonly stale: boolean };

/** The live ones among sessions, by the SHA-256 of their cookies. */
export async function readLiveSessions(
  sql: Sql,
  hashes: readonly string[],
): Promise<ReadonlyMap<string, SeenSession>> {
  const rows = await sql<(SeenSession & { readonly sessionHash: string })[]>`
    select ${columns(sql, liveShape)}, session_hash as "sessionHash",
      last_seen_at < now() - ${sessionSeenEveryMs} * interval '1 millisecond' as stale
    from sessions
    where session_hash = any(${[...hashes]}::text[]) and ended_at is null and expires_at > now()
      and last_seen_at > now() - ${sessionIdleMs} * interval '1 millisecond'`;
  return new Map(rows.map(({ sessionHash, ...row }) => [sessionHash, row]));
}

export async function markSessionSeen(sql: Sql, cookie: string): Promise<void> {
  await sql`
    update sessions set last_seen_at = now() where session_hash = ${await hashKey(cookie)}
      and last_seen_at < now() - ${sessionSeenEveryMs} * interval '1 millisecond'`;
}

/** Ends the cookie's session; undefined when there was none to end. */
export async function endSession(sql: Queries, cookie: string): Promise<LiveSession | undefined> {
  const [row] = await sql<LiveSession[]>`
    update sessions set ended_at = now() where session_hash = ${await hashKey(cookie)} and ended_at is null
    returning ${columns(sql, liveShape)}`;
  return row;
}

/** False: there is none of that id that could end. */
export async function endSessionById(sql: Queries, sessionId: string): Promise<boolean> {
  const rows = await sql`
    update sessions set ended_at = now() where session_id = ${sessionId} and ended_at is null returning 1`;
  return rows.length > 0;
}

/**
 * Removes sign-ins that ran out and sessions a day after their end; ends those of tenants that are no operators'
 * tenants any more.
 */
export async function tidySignIns(sql: Sql, tenantIds: readonly string[]): Promise<void> {
  await sql`delete from sign_ins where expires_at < now()`;
  await sql`
    update sessions set ended_at = now()
    where ended_at is null and entra_tenant_id <> all(${[...tenantIds]}::uuid[])`;
  const kept = sql`now() - ${sessionsKeptMs} * interval '1 millisecond'`;
  await sql`delete from sessions where expires_at < ${kept} or ended_at < ${kept}`;
}
