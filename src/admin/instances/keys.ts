import { createRoute, z } from '@hono/zod-openapi';
import { newId, parseGuid } from '../../ids.ts';
import { liveKeysPerInstance } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import { hashKey, newKey } from '../../secrets/keys.ts';
import type { Sql } from '../../store/database.ts';
import { type HistoryOrigin, recorded } from '../../store/history.ts';
import type { Instance } from '../../store/instances.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import { changing, originOf } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  etag,
  filteredPaging,
  instancePath,
  instant,
  instantOrNull,
  iso,
  jsonAnswer,
  type ListColumn,
  listOf,
  onlyVersion,
  orderBy,
  parseSort,
  problemAnswer,
  versionProblem,
} from '../schemas.ts';
import { instanceOf } from './instances.ts';

/** `…/instances/{instanceId}/keys`: what an instance's webhooks authenticate with. */

const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string(),
    createdAt: instant,
    expiresAt: instantOrNull,
    lastUsedAt: instantOrNull,
  })
  .openapi('InstanceKey');

const newKeySchema = z
  .object({
    name: z.string().trim().min(1).max(100).default('webhooks'),
    expiresAt: z.iso.datetime({ offset: true }).optional(),
  })
  .strict()
  .openapi('NewInstanceKey');

const keyFields: FilterFields = {
  name: { type: 'text', column: 'name', wildcards: true },
  createdAt: { type: 'timestamp', column: 'created_at' },
  expiresAt: { type: 'timestamp', column: 'expires_at' },
  lastUsedAt: { type: 'timestamp', column: 'last_used_at' },
};
const sortColumns = {
  name: 'name',
  createdAt: 'created_at',
  expiresAt: 'expires_at',
  lastUsedAt: 'last_used_at',
};

const tags = ['Instance keys'];
const base = '/api/v1/tenants/{tenantId}/instances/{instanceId}/keys';
const keyPath = instancePath.extend({ keyId: z.string().openapi({ format: 'uuid' }) });

const instanceKeysTable: readonly ListColumn[] = [
  { field: 'id', whole: true, importance: 1 },
  { field: 'name', importance: 2 },
  { field: 'prefix', importance: 3 },
  { field: 'createdAt', importance: 6 },
  { field: 'expiresAt', importance: 4 },
  { field: 'lastUsedAt', importance: 5 },
];

const list = createRoute({
  method: 'get',
  path: base,
  operationId: 'listInstanceKeys',
  tags,
  summary: 'The live keys of an instance, without the keys themselves',
  request: { params: instancePath, query: filteredPaging(keyFields) },
  responses: {
    200: jsonAnswer(listOf(keySchema, 'InstanceKeys', instanceKeysTable), 'Keys'),
    ...commonProblems,
  },
});
const create = createRoute({
  method: 'post',
  path: base,
  operationId: 'createInstanceKey',
  tags,
  summary: 'Make a key; it is shown this once',
  request: { params: instancePath, body: { content: { 'application/json': { schema: newKeySchema } } } },
  responses: {
    201: jsonAnswer(
      z.object({ id: z.string(), href: z.string(), key: z.string() }).openapi('CreatedKey'),
      'The key',
    ),
    ...commonProblems,
    409: problemAnswer('conflict'),
  },
});
const read = createRoute({
  method: 'get',
  path: `${base}/{keyId}`,
  operationId: 'getInstanceKey',
  tags,
  summary: 'One key, without the key itself',
  request: { params: keyPath },
  responses: { 200: jsonAnswer(keySchema, 'Key'), ...commonProblems },
});
const remove = createRoute({
  method: 'delete',
  path: `${base}/{keyId}`,
  operationId: 'deleteInstanceKey',
  tags,
  summary: 'Revoke a key',
  request: { params: keyPath },
  responses: { 204: { description: 'Revoked' }, ...commonProblems, ...versionProblem },
});

