import { createRoute, z } from '@hono/zod-openapi';
import { and, eq, getTableColumns, gt, isNull, or } from 'drizzle-orm';
import { newId, parseGuid } from '../../ids.ts';
import { liveKeysPerInstance } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import { hashKey, newKey } from '../../secrets/keys.ts';
import type { Sql } from '../../store/database.ts';
import { type HistoryOrigin, recorded } from '../../store/history.ts';
import { insertInstanceKey, removeInstanceKey } from '../../store/instance-keys.ts';
import type { Instance } from '../../store/instances/instance.ts';
import { instanceKeys } from '../../store/schema.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { changing, originOf } from '../recording.ts';
import { answerList, resource } from '../resource/resource.ts';
import {
  checkIfMatch,
  commonProblems,
  etag,
  instancePath,
  jsonAnswer,
  onlyVersion,
  pathId,
  problemAnswer,
  versionProblem,
} from '../schemas.ts';
import { now } from '../scope.ts';
import { instanceOf } from './instances.ts';

/** `…/instances/{instanceId}/keys`: what an instance's webhooks authenticate with. */

const instanceKey = resource({
  names: ['InstanceKey', 'InstanceKeys'],
  from: instanceKeys,
  columns: getTableColumns(instanceKeys),
  fields: ({ column }) => ({
    id: column('keyId'),
    name: column('name', {
      filter: 'wildcards',
      sort: true,
      input: { create: z.string().trim().min(1).max(100).default('webhooks') },
    }),
    prefix: column('prefix'),
    createdAt: column('createdAt', { filter: true, sort: true }),
    expiresAt: column('expiresAt', {
      filter: true,
      sort: true,
      input: { create: z.iso.datetime({ offset: true }).optional() },
    }),
    lastUsedAt: column('lastUsedAt', { filter: true, sort: true }),
  }),
  table: [
    { field: 'id', whole: true, importance: 1 },
    { field: 'name', importance: 2 },
    { field: 'prefix', importance: 3 },
    { field: 'createdAt', importance: 6 },
    { field: 'expiresAt', importance: 4 },
    { field: 'lastUsedAt', importance: 5 },
  ],
  sort: 'createdAt:asc',
  key: [instanceKeys.keyId],
});

const newKeySchema = instanceKey.body('create').openapi('NewInstanceKey');

const tags = ['Instance keys'];
const base = '/api/v1/tenants/{tenantId}/instances/{instanceId}/keys';
const keyPath = instancePath.extend({
  keyId: pathId('The key, by its id; the key itself never stands in a path'),
});

const list = createRoute({
  method: 'get',
  path: base,
  operationId: 'listInstanceKeys',
  tags,
  summary: 'The live keys of an instance, without the keys themselves',
  request: { params: instancePath, query: instanceKey.query },
  responses: { 200: jsonAnswer(instanceKey.list, 'Keys'), ...commonProblems },
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
  responses: { 200: jsonAnswer(instanceKey.schema, 'Key'), ...commonProblems },
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

/** Selects the keys that open something: an expired one is not shown. */
const liveKeys = ({ instanceId, tenantId }: Instance) =>
  and(
    eq(instanceKeys.tenantId, tenantId),
    eq(instanceKeys.instanceId, instanceId),
    or(isNull(instanceKeys.expiresAt), gt(instanceKeys.expiresAt, now)),
  );

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
    const { expiresAt = null, name } = given;
    await insertInstanceKey(tx, {
      tenantId,
      instanceId,
      keyId: id,
      name,
      keyHash,
      prefix: key.slice(0, 10),
      expiresAt: expiresAt === null ? null : new Date(expiresAt),
    });
    note({
      tenantId,
      action: 'instance-key.create',
      object: { kind: 'instance-key', id, name },
      after: { instanceId, instanceName: instance.name, name, expiresAt },
    });
  });
  return { id, key };
}

export function addInstanceKeys(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  const unknownKey = (): ProblemError =>
    new ProblemError(problem('not-found', 'The instance has no such key.'));

  app.openapi(list, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    return answerList(c, await instanceKey.page(services, c.req.valid('query'), liveKeys(instance)));
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
    const row =
      keyId && (await instanceKey.read(sql, and(liveKeys(instance), eq(instanceKeys.keyId, keyId))));
    if (!row) throw unknownKey();
    return c.json(instanceKey.show(row), 200, { etag: etag(onlyVersion) });
  });
  app.openapi(remove, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    requireRole(c, 'admin');
    const { instanceId, tenantId } = instance;
    const keyId = parseGuid(c.req.param('keyId'));
    checkIfMatch(c.req.header('if-match'), onlyVersion);
    if (keyId === undefined) throw unknownKey();
    await changing(c, sql, async (tx, note) => {
      const row = await removeInstanceKey(tx, instance, keyId);
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
