import { randomToken } from '../../entra/authorization-code.ts';
import { newId } from '../../ids.ts';
import { hashKey } from '../../secrets/keys.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import {
  endSession,
  insertSession,
  markSessionSeen,
  readLiveSession,
  type SessionPerson,
} from '../../store/sign-ins.ts';
import type { Operator, OperatorSession } from '../context.ts';

/**
 * Sessions of operators who signed in with a browser. The cookie holds 256 random bits and nothing else, the database
 * its SHA-256; every request looks there, so a session that is ended is ended everywhere at once.
 */

export interface Session extends OperatorSession {
  readonly operator: Operator;
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
  await insertSession(tx, { ...person, cookie, sessionId });
  return { cookie, sessionId };
}

/** The live session of a cookie. One of a tenant that is no operators' tenant any more ends here. */
export async function findSession(
  sql: Sql,
  tenantIds: readonly string[],
  cookie: string,
): Promise<Session | undefined> {
  const row = await readLiveSession(sql, cookie);
  if (!row) return undefined;
  if (!tenantIds.includes(row.entraTenantId)) {
    await endSession(sql, cookie);
    return undefined;
  }
  if (row.stale) await markSessionSeen(sql, cookie);
  const { expiresAt, sessionId } = row;
  return { sessionId, operator: sessionOperator(row), expiresAt, csrfToken: await csrfTokenOf(cookie) };
}
