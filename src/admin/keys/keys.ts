import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { newId, parseGuid } from '../../ids.ts';
import { ProblemError, problem } from '../../problems.ts';
import { hashKey, newKey } from '../../secrets/keys.ts';
import type { Fragment, Queries } from '../../store/database.ts';
import { inTransaction } from '../../store/retry.ts';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices, Operator, Role } from '../context.ts';
import { requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import { recordChange } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  etag,
  filteredPaging,
  guid,
  instant,
  instantOrNull,
  iso,
  jsonAnswer,
  type ListColumn,
  listOf,
  onlyVersion,
  orderBy,
  parseSort,
  versionProblem,
} from '../schemas.ts';

/** `/keys`: operators' keys. A tenant-bound admin manages the keys that are bound within its tenants. */

const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.enum(['viewer', 'operator', 'admin']),
    tenants: z.array(z.string()).nullable(),
    prefix: z.string(),
    createdAt: instant,
    expiresAt: instantOrNull,
    /** It opens nothing any more; it is shown until it is deleted, to explain why. */
    expired: z.boolean(),
    /** Written at most once a minute. */
    lastUsedAt: instantOrNull,
  })
  .openapi('ApiKey');

const newKeySchema = z
  .object({
    name: z.string().trim().min(1).max(100),
    role: z.enum(['viewer', 'operator', 'admin']),
    tenants: z.array(guid).min(1).max(1_000).optional(),
    expiresAt: z.iso
      .datetime({ offset: true })
      .refine((text) => Date.parse(text) > Date.now(), 'must be in the future')
      .optional(),
  })
  .strict()
  .openapi('NewApiKey');

const keyFields: FilterFields = {
  name: { type: 'text', column: 'name', wildcards: true },
  role: { type: 'enum', column: 'role', values: ['viewer', 'operator', 'admin'] },
  createdAt: { type: 'timestamp', column: 'created_at' },
  expiresAt: { type: 'timestamp', column: 'expires_at' },
  lastUsedAt: { type: 'timestamp', column: 'last_used_at' },
};
const sortColumns = {
  name: 'name',
  role: 'role',
  createdAt: 'created_at',
  expiresAt: 'expires_at',
  lastUsedAt: 'last_used_at',
};

const tags = ['Keys'];
const keyPath = z.object({ keyId: z.string().openapi({ format: 'uuid' }) });

const apiKeysTable: readonly ListColumn[] = [
  { field: 'id', whole: true, importance: 1 },
  { field: 'name', importance: 2 },
  { field: 'role', importance: 3 },
  { field: 'tenants', importance: 7 },
  { field: 'prefix', importance: 4 },
  { field: 'expiresAt', importance: 5 },
  { field: 'lastUsedAt', importance: 6 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/keys',
  operationId: 'listApiKeys',
  tags,
  summary: 'Admin API keys, without the keys themselves',
  request: { query: filteredPaging(keyFields) },
  responses: { 200: jsonAnswer(listOf(keySchema, 'ApiKeys', apiKeysTable), 'Keys'), ...commonProblems },
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
  responses: { 200: jsonAnswer(keySchema, 'Key'), ...commonProblems },
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

interface KeyRow {
  readonly keyId: string;
  readonly name: string;
  readonly role: Role;
  readonly tenantIds: string[] | null;
  readonly prefix: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly expired: boolean;
  readonly lastUsedAt: Date | null;
}

const describe = (row: KeyRow): z.infer<typeof keySchema> => ({
  id: row.keyId,
  name: row.name,
  role: row.role,
  tenants: row.tenantIds,
  prefix: row.prefix,
  createdAt: row.createdAt.toISOString(),
  expiresAt: iso(row.expiresAt),
  expired: row.expired,
  lastUsedAt: iso(row.lastUsedAt),
});

/** Keys within the operator's own tenants: a bound admin does not see, make or revoke any other. */
const within = (operator: Operator, tenantIds: readonly string[] | null | undefined): boolean =>
  operator.tenantIds === undefined ||
  (tenantIds?.every((tenantId) => operator.tenantIds?.includes(tenantId)) ?? false);

/** The same in SQL; a revoked key is gone for everybody. */
const visibleTo = (sql: Queries, { tenantIds }: Operator): Fragment =>
  tenantIds === undefined
    ? sql`revoked_at is null`
    : sql`revoked_at is null and tenant_ids <@ ${[...tenantIds]}::uuid[]`;

const columns = (sql: Queries): Fragment => sql`
  key_id as "keyId", name, role, tenant_ids as "tenantIds", prefix, created_at as "createdAt",
  expires_at as "expiresAt", coalesce(expires_at <= now(), false) as expired, last_used_at as "lastUsedAt"`;

const unknownKey = (): ProblemError => new ProblemError(problem('not-found', 'There is no such key.'));

export function addApiKeys(app: AdminApp, { sql }: AdminServices): void {
  const requireKey = async (c: Context<AdminEnv>): Promise<KeyRow> => {
    const operator = requireRole(c, 'admin');
    const keyId = parseGuid(c.req.param('keyId'));
    if (keyId === undefined) throw unknownKey();
    const [row] = await sql<KeyRow[]>`
      select ${columns(sql)} from api_keys where key_id = ${keyId} and ${visibleTo(sql, operator)}`;
    if (!row) throw unknownKey();
    return row;
  };

  app.openapi(list, async (c) => {
    const operator = requireRole(c, 'admin');
    const { filter: text, page, 'page-size': size, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, keyFields);
    const order = orderBy(parseSort(sort, sortColumns, 'createdAt:asc'));
    const found = sql`${visibleTo(sql, operator)} and ${conditionSql(sql, filter)}`;
    const [total] = await sql<{ count: number }[]>`select count(*) as count from api_keys where ${found}`;
    const rows = await sql<KeyRow[]>`
      select ${columns(sql)} from api_keys where ${found}
      order by ${sql.unsafe(order)}, key_id limit ${size} offset ${page * size}`;
    return c.json({ totalCount: total?.count ?? 0, results: rows.map(describe) }, 200);
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
    const keyHash = await hashKey(key);
    await inTransaction(sql, async (tx) => {
      await tx`
        insert into api_keys (key_id, name, role, tenant_ids, key_hash, prefix, expires_at)
        values (${id}, ${name}, ${role}, ${tenants}::uuid[], ${keyHash}, ${key.slice(0, 10)},
          ${expiresAt === undefined ? null : new Date(expiresAt)})`;
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
  app.openapi(read, async (c) => c.json(describe(await requireKey(c)), 200, { etag: etag(onlyVersion) }));
  app.openapi(remove, async (c) => {
    const row = await requireKey(c);
    checkIfMatch(c.req.header('if-match'), onlyVersion);
    await inTransaction(sql, async (tx) => {
      const { count } = await tx`
        update api_keys set revoked_at = now() where key_id = ${row.keyId} and revoked_at is null`;
      // Somebody else was quicker: it happened once, and is in the history once.
      if (count === 0) throw unknownKey();
      const { name, role, tenantIds: tenants } = row;
      await recordChange(c, tx, {
        tenantId: undefined,
        action: 'key.delete',
        object: { kind: 'key', id: row.keyId, name },
        before: { name, role, tenants, expiresAt: iso(row.expiresAt) },
      });
    });
    return c.body(null, 204);
  });
}
