import { randomToken } from '../../entra/authorization-code.ts';
import { newId } from '../../ids.ts';
import { sessionIdleMs, sessionLifeMs, sessionSeenEveryMs, sessionsKeptMs } from '../../limits.ts';
import { hashKey } from '../../secrets/keys.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import type { Operator, OperatorSession, Role } from '../context.ts';

/**
 * Sessions of operators who signed in with a browser. The cookie holds 256 random bits and nothing else, the database
 * its SHA-256; every request looks there, so a session that is ended is ended everywhere at once.
 */

export interface SessionPerson {
  readonly entraTenantId: string;
  readonly objectId: string;
  readonly name: string;
  readonly role: Role;
}

export interface Session extends OperatorSession {
  readonly operator: Operator;
}

interface SessionRow {
  readonly sessionId: string;
  readonly entraTenantId: string;
  readonly objectId: string;
  readonly name: string;
  readonly role: Role;
  readonly expiresAt: Date;
  readonly stale: boolean;
}

export const sessionOperator = ({ name, objectId, role }: SessionPerson): Operator => ({
  kind: 'user',
  name,
  id: objectId,
  role,
  tenantIds: undefined,
});

/** Made of the cookie, which no other site can read: whoever has the token could read an answer of ours. */
const csrfTokenOf = (cookie: string): Promise<string> => hashKey(`espalier csrf ${cookie}`);

/** Begins a session; the cookie is always a new one, so none that was planted before the sign-in becomes it. */
export async function beginSession(
  tx: Transaction,
  person: SessionPerson,
): Promise<{ readonly cookie: string; readonly sessionId: string }> {
  const cookie = randomToken();
  const sessionId = newId();
  await tx`
    insert into sessions (session_hash, session_id, entra_tenant_id, object_id, name, role, expires_at)
    values (${await hashKey(cookie)}, ${sessionId}, ${person.entraTenantId}, ${person.objectId}, ${person.name},
      ${person.role}, now() + ${sessionLifeMs} * interval '1 millisecond')`;
  return { cookie, sessionId };
}

/** The live session of a cookie. One of a tenant that is no operators' tenant any more ends here. */
export async function findSession(
  sql: Sql,
  tenantIds: readonly string[],
  cookie: string,
): Promise<Session | undefined> {
  const hash = await hashKey(cookie);
  const [row] = await sql<SessionRow[]>`
    select session_id as "sessionId", entra_tenant_id as "entraTenantId", object_id as "objectId", name, role,
      expires_at as "expiresAt", last_seen_at < now() - ${sessionSeenEveryMs} * interval '1 millisecond' as stale
    from sessions
    where session_hash = ${hash} and ended_at is null and expires_at > now()
      and last_seen_at > now() - ${sessionIdleMs} * interval '1 millisecond'`;
  if (!row) return undefined;
  if (!tenantIds.includes(row.entraTenantId)) {
    await endSession(sql, cookie);
    return undefined;
  }
  if (row.stale) {
    await sql`
      update sessions set last_seen_at = now()
      where session_hash = ${hash} and last_seen_at < now() - ${sessionSeenEveryMs} * interval '1 millisecond'`;
  }
  const { expiresAt, sessionId, stale: _, ...person } = row;
  return { sessionId, operator: sessionOperator(person), expiresAt, csrfToken: await csrfTokenOf(cookie) };
}

/** Ends the cookie's session; undefined when there was none to end. */
export async function endSession(
  queries: Sql | Transaction,
  cookie: string,
): Promise<(SessionPerson & { readonly sessionId: string }) | undefined> {
  const sql = queries as Sql;
  const [row] = await sql<(SessionPerson & { readonly sessionId: string })[]>`
    update sessions set ended_at = now() where session_hash = ${await hashKey(cookie)} and ended_at is null
    returning session_id as "sessionId", entra_tenant_id as "entraTenantId", object_id as "objectId", name, role`;
  return row;
}

/** Removes what serves nobody any more: sign-ins that ran out, and sessions a day after their end. */
export async function tidySignIns(sql: Sql, tenantIds: readonly string[]): Promise<void> {
  await sql`delete from sign_ins where expires_at < now()`;
  await sql`
    update sessions set ended_at = now()
    where ended_at is null and entra_tenant_id <> all(${[...tenantIds]}::uuid[])`;
  const kept = sql`now() - ${sessionsKeptMs} * interval '1 millisecond'`;
  await sql`delete from sessions where expires_at < ${kept} or ended_at < ${kept}`;
}
