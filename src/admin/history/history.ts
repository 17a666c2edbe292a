import { createRoute, z } from '@hono/zod-openapi';
import { and, desc, getTableColumns } from 'drizzle-orm';
import { noTenant } from '../../store/history.ts';
import { history } from '../../store/operator-schema.ts';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { preferredType } from '../negotiate.ts';
import { answerList, resource } from '../resource/resource.ts';
import { commonProblems, invalidField } from '../schemas.ts';
import { visibleTo } from '../scope.ts';
import { streamLines } from './stream-lines.ts';

/** `/history`: who did what, newest first; as text the lines of JAMFChangeManagement.log, oldest first. */

const authorKinds = ['bootstrap', 'gateway', 'key', 'user'] as const;

const json = z.record(z.string(), z.unknown()).nullable();

const parsed = (text: string | null): Record<string, unknown> | null =>
  text === null ? null : JSON.parse(text);

const entry = resource({
  names: ['HistoryEntry', 'History'],
  from: history,
  columns: getTableColumns(history),
  fields: ({ column, made }) => ({
    id: made(
      z.string().openapi({ description: 'Tenant and sequence, joined by a colon.' }),
      ['tenantId', 'sequence'],
      ({ sequence, tenantId }) => `${tenantId}:${sequence}`,
    ),
    tenantId: column('tenantId', {
      schema: z.string().nullable(),
      show: (tenantId) => (tenantId === noTenant ? null : tenantId),
      description: 'Null: it belongs to no tenant.',
      filter: true,
      sort: true,
    }),
    sequence: column('sequence', { description: 'In the chain of the tenant, from 1.', sort: true }),
    recordedAt: column('recordedAt', { filter: true, sort: true }),
    authorKind: column('authorKind', {
      schema: z.enum(authorKinds),
      description: 'gateway: what Espalier did by itself, such as on what Microsoft said.',
      filter: authorKinds,
    }),
    authorId: column('authorId', { filter: true }),
    author: column('author', { filter: 'wildcards', sort: true }),
    action: column('action', { example: 'connection.disconnect', filter: 'wildcards', sort: true }),
    objectKind: column('objectKind', { filter: true, sort: true }),
    objectId: column('objectId', { filter: true }),
    objectName: column('objectName'),
    before: column('before', {
      schema: json,
      show: parsed,
      description: 'What changed, as it was. Secrets show as set or changed only.',
    }),
    after: column('after', {
      schema: json,
      show: parsed,
      description: 'What changed, as it is since; or what came of it.',
    }),
    reason: column('reason'),
    requestId: column('requestId', { filter: true }),
    source: column('source', { description: 'Address that the request came from.' }),
    approvedBy: column('approvedBy'),
    previousHash: column('previousHash'),
    hash: column('hash'),
    erasedAt: column('erasedAt', {
      description:
        'When what the entry said of a person was erased; who did what kind of thing when, and the hash, stay.',
    }),
  }),
  table: [
    { field: 'recordedAt', title: 'at', importance: 1 },
    { field: 'author', importance: 2 },
    { field: 'action', importance: 3 },
    { field: 'objectName', title: 'object', importance: 4 },
    { field: 'objectId', importance: 6 },
    { field: 'reason', importance: 5 },
    { field: 'tenantId', whole: true, names: 'tenant', importance: 7 },
    { field: 'requestId', importance: 8 },
  ],
  sort: 'recordedAt:desc',
  key: [desc(history.tenantId), desc(history.sequence)],
});

const path = '/api/v1/history';

const list = createRoute({
  method: 'get',
  path,
  operationId: 'listHistory',
  tags: ['History'],
  summary:
    'Who did what, newest first; with Accept: text/plain all that the filter matches as lines of JAMFChangeManagement.log, oldest first',
  request: { query: entry.query },
  responses: {
    200: {
      description: 'Entries',
      content: {
        'application/json': { schema: entry.list },
        'text/plain': { schema: z.string() },
      },
    },
    ...commonProblems,
  },
});

export function addHistory(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.get(path, async (c, next) => {
    if (preferredType(c.req.header('accept'), ['application/json', 'text/plain']) !== 'text/plain')
      return next();
    const operator = requireRole(c, 'viewer');
    const { filter: text, ...others } = c.req.query();
    const [paged] = Object.keys(others);
    if (paged !== undefined)
      throw invalidField(paged, 'does not go with text/plain, which is all that the filter matches');
    const filter = text === undefined ? undefined : entry.matching(text);
    const lines = streamLines(sql, and(visibleTo(operator, history.tenantId), filter));
    return c.body(lines, 200, { 'content-type': 'text/plain; charset=utf-8', vary: 'accept' });
  });

  app.openapi(list, async (c) => {
    const operator = requireRole(c, 'viewer');
    const scope = visibleTo(operator, history.tenantId);
    return answerList(c, await entry.page(services, c.req.valid('query'), scope), { vary: 'accept' });
  });
}
