import { createRoute, z } from '@hono/zod-openapi';
import { and, eq, getTableColumns, type SQL, sql } from 'drizzle-orm';
import { makePgArray } from 'drizzle-orm/pg-core';
import type { Context } from 'hono';
import { parseGuid } from '../../ids.ts';
import { ProblemError, problem } from '../../problems.ts';
import type { Queries } from '../../store/database.ts';
import { operators } from '../../store/operator-schema.ts';
import {
  assignTenants,
  boundTenants,
  endAssignment,
  everybody,
  lockOperators,
  type OperatorKey,
  readBinding,
} from '../../store/operators.ts';
import { inTransaction } from '../../store/retry.ts';
import { roles } from '../../store/row-types.ts';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices, Operator } from '../context.ts';
import { recordChange } from '../recording.ts';
import { resource } from '../resource/resource.ts';
import { checkIfMatch, commonProblems, etag, guid, jsonAnswer, versionProblem } from '../schemas.ts';

/**
 * `/operators`: whom Entra signs in here, and the tenants that they are bound to. An admin who is bound himself sees those
 * who are bound within his tenants, and binds them within his tenants.
 */

const assignments = ['own', 'entra-tenant', 'none'] as const;

const idOf = ({ entraTenantId, objectId }: OperatorKey): string =>
  objectId === everybody ? entraTenantId : `${entraTenantId}:${objectId}`;

const operator = resource({
  names: ['Operator', 'Operators'],
  from: operators,
  columns: {
    ...getTableColumns(operators),
    bound: boundTenants(operators),
    isFollowed: sql<boolean>`exists (select 1 from operators o where o.entra_tenant_id = "operators".entra_tenant_id
      and o.object_id = ${everybody}::uuid and o.assigned_at is not null)`,
  },
  fields: ({ beside, column, made }) => ({
    id: made(
      z.string().openapi({
        description: 'The Entra tenant and the object id, joined by a colon; of everybody the Entra tenant.',
      }),
      ['entraTenantId', 'objectId'],
      idOf,
    ),
    entraTenantId: column('entraTenantId', {
      description: 'The tenant of Entra that signs the operator in.',
      filter: true,
      sort: true,
    }),
    objectId: column('objectId', {
      schema: z.string().nullable(),
      show: (id) => (id === everybody ? null : id),
      description: `Of the person, or of the application's service principal. null: everybody of the Entra tenant; a filter has ${everybody} for it.`,
      filter: true,
    }),
    name: column('name', {
      description: 'As the last token said; null: not seen yet.',
      filter: 'wildcards',
      sort: true,
    }),
    role: column('role', {
      schema: z.enum(roles).nullable(),
      description: 'As the last token said.',
      filter: roles,
      sort: true,
    }),
    lastSeenAt: column('lastSeenAt', {
      description: 'Written at most once a minute.',
      filter: true,
      sort: true,
    }),
    tenants: column('bound', {
      schema: z.array(z.string()).nullable(),
      description: 'The tenants that the operator sees, by whichever assignment decides; null: all of them.',
      input: {
        change: z
          .array(guid)
          .max(1_000)
          .nullable()
          .openapi({ description: 'null: all of them; empty: none.' }),
      },
    }),
    assignment: made(
      z.enum(assignments).openapi({
        description:
          'Which one decides: the own, that of everybody of the Entra tenant, or none, and all are seen.',
      }),
      ['assignedAt', 'isFollowed'],
      ({ assignedAt, isFollowed }) => {
        if (assignedAt !== null) return 'own';
        return isFollowed ? 'entra-tenant' : 'none';
      },
    ),
    assignedAt: column('assignedAt', { description: 'Since when the own assignment holds.' }),
    admitted: beside(
      z.boolean().openapi({ description: 'ESPALIER_OPERATOR_TENANTS names the Entra tenant.' }),
      ['entraTenantId'],
    ),
    version: column('version'),
  }),
  table: [
    { field: 'id', whole: true, importance: 1 },
    { field: 'name', importance: 2 },
    { field: 'role', importance: 3 },
    { field: 'tenants', names: 'tenant', importance: 4 },
    { field: 'assignment', importance: 5 },
    { field: 'lastSeenAt', importance: 6 },
  ],
  sort: 'entraTenantId:asc,name:asc',
  key: [operators.entraTenantId, operators.objectId],
});

const tags = ['Operators'];
const operatorPath = z.object({
  operatorId: z.string().openapi({
    description:
      'The Entra tenant and the object id, joined by a colon; the Entra tenant alone for everybody of it',
    example: '3f2504e0-4f89-41d3-9a0c-0305e82c3301:7d444840-9dc0-41d1-b245-5ffdce74fad2',
  }),
});

const list = createRoute({
  method: 'get',
  path: '/api/v1/operators',
  operationId: 'listOperators',
  tags,
  summary: 'Whom Entra signs in here, with role and tenants',
  request: { query: operator.query },
  responses: { 200: jsonAnswer(operator.list, 'Operators'), ...commonProblems },
});
const read = createRoute({
  method: 'get',
  path: '/api/v1/operators/{operatorId}',
  operationId: 'getOperator',
  tags,
  summary: 'One operator of Entra, or everybody of an Entra tenant',
  request: { params: operatorPath },
  responses: { 200: jsonAnswer(operator.schema, 'Operator'), ...commonProblems },
});
const assign = createRoute({
  method: 'put',
  path: '/api/v1/operators/{operatorId}',
  operationId: 'assignOperator',
  tags,
  summary: 'Bind an operator of Entra, or everybody of an Entra tenant, to tenants',
  request: {
    params: operatorPath,
    body: {
      required: true,
      content: {
        'application/json': { schema: operator.body('change').required().openapi('OperatorAssignment') },
      },
    },
  },
  responses: { 200: jsonAnswer(operator.schema, 'Assigned'), ...commonProblems, ...versionProblem },
});
const unassign = createRoute({
  method: 'delete',
  path: '/api/v1/operators/{operatorId}',
  operationId: 'unassignOperator',
  tags,
  summary: 'End the assignment of an operator, or of everybody of an Entra tenant',
  request: { params: operatorPath },
  responses: { 204: { description: 'Ended' }, ...commonProblems, ...versionProblem },
});

