import { monotonicMs } from '../../clock.ts';
import { columns, omit, pagesOf, pick, type Row, rowOfJson } from '../columns.ts';
import type { Confirmations } from '../confirmations.ts';
import type { Fragment, Queries, Sql } from '../database.ts';
import { type Relay, relayColumn } from '../placements.ts';
import { type CachePolicy, createRowCache } from '../row-cache.ts';
import type { Hold } from '../row-types.ts';
import { tenants } from '../schema.ts';
import { inScope, type TenantScope } from '../tenant-scope.ts';

/** Reason why a tenant's Microsoft services cannot be used now. */
export interface AccessFailure extends Omit<Hold, 'since'> {
  readonly ok: false;
  /** `hold`: somebody must act first. `retry`: it passes. */
  readonly kind: 'hold' | 'retry';
  readonly retryAfterSeconds?: number;
}

/** A tenant without its own application, which `connection/tenant-credentials.ts` alone opens, and without what times its upkeep. */
export const tenantShape = omit(
  tenants,
  'application',
  'lastHeartbeatTryAt',
  'nextHeartbeatAt',
  'partnerStateAt',
  'deprovisionTryAt',
  'lastInstanceGone',
  'permissionsCheckedAt',
);

export interface Tenant extends Row<typeof tenantShape> {
  /** Absent in rows of a version that knew none, which a snapshot may hold. */
  readonly relay?: Relay | null;
}

/** For a query that names the table `tenants`. */
export const tenantColumns = (sql: Queries): Fragment =>
  sql`${columns(sql, tenantShape)}, ${relayColumn(sql, sql`tenants.tenant_id`)} as relay`;

/** A tenant that went through JSON. */
export const tenantOfJson = (json: Record<string, unknown>): Tenant => ({
  ...rowOfJson(tenantShape, json),
  relay: (json.relay ?? null) as Relay | null,
});

export async function readTenant(sql: Queries, tenantId: string): Promise<Tenant | undefined> {
  const [row] = await sql<Tenant[]>`select ${tenantColumns(sql)} from tenants where tenant_id = ${tenantId}`;
  return row;
}

export const readTenants = (sql: Queries, tenantIds: readonly string[]): PromiseLike<Tenant[]> => sql<
  Tenant[]
>`
  select ${tenantColumns(sql)} from tenants where tenant_id = any(${tenantIds as string[]}::uuid[])`;

/** The ids of all tenants of the scope. */
export async function listTenantIds(sql: Queries, scope: TenantScope | undefined): Promise<string[]> {
  const rows = await sql<Pick<Tenant, 'tenantId'>[]>`
    select ${columns(sql, pick(tenants, 'tenantId'))} from tenants where ${inScope(sql, scope, sql`tenant_id`)}`;
  return rows.map(({ tenantId }) => tenantId);
}

/** The row as it is, nobody else's to change until the transaction ends. */
export async function lockTenant(tx: Queries, tenantId: string): Promise<Tenant | undefined> {
  const [row] = await tx<Tenant[]>`
    select ${tenantColumns(tx)} from tenants where tenant_id = ${tenantId} for update`;
  return row;
}

/**
 * Takes tenants for which something is due, the longest waiting first, and stamps them, so that no other process takes
 * them too. Rows that are locked are left out.
 */
export const takeTenants = (
  sql: Queries,
  {
    due,
    limit,
    next,
    scope,
    stamp,
  }: {
    due: Fragment;
    limit: number;
    next: Fragment;
    scope: TenantScope | undefined;
    stamp: Fragment;
  },
): Promise<Tenant[]> => sql<Tenant[]>`
  update tenants set ${stamp} = ${next}
  where tenant_id in (
    select tenant_id from tenants where ${due} and ${inScope(sql, scope, sql`tenant_id`)}
    order by ${stamp} nulls first limit ${limit} for update skip locked)
  returning ${tenantColumns(sql)}`;

const byId = (tenant: Tenant): readonly [string, Tenant] => [tenant.tenantId, tenant];

async function* allTenants(sql: Sql): AsyncGenerator<readonly (readonly [string, Tenant])[]> {
  const pages = pagesOf<Tenant>(
    (after, limit) => sql<Tenant[]>`
      select ${tenantColumns(sql)} from tenants
      where ${after === undefined ? sql`true` : sql`tenant_id > ${after.tenantId}`}
      order by tenant_id limit ${limit}`,
  );
  for await (const page of pages) yield page.map(byId);
}

export interface TenantDirectory {
  /** Returns what is known without asking the database. */
  peek(tenantId: string): Tenant | undefined;
  tenant(tenantId: string): Promise<Tenant | undefined>;
  /** Reads the tenant from the database. */
  fresh(tenantId: string): Promise<Tenant | undefined>;
  /** Forgets what this process remembers of a tenant it has just changed. */
  forget(tenantId: string): void;
  forgetAll(): void;
  /** Reads all tenants, so that they are here should the database go away. */
  preload(): Promise<void>;
  /** All that are known, and another number whenever these are others. */
  known(): readonly Tenant[];
  readonly revision: number;
  unreadForMs(): number;
  /** Takes in what `known` gave so long ago, read from JSON. */
  restore(tenants: readonly object[], ageMs: number): void;
}

/** A caller that gives `policy` must also tell the directory of what the change feed names. */
export function createTenantDirectory(
  sql: Sql,
  policy?: CachePolicy,
  now: () => number = monotonicMs,
  read = (tenantId: string): Promise<Tenant | undefined> => readTenant(sql, tenantId),
  confirmations?: Confirmations,
): TenantDirectory {
  const kept = createRowCache<Tenant>({
    read,
    maxRows: 20_000,
    ...{ confirmations, now, policy },
  });
  return {
    peek: kept.peek,
    tenant: kept.get,
    fresh: kept.fresh,
    forget: kept.forget,
    forgetAll: kept.forgetAll,
    preload: () => kept.preload(allTenants(sql)),
    known: kept.known,
    get revision() {
      return kept.revision;
    },
    unreadForMs: kept.unreadForMs,
    restore: (found, ageMs) =>
      kept.restore(
        found.map((json) => byId(tenantOfJson({ ...json }))),
        ageMs,
      ),
  };
}