interface KeyRow {
  readonly keyId: string;
  readonly name: string;
  readonly prefix: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

const describe = (row: KeyRow): z.infer<typeof keySchema> => ({
  id: row.keyId,
  name: row.name,
  prefix: row.prefix,
  createdAt: row.createdAt.toISOString(),
  expiresAt: iso(row.expiresAt),
  lastUsedAt: iso(row.lastUsedAt),
});

const keyColumns = (sql: Sql) => sql`
  key_id as "keyId", name, prefix, created_at as "createdAt", expires_at as "expiresAt", last_used_at as "lastUsedAt"`;

/** Of the keys that open something: an expired one is not shown. */
const liveKeys = (sql: Sql, { instanceId, tenantId }: Instance) => sql`
  tenant_id = ${tenantId} and instance_id = ${instanceId} and (expires_at is null or expires_at > now())`;

async function insertKey(
  sql: Sql,
  instance: Instance,
  given: z.infer<typeof newKeySchema>,
  by: HistoryOrigin,
): Promise<{ id: string; key: string }> {
  const { instanceId, tenantId } = instance;
  const key = newKey();
  const keyHash = await hashKey(key);
  const id = newId();
  await recorded(sql, by, async (tx, note) => {
    // The row's lock keeps two requests from both making the second key.
    await tx`select 1 from instances where tenant_id = ${tenantId} and instance_id = ${instanceId} for update`;
    const [live] = await tx<{ count: number }[]>`
      select count(*) from instance_keys
      where tenant_id = ${tenantId} and instance_id = ${instanceId} and (expires_at is null or expires_at > now())`;
    if ((live?.count ?? 0) >= liveKeysPerInstance) {
      throw new ProblemError(
        problem(
          'conflict',
          `The instance has ${liveKeysPerInstance} live keys; revoke one before making another.`,
        ),
      );
    }
    await tx`
      insert into instance_keys (tenant_id, instance_id, key_id, name, key_hash, prefix, expires_at)
      values (${tenantId}, ${instanceId}, ${id}, ${given.name}, ${keyHash}, ${key.slice(0, 10)},
        ${given.expiresAt === undefined ? null : new Date(given.expiresAt)})`;
    const { expiresAt = null, name } = given;
    note({
      tenantId,
      action: 'instance-key.create',
      object: { kind: 'instance-key', id, name },
      after: { instanceId, instanceName: instance.name, name, expiresAt },
    });
  });
  return { id, key };
}

export function addInstanceKeys(app: AdminApp, { sql }: AdminServices): void {
  const unknownKey = (): ProblemError =>
    new ProblemError(problem('not-found', 'The instance has no such key.'));

  app.openapi(list, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    const { filter: text, page, 'page-size': pageSize, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, keyFields);
    const wanted = sql`${liveKeys(sql, instance)} and ${conditionSql(sql, filter)}`;
    const order = orderBy(parseSort(sort, sortColumns, 'createdAt:asc'));
    const [total] = await sql<
      { count: number }[]
    >`select count(*) as count from instance_keys where ${wanted}`;
    const rows = await sql<KeyRow[]>`
      select ${keyColumns(sql)} from instance_keys where ${wanted}
      order by ${sql.unsafe(order)}, key_id limit ${pageSize} offset ${page * pageSize}`;
    return c.json({ totalCount: total?.count ?? 0, results: rows.map(describe) }, 200);
  });
  app.openapi(create, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    requireRole(c, 'admin');
    const given = newKeySchema.parse(c.req.valid('json') ?? {});
    const { id, key } = await insertKey(sql, instance, given, originOf(c));
    const href = `/api/v1/tenants/${instance.tenantId}/instances/${instance.instanceId}/keys/${id}`;
    return c.json({ id, href, key }, 201, { location: href, etag: etag(onlyVersion) });
  });
  app.openapi(read, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    const keyId = parseGuid(c.req.param('keyId'));
    const [row] =
      keyId === undefined
        ? []
        : await sql<KeyRow[]>`
            select ${keyColumns(sql)} from instance_keys where ${liveKeys(sql, instance)} and key_id = ${keyId}`;
    if (!row) throw unknownKey();
    return c.json(describe(row), 200, { etag: etag(onlyVersion) });
  });
  app.openapi(remove, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    requireRole(c, 'admin');
    const { instanceId, tenantId } = instance;
    const keyId = parseGuid(c.req.param('keyId'));
    checkIfMatch(c.req.header('if-match'), onlyVersion);
    if (keyId === undefined) throw unknownKey();
    await changing(c, sql, async (tx, note) => {
      const [row] = await tx<{ name: string; expiresAt: Date | null }[]>`
        delete from instance_keys
        where tenant_id = ${tenantId} and instance_id = ${instanceId} and key_id = ${keyId}
        returning name, expires_at as "expiresAt"`;
      if (!row) throw unknownKey();
      note({
        tenantId,
        action: 'instance-key.delete',
        object: { kind: 'instance-key', id: keyId, name: row.name },
        before: { instanceId, instanceName: instance.name, ...row },
      });
    });
    return c.body(null, 204);
  });
}
