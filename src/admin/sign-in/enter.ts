/** The last step of every way to sign in: the session begins, and its cookie is set. */

import type { Context } from 'hono';
import { hashKey } from '../../secrets/keys.ts';
import { type HistoryAuthor, recordHistory } from '../../store/history.ts';
import { noteOperator } from '../../store/operators.ts';
import { inTransaction } from '../../store/retry.ts';
import { endSession, type SessionUser } from '../../store/sign-ins.ts';
import type { AdminEnv, AdminServices, Operator } from '../context.ts';
import { sessionCookie, setSessionCookie } from '../operators/cookies.ts';
import { beginSession } from '../operators/sessions.ts';

/** Begins the session and ends the one that the browser had; both are in the history. */
export function enter(
  c: Context<AdminEnv>,
  services: AdminServices,
  owner: SessionUser,
  author: HistoryAuthor,
): Promise<string> {
  const before = sessionCookie(c);
  return inTransaction(services.sql, async (tx) => {
    const left = before === undefined ? undefined : await endSession(tx, before);
    const { cookie, sessionId } = await beginSession(tx, owner);
    const { entraTenantId, name, objectId, role } = owner;
    if (entraTenantId !== null && objectId !== null)
      await noteOperator(tx, { entraTenantId, name, objectId, role });
    const by = {
      tenantId: undefined,
      author,
      requestId: c.get('requestId'),
      source: services.facts.remoteAddress(c),
    } as const;
    if (left !== undefined) {
      const object = { kind: 'session', id: left.sessionId, name: left.name };
      await recordHistory(tx, { ...by, action: 'session.end', object });
    }
    await recordHistory(tx, {
      ...by,
      action: 'session.create',
      object: { kind: 'session', id: sessionId, name },
      after: {
        ...(entraTenantId === null ? {} : { entraTenantId }),
        role,
      },
    });
    return cookie;
  });
}

/** A session that is worth what the key is worth at each request; of the key its hash is kept. */
export async function enterByKey(
  c: Context<AdminEnv>,
  services: AdminServices,
  key: string,
  { id, kind, name, role }: Operator,
): Promise<void> {
  const owner = { entraTenantId: null, objectId: null, keyHash: await hashKey(key), name, role };
  setSessionCookie(c, await enter(c, services, owner, { kind, id, name }));
  services.log.info('sign-in.done', {
    keyId: id,
    name,
    role,
    requestId: c.get('requestId'),
    source: services.facts.remoteAddress(c),
  });
}
