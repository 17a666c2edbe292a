import { randomToken } from '../../entra/authorization-code.ts';
import { newId } from '../../ids.ts';
import type { Sharing } from '../../joining.ts';
import { hashKey } from '../../secrets/keys.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import { createGroupCommit } from '../../store/group-commit.ts';
import {
  endSession,
  insertSession,
  markSessionSeen,
  readLiveSessions,
  type SeenSession,
  type SessionUser,
} from '../../store/sign-ins.ts';
import type { Operator, OperatorSession } from '../context.ts';
import type { EntraBindings } from './entra-bindings.ts';
import type { KeyOperators } from './key-operators.ts';

/**
 * Sessions of operators who signed in with a browser. The cookie holds 256 random bits and nothing else, the database
 * its SHA-256; every request looks there, so a session that is ended is ended everywhere at once. What looks at
 * the same time looks in one statement: fifty open streams ask as one.
 */

export interface Session extends OperatorSession {
  readonly operator: Operator;
}

/** The live session of a cookie's SHA-256, as the database has it now. */
export type LiveSessions = (hash: string) => Promise<SeenSession | undefined>;

const sessionsPerQuery = 200;

export function createLiveSessions(sql: Sql, sharing: Sharing): LiveSessions {
  if (sharing === 'request') return async (hash) => (await readLiveSessions(sql, [hash])).get(hash);
  return createGroupCommit<string, SeenSession | undefined>({
    flush: async (hashes) => {
      const found = await readLiveSessions(sql, hashes);
      return hashes.map((hash) => found.get(hash));
    },
    maxItems: sessionsPerQuery,
    flushes: 2,
    // One session with very many requests does not stand before the others'.
    queueOf: (hash) => hash,
  });
}

/** The cookie that a request shows, hashed once however often it is looked at. */
export interface ShownSession {
  readonly cookie: string;
  readonly hash: string;
}

export const shownSession = async (cookie: string): Promise<ShownSession> => ({
  cookie,
  hash: await hashKey(cookie),
});

/** The Entra tenants and keys that may have sessions at the moment. */
export interface SessionAuthorities {
  readonly live: LiveSessions;
  /** Entra tenants whose people may be operators. */
  readonly tenantIds: readonly string[];
  readonly keys: Pick<KeyOperators, 'findByHash'>;
  readonly bindings: EntraBindings;
}

/**
 * Undefined: the session's owner opens nothing any more. A key has the role, tenants and end that it has now, a person the
 * tenants that he is bound to now.
 */
async function operatorOf(
  { entraTenantId, keyHash, name, objectId, role }: SessionUser,
  { bindings, keys, tenantIds }: SessionAuthorities,
): Promise<Operator | undefined> {
  if (keyHash !== null) return keys.findByHash(keyHash);
  if (objectId === null || entraTenantId === null || !tenantIds.includes(entraTenantId)) return undefined;
  return bindings.bound({ kind: 'user', name, id: objectId, entraTenantId, role });
}

/** Made of the cookie, which no other site can read: whoever has the token could read an answer of ours. */
const csrfTokenOf = (cookie: string): Promise<string> => hashKey(`espalier csrf ${cookie}`);

/** Begins a session; the cookie is always a new one, so none that was planted before the sign-in becomes it. */
export async function beginSession(
  tx: Transaction,
  owner: SessionUser,
): Promise<{ readonly cookie: string; readonly sessionId: string }> {
  const cookie = randomToken();
  const sessionId = newId();
  await insertSession(tx, { ...owner, cookie, sessionId });
  return { cookie, sessionId };
}

/** The live session of a cookie. One whose key or tenant opens nothing any more ends here. */
export async function findSession(
  sql: Sql,
  authorities: SessionAuthorities,
  { cookie, hash }: ShownSession,
  { isUse = true }: { readonly isUse?: boolean } = {},
): Promise<Session | undefined> {
  const row = await authorities.live(hash);
  if (!row) return undefined;
  const operator = await operatorOf(row, authorities);
  if (operator === undefined) {
    await endSession(sql, cookie);
    return undefined;
  }
  if (row.stale && isUse) {
    await markSessionSeen(sql, cookie);
    await authorities.bindings.recordUse(operator);
  }
  const { expiresAt, sessionId } = row;
  return { sessionId, operator, expiresAt, csrfToken: () => csrfTokenOf(cookie) };
}