const unknownOperator = (): ProblemError =>
  new ProblemError(problem('not-found', 'There is no such operator.'));

/** Throws `not-found` for a text that names nobody. */
function keyOf(text: string | undefined): OperatorKey {
  const [first, second, ...more] = (text ?? '').split(':');
  const entraTenantId = parseGuid(first);
  const objectId = second === undefined ? everybody : parseGuid(second);
  const isEverybody = second !== undefined && objectId === everybody;
  if (entraTenantId === undefined || objectId === undefined || isEverybody || more.length > 0)
    throw unknownOperator();
  return { entraTenantId, objectId };
}

/**
 * True when an admin may see an operator with these tenants. An operator without any tenant could be another customer's,
 * so only an admin for all tenants sees him.
 */
const within = ({ tenantIds: own }: Operator, tenantIds: readonly string[] | undefined): boolean =>
  own === undefined ||
  (tenantIds !== undefined && tenantIds.length > 0 && tenantIds.every((tenantId) => own.includes(tenantId)));

/** The same in SQL. */
const visibleTo = ({ tenantIds }: Operator): SQL =>
  tenantIds === undefined
    ? sql`true`
    : sql`${boundTenants(operators)} <@ ${makePgArray([...tenantIds])}::uuid[]
        and cardinality(${boundTenants(operators)}) > 0`;

const rowOf = ({ entraTenantId, objectId }: OperatorKey): SQL | undefined =>
  and(eq(operators.entraTenantId, entraTenantId), eq(operators.objectId, objectId));

export function addOperators(app: AdminApp, services: AdminServices): void {
  const { operators: entra, sql: client } = services;
  const admitted = ({ entraTenantId }: Pick<OperatorKey, 'entraTenantId'>) => ({
    admitted: entra?.tenantIds.includes(entraTenantId) ?? false,
  });
  const readOne = (queries: Queries, key: OperatorKey) => operator.read(queries, rowOf(key));

  /** Locks and reads the operator of a request. Throws `not-found` for one whom the asking admin does not see. */
  const begin = async (c: Context<AdminEnv>, tx: Parameters<typeof lockOperators>[0], key: OperatorKey) => {
    await lockOperators(tx, key.entraTenantId);
    const row = await readOne(tx, key);
    if (!within(c.get('operator'), await readBinding(tx, key))) throw unknownOperator();
    checkIfMatch(c.req.header('if-match'), row?.version ?? 0);
    return row;
  };

  /** Throws `forbidden` when an operator would be bound to more than the asking admin is. */
  const checkWithin = async (c: Context<AdminEnv>, queries: Queries, key: OperatorKey) => {
    if (within(c.get('operator'), await readBinding(queries, key))) return;
    throw new ProblemError(
      problem('forbidden', 'An admin who is bound to tenants binds operators to those tenants only.'),
    );
  };

  app.openapi(list, async (c) => {
    const asking = requireRole(c, 'admin');
    const { rows, totalCount } = await operator.readPage(services, c.req.valid('query'), visibleTo(asking));
    return c.json({ totalCount, results: rows.map((row) => operator.show(row, admitted(row))) }, 200);
  });

  app.openapi(read, async (c) => {
    const asking = requireRole(c, 'admin');
    const key = keyOf(c.req.param('operatorId'));
    const row = await operator.read(client, and(rowOf(key), visibleTo(asking)));
    if (!row) throw unknownOperator();
    return c.json(operator.show(row, admitted(row)), 200, { etag: etag(row.version) });
  });

  app.openapi(assign, async (c) => {
    requireRole(c, 'admin');
    const key = keyOf(c.req.param('operatorId'));
    const given = c.req.valid('json').tenants;
    const tenants = given === null ? null : [...new Set(given)].sort();
    const row = await inTransaction(client, async (tx) => {
      const before = await begin(c, tx, key);
      await assignTenants(tx, key, tenants);
      await checkWithin(c, tx, key);
      await recordChange(c, tx, {
        tenantId: undefined,
        action: 'operator.assign',
        object: { kind: 'operator', id: idOf(key), name: before?.name ?? undefined },
        ...(before?.assignedAt ? { before: { tenants: before.bound } } : {}),
        after: { tenants },
      });
      return readOne(tx, key);
    });
    if (!row) throw unknownOperator();
    return c.json(operator.show(row, admitted(row)), 200, { etag: etag(row.version) });
  });

  app.openapi(unassign, async (c) => {
    requireRole(c, 'admin');
    const key = keyOf(c.req.param('operatorId'));
    await inTransaction(client, async (tx) => {
      const before = await begin(c, tx, key);
      if (before === undefined || !(await endAssignment(tx, key)))
        throw new ProblemError(problem('not-found', 'The operator has no assignment of its own.'));
      await checkWithin(c, tx, key);
      await recordChange(c, tx, {
        tenantId: undefined,
        action: 'operator.unassign',
        object: { kind: 'operator', id: idOf(key), name: before.name ?? undefined },
        before: { tenants: before.bound },
      });
    });
    return c.body(null, 204);
  });
}
