import { createRoute, z } from '@hono/zod-openapi';
import { and, eq, getTableColumns, isNull, type SQL, sql } from 'drizzle-orm';
import { parseGuid } from '../../ids.ts';
import { sessionIdleMs } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import { sessions } from '../../store/operator-schema.ts';
import { boundTenants } from '../../store/operators.ts';
import { inTransaction } from '../../store/retry.ts';
import { roles } from '../../store/row-types.ts';
import { apiKeys } from '../../store/schema.ts';
import { endSessionById } from '../../store/sign-ins.ts';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminServices, Operator } from '../context.ts';
import { recordChange } from '../recording.ts';
import { resource } from '../resource/resource.ts';
import { commonProblems, jsonAnswer, pathId } from '../schemas.ts';
import { now } from '../scope.ts';

/** `/sessions`: browsers that are signed in. An unbound admin sees and ends all of them, anybody else his own. */

const session = resource({
  names: ['OperatorSession', 'OperatorSessions'],
  from: sessions,
  joins: [[apiKeys, eq(apiKeys.keyHash, sessions.keyHash)]],
  columns: {
    ...getTableColumns(sessions),
    keyId: sql<string | null>`${apiKeys.keyId}`,
    tenantIds: sql<
      string[] | null
    >`case when ${sessions.keyHash} is null then ${boundTenants(sessions)} else ${apiKeys.tenantIds} end`,
  },
  fields: ({ beside, column }) => ({
    id: column('sessionId'),
    name: column('name', { description: 'Of the person or the key.', filter: 'wildcards', sort: true }),
    role: column('role', {
      schema: z.enum(roles),
      description: 'At the sign-in; a key has at each request the role that it has then.',
    }),
    keyId: column('keyId', {
      schema: z.string().nullable(),
      description: 'Of the key that was exchanged for it; null for a person, and for the bootstrap key.',
    }),
    objectId: column('objectId', { description: 'Of the person in Entra.' }),
    tenants: column('tenantIds', {
      schema: z.array(z.string()).nullable(),
      description: 'Those that the key or person is bound to now; null: all of them.',
    }),
    current: beside(z.boolean().openapi({ description: 'It is the one that asks.' }), ['sessionId']),
    createdAt: column('createdAt', { filter: true, sort: true }),
    lastSeenAt: column('lastSeenAt', {
      description: 'Written at most once a minute.',
      filter: true,
      sort: true,
    }),
    expiresAt: column('expiresAt', {
      description: 'However busy it is, it ends then; half an hour without a request ends it before.',
    }),
  }),
  table: [
    { field: 'id', whole: true, importance: 1 },
    { field: 'name', importance: 2 },
    { field: 'role', importance: 3 },
    { field: 'current', importance: 4 },
    { field: 'tenants', names: 'tenant', importance: 7 },
    { field: 'lastSeenAt', importance: 5 },
    { field: 'expiresAt', importance: 6 },
  ],
  sort: 'lastSeenAt:desc',
  key: [sessions.sessionId],
});

const tags = ['Sessions'];

const list = createRoute({
  method: 'get',
  path: '/api/v1/sessions',
  operationId: 'listSessions',
  tags,
  summary: 'Browsers that are signed in: your own, or all of them for an admin of all tenants',
  request: { query: session.query },
  responses: { 200: jsonAnswer(session.list, 'Sessions'), ...commonProblems },
});
const end = createRoute({
  method: 'delete',
  path: '/api/v1/sessions/{sessionId}',
  operationId: 'endSession',
  tags,
  summary: 'End a session: its browser is signed out with the next request',
  request: { params: z.object({ sessionId: pathId('The session') }) },
  responses: { 204: { description: 'Ended' }, ...commonProblems },
});

const seesAll = ({ role, tenantIds }: Operator): boolean => role === 'admin' && tenantIds === undefined;

/** Live ones that the operator may see and end. */
function visible(operator: Operator): SQL | undefined {
  const idle = sql`${sessions.lastSeenAt} > ${now} - ${sessionIdleMs} * interval '1 millisecond'`;
  const live = and(isNull(sessions.endedAt), sql`${sessions.expiresAt} > ${now}`, idle);
  if (seesAll(operator)) return live;
  if (operator.id === undefined) return sql`false`;
  if (operator.kind === 'key') return and(live, eq(apiKeys.keyId, operator.id));
  // An object id is Entra's only within its tenant.
  const { entraTenantId } = operator;
  if (entraTenantId === undefined) return sql`false`;
  return and(live, eq(sessions.entraTenantId, entraTenantId), eq(sessions.objectId, operator.id));
}

export function addSessions(app: AdminApp, services: Pick<AdminServices, 'sql' | 'turns'>): void {
  const { sql: client } = services;
  app.openapi(list, async (c) => {
    const operator = requireRole(c, 'viewer');
    const { rows, totalCount } = await session.readPage(services, c.req.valid('query'), visible(operator));
    const current = c.get('session')?.sessionId;
    const results = rows.map((row) => session.show(row, { current: row.sessionId === current }));
    return c.json({ totalCount, results }, 200);
  });

  app.openapi(end, async (c) => {
    const operator = requireRole(c, 'viewer');
    const sessionId = parseGuid(c.req.param('sessionId'));
    const unknown = new ProblemError(problem('not-found', 'There is no such session.'));
    const row =
      sessionId && (await session.read(client, and(eq(sessions.sessionId, sessionId), visible(operator))));
    if (!row) throw unknown;
    await inTransaction(client, async (tx) => {
      if (!(await endSessionById(tx, row.sessionId))) throw unknown;
      await recordChange(c, tx, {
        tenantId: undefined,
        action: 'session.end',
        object: { kind: 'session', id: row.sessionId, name: row.name },
        before: { role: row.role, expiresAt: row.expiresAt.toISOString() },
      });
    });
    return c.body(null, 204);
  });
}
