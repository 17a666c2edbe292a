import { getTableName, type SQL, sql } from 'drizzle-orm';
import type { PgTable } from 'drizzle-orm/pg-core';
import { monotonicMs } from '../clock.ts';
import { operatorsKeptMs } from '../limits.ts';
import { columns, pick } from './columns.ts';
import type { Queries, Sql, Transaction } from './database.ts';
import { operators } from './operator-schema.ts';
import type { Role } from './row-types.ts';

/**
 * Operators whom Entra signs in, and the tenants that they are bound to. A person's or application's own assignment
 * decides; without one, that of everybody of the Entra tenant; without either an operator is for all tenants.
 */

/** In the place of an object id: everybody of the Entra tenant. */
export const everybody = '00000000-0000-0000-0000-000000000000';

const assignmentShape = pick(operators, 'entraTenantId', 'objectId', 'tenantIds');

export interface OperatorKey {
  readonly entraTenantId: string;
  /** Or `everybody`. */
  readonly objectId: string;
}

/**
 * The tenants that the operator of a row of `of` is bound to; null: every tenant. Names are written out, because drizzle
 * leaves a table's name away where it selects from one only, and the inner table has columns of the same names.
 */
export const boundTenants = (of: PgTable): SQL<string[] | null> => {
  const table = sql.identifier(getTableName(of));
  return sql`(
    select o.tenant_ids from operators o
    where o.entra_tenant_id = ${table}.entra_tenant_id and o.object_id in (${table}.object_id, ${everybody}::uuid)
      and o.assigned_at is not null
    order by o.object_id = ${everybody}::uuid limit 1)`;
};

/** The tenants that an operator is bound to at the moment; undefined: every tenant. */
export async function readBinding(
  client: Queries,
  { entraTenantId, objectId }: OperatorKey,
): Promise<readonly string[] | undefined> {
  const [row] = await client<{ readonly tenantIds: string[] | null }[]>`
    select tenant_ids as "tenantIds" from operators
    where entra_tenant_id = ${entraTenantId} and object_id in (${objectId}, ${everybody}) and assigned_at is not null
    order by object_id = ${everybody} limit 1`;
  return row?.tenantIds ?? undefined;
}

/** An assignment that holds: of one operator, or of everybody of an Entra tenant. */
export interface Assignment extends OperatorKey {
  /** null: every tenant. */
  readonly tenantIds: readonly string[] | null;
}

/** All assignments as they were last read, for when the database cannot be asked. */
export interface Assignments {
  /** Reads them anew. */
  read(): Promise<void>;
  /** Undefined: they were never read. */
  all(): readonly Assignment[] | undefined;
  /** Milliseconds since the last look that this process took began; infinite before the first. */
  readForMs(): number;
  restore(assignments: readonly Assignment[]): void;
  /** What `readBinding` would have said; undefined: nobody knows. */
  bindingOf(operator: OperatorKey): { readonly tenantIds: readonly string[] | undefined } | undefined;
}

export function createAssignments(client: Sql): Assignments {
  let known: readonly Assignment[] | undefined;
  let readAtMs = Number.NEGATIVE_INFINITY;
  return {
    read: async () => {
      const beganMs = monotonicMs();
      known = await client<Assignment[]>`
        select ${columns(client, assignmentShape)} from operators where assigned_at is not null`;
      readAtMs = beganMs;
    },
    all: () => known,
    readForMs: () => monotonicMs() - readAtMs,
    restore: (assignments) => {
      known = assignments;
    },
    bindingOf: ({ entraTenantId, objectId }) => {
      const of = (id: string) =>
        known?.find((one) => one.entraTenantId === entraTenantId && one.objectId === id);
      return known && { tenantIds: (of(objectId) ?? of(everybody))?.tenantIds ?? undefined };
    },
  };
}

export interface SeenOperator extends OperatorKey {
  readonly name: string;
  readonly role: Role;
}

/** Records when an operator was last seen, with the name and role that the present token claims. */
export async function noteOperator(
  client: Queries,
  { entraTenantId, name, objectId, role }: SeenOperator,
): Promise<void> {
  await client`
    insert into operators (entra_tenant_id, object_id, name, role, last_seen_at)
    values (${entraTenantId}, ${objectId}, ${name}, ${role}, now())
    on conflict (entra_tenant_id, object_id) do update
      set name = excluded.name, role = excluded.role, last_seen_at = excluded.last_seen_at`;
}

/** One change of the assignments of an Entra tenant at a time, until the transaction ends. */
export async function lockOperators(tx: Transaction, entraTenantId: string): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended(${`operators/${entraTenantId}`}, 0))`;
}

/** `tenantIds` null: all of them, whatever is assigned to everybody of the Entra tenant. */
export async function assignTenants(
  tx: Transaction,
  { entraTenantId, objectId }: OperatorKey,
  tenantIds: readonly string[] | null,
): Promise<void> {
  const assigned = tenantIds === null ? null : [...tenantIds];
  await tx`
    insert into operators as o (entra_tenant_id, object_id, tenant_ids, assigned_at, version)
    values (${entraTenantId}, ${objectId}, ${assigned}::uuid[], now(), 1)
    on conflict (entra_tenant_id, object_id) do update
      set tenant_ids = excluded.tenant_ids, assigned_at = excluded.assigned_at, version = o.version + 1`;
}

/** False: it had no assignment of its own. */
export async function endAssignment(
  tx: Transaction,
  { entraTenantId, objectId }: OperatorKey,
): Promise<boolean> {
  const { count } = await tx`
    update operators set tenant_ids = null, assigned_at = null, version = version + 1
    where entra_tenant_id = ${entraTenantId} and object_id = ${objectId} and assigned_at is not null`;
  return count > 0;
}

/**
 * Lists the Entra tenants whose people may sign in, so that each can be assigned before its first person comes. What has no
 * assignment goes: an Entra tenant that is none of them any more, an operator who was not seen for long.
 */
export async function tidyOperators(client: Sql, entraTenantIds: readonly string[]): Promise<void> {
  const admitted = [...entraTenantIds];
  await client`
    insert into operators (entra_tenant_id, object_id) select unnest(${admitted}::uuid[]), ${everybody}::uuid
    on conflict do nothing`;
  await client`
    delete from operators
    where assigned_at is null
      and case when object_id = ${everybody}::uuid then entra_tenant_id <> all(${admitted}::uuid[])
        else coalesce(last_seen_at < now() - ${operatorsKeptMs} * interval '1 millisecond', true) end`;
}
