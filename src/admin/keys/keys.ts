import { createRoute, z } from '@hono/zod-openapi';
import { and, eq, getTableColumns, isNull, sql } from 'drizzle-orm';
import { makePgArray } from 'drizzle-orm/pg-core';
import type { Context } from 'hono';
import { newId, parseGuid } from '../../ids.ts';
import { ProblemError, problem } from '../../problems.ts';
import { hashKey, newKey } from '../../secrets/keys.ts';
import { insertApiKey, revokeApiKey } from '../../store/api-keys.ts';
import { inTransaction } from '../../store/retry.ts';
import { roles } from '../../store/row-types.ts';
import { apiKeys } from '../../store/schema.ts';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices, Operator } from '../context.ts';
import { recordChange } from '../recording.ts';
import { answerList, resource } from '../resource/resource.ts';
import {
  checkIfMatch,
  commonProblems,
  etag,
  guid,
  jsonAnswer,
  onlyVersion,
  pathId,
  versionProblem,
} from '../schemas.ts';

/** `/keys`: operators' keys. A tenant-bound admin manages the keys that are bound within its tenants. */

const future = z.iso
  .datetime({ offset: true })
  .refine((text) => Date.parse(text) > Date.now(), 'must be in the future');

const apiKey = resource({
  names: ['ApiKey', 'ApiKeys'],
  from: apiKeys,
  columns: {
    ...getTableColumns(apiKeys),
    expired: sql<boolean>`coalesce(${apiKeys.expiresAt} <= now(), false)`,
  },
  fields: ({ column }) => ({
    id: column('keyId'),
    name: column('name', {
      filter: 'wildcards',
      sort: true,
      input: { create: z.string().trim().min(1).max(100) },
    }),
    role: column('role', {
      schema: z.enum(roles),
      filter: roles,
      sort: true,
      input: { create: z.enum(roles) },
    }),
    tenants: column('tenantIds', {
      schema: z.array(z.string()).nullable(),
      input: { create: z.array(guid).min(1).max(1_000).optional() },
    }),
    prefix: column('prefix'),
    createdAt: column('createdAt', { filter: true, sort: true }),
    expiresAt: column('expiresAt', { filter: true, sort: true, input: { create: future.optional() } }),
    /** It opens nothing any more; it is shown until it is deleted, to explain why. */
    expired: column('expired', { schema: z.boolean() }),
    /** Written at most once a minute. */
    lastUsedAt: column('lastUsedAt', { filter: true, sort: true }),
  }),
  table: [
    { field: 'id', whole: true, importance: 1 },
    { field: 'name', importance: 2 },
    { field: 'role', importance: 3 },
    { field: 'tenants', names: 'tenant', importance: 7 },
    { field: 'prefix', importance: 4 },
    { field: 'expiresAt', importance: 5 },
    { field: 'lastUsedAt', importance: 6 },
  ],
  sort: 'createdAt:asc',
  key: [apiKeys.keyId],
});

const newKeySchema = apiKey.body('create').openapi('NewApiKey');

const tags = ['Keys'];
const keyPath = z.object({ keyId: pathId('The key, by its id; the key itself never stands in a path') });

const list = createRoute({
  method: 'get',
  path: '/api/v1/keys',
  operationId: 'listApiKeys',
  tags,
  summary: 'Admin API keys, without the keys themselves',
  request: { query: apiKey.query },
  responses: { 200: jsonAnswer(apiKey.list, 'Keys'), ...commonProblems },
});
const create = createRoute({
  method: 'post',
  path: '/api/v1/keys',
  operationId: 'createApiKey',
  tags,
  summary: 'Make an admin API key; it is shown this once',
  request: { body: { required: true, content: { 'application/json': { schema: newKeySchema } } } },
  responses: {
    201: jsonAnswer(
      z.object({ id: z.string(), href: z.string(), key: z.string() }).openapi('CreatedApiKey'),
      'The key',
    ),
    ...commonProblems,
  },
});
const read = createRoute({
  method: 'get',
  path: '/api/v1/keys/{keyId}',
  operationId: 'getApiKey',
  tags,
  summary: 'One key, without the key itself',
  request: { params: keyPath },
  responses: { 200: jsonAnswer(apiKey.schema, 'Key'), ...commonProblems },
});
const remove = createRoute({
  method: 'delete',
  path: '/api/v1/keys/{keyId}',
  operationId: 'deleteApiKey',
  tags,
  summary: 'Revoke a key',
  request: { params: keyPath },
  responses: { 204: { description: 'Revoked' }, ...commonProblems, ...versionProblem },
});

/** Keys within the operator's own tenants: a bound admin does not see, make or revoke any other. */
const within = (operator: Operator, tenantIds: readonly string[] | null | undefined): boolean =>
  operator.tenantIds === undefined ||
  (tenantIds?.every((tenantId) => operator.tenantIds?.includes(tenantId)) ?? false);

/** The same in SQL; a revoked key is gone for everybody. */
const keysVisibleTo = ({ tenantIds }: Operator) =>
  and(
    isNull(apiKeys.revokedAt),
    tenantIds === undefined ? undefined : sql`${apiKeys.tenantIds} <@ ${makePgArray([...tenantIds])}::uuid[]`,
  );

const unknownKey = (): ProblemError => new ProblemError(problem('not-found', 'There is no such key.'));

export function addApiKeys(app: AdminApp, services: AdminServices): void {
  const { sql: client } = services;
  const requireKey = async (c: Context<AdminEnv>) => {
    const operator = requireRole(c, 'admin');
    const keyId = parseGuid(c.req.param('keyId'));
    if (keyId === undefined) throw unknownKey();
    const row = await apiKey.read(client, and(eq(apiKeys.keyId, keyId), keysVisibleTo(operator)));
    if (!row) throw unknownKey();
    return row;
  };

  app.openapi(list, async (c) => {
    const operator = requireRole(c, 'admin');
    return answerList(c, await apiKey.page(services, c.req.valid('query'), keysVisibleTo(operator)));
  });
  app.openapi(create, async (c) => {
    const operator = requireRole(c, 'admin');
    const given = c.req.valid('json');
    if (!within(operator, given.tenants)) {
      throw new ProblemError(problem('forbidden', 'A tenant-bound key makes keys for its own tenants only.'));
    }
    const key = newKey();
    const id = newId();
    const { expiresAt, name, role } = given;
    const tenants = given.tenants === undefined ? null : [...new Set(given.tenants)];
    const row = {
      keyId: id,
      name,
      role,
      tenantIds: tenants,
      keyHash: await hashKey(key),
      prefix: key.slice(0, 10),
      expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
    };
    await inTransaction(client, async (tx) => {
      await insertApiKey(tx, row);
      await recordChange(c, tx, {
        tenantId: undefined,
        action: 'key.create',
        object: { kind: 'key', id, name },
        after: { name, role, tenants, expiresAt: expiresAt ?? null },
      });
    });
    const href = `/api/v1/keys/${id}`;
    return c.json({ id, href, key }, 201, { location: href, etag: etag(onlyVersion) });
  });
  app.openapi(read, async (c) => c.json(apiKey.show(await requireKey(c)), 200, { etag: etag(onlyVersion) }));
  app.openapi(remove, async (c) => {
    const row = await requireKey(c);
    checkIfMatch(c.req.header('if-match'), onlyVersion);
    await inTransaction(client, async (tx) => {
      // Somebody else was quicker: it happened once, and is in the history once.
      if (!(await revokeApiKey(tx, row.keyId))) throw unknownKey();
      const { name, role, tenantIds: tenants } = row;
      await recordChange(c, tx, {
        tenantId: undefined,
        action: 'key.delete',
        object: { kind: 'key', id: row.keyId, name },
        before: { name, role, tenants, expiresAt: row.expiresAt?.toISOString() ?? null },
      });
    });
    return c.body(null, 204);
  });
}
