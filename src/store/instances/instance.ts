import { getTableColumns } from 'drizzle-orm';
import { createBoundedCache } from '../../bounded-cache.ts';
import { monotonicMs } from '../../clock.ts';
import { columns, pagesOf, type Row, rowOfJson } from '../columns.ts';
import type { Confirmations } from '../confirmations.ts';
import type { Queries, Sql } from '../database.ts';
import { type CachePolicy, createRowCache } from '../row-cache.ts';
import { instances } from '../schema.ts';

export const instanceShape = getTableColumns(instances);

export type Instance = Row<typeof instanceShape>;
export type InstanceRef = Pick<Instance, 'tenantId' | 'instanceId'>;

export const instanceKey = ({ instanceId, tenantId }: InstanceRef): string => `${tenantId}/${instanceId}`;

export const instanceColumns = (sql: Queries) => columns(sql, instanceShape);

export async function readInstance(
  sql: Queries,
  tenantId: string,
  instanceId: string,
): Promise<Instance | undefined> {
  const [row] = await sql<Instance[]>`
    select ${instanceColumns(sql)} from instances where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
  return row;
}

export async function listInstances(sql: Queries, tenantId: string): Promise<Instance[]> {
  return sql<Instance[]>`
    select ${instanceColumns(sql)} from instances where tenant_id = ${tenantId} order by name, instance_id`;
}

/** The instances of these tenants, by name. */
export const listInstancesOf = (sql: Queries, tenantIds: readonly string[]): PromiseLike<Instance[]> => sql<
  Instance[]
>`
  select ${instanceColumns(sql)} from instances where tenant_id = any(${tenantIds as string[]}::uuid[])
  order by name, instance_id`;

/** `error`: why the exchange failed; null: it went well. */
async function recordContact(
  sql: Queries,
  { instanceId, tenantId }: InstanceRef,
  error: string | null,
): Promise<void> {
  await (error === null
    ? sql`update instances set last_seen_at = now(), last_error = null
          where tenant_id = ${tenantId} and instance_id = ${instanceId}`
    : sql`update instances set last_error_at = now(), last_error = ${error}
          where tenant_id = ${tenantId} and instance_id = ${instanceId}`);
}

/** How a test of the instance ended, and the version of Jamf Pro if it was told. */
export async function noteTest(
  sql: Queries,
  { instanceId, tenantId }: InstanceRef,
  { error, version }: { readonly error: string | null; readonly version: string | undefined },
): Promise<void> {
  await sql`
    update instances set jamf_version = coalesce(${version ?? null}, jamf_version), last_error = ${error},
      last_seen_at = case when ${error}::text is null then now() else last_seen_at end,
      last_error_at = case when ${error}::text is null then last_error_at else now() end
    where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
}

/** The last contact is recorded at most this often: a row written per webhook would be a hot spot. */
const recordEveryMs = 15_000;
const keptInstances = 60_000;

export interface InstanceDirectory {
  /** Returns what is known without asking the database. */
  peek(tenantId: string, instanceId: string): Instance | undefined;
  instance(tenantId: string, instanceId: string): Promise<Instance | undefined>;
  forget(tenantId: string, instanceId: string): void;
  forgetAll(): void;
  /** Reads all instances, so that they are here should the database go away. */
  preload(): Promise<void>;
  /** All that are known, and another number whenever these are others. */
  known(): readonly Instance[];
  readonly revision: number;
  unreadForMs(): number;
  /** Takes in what `known` gave so long ago, read from JSON: all instances that there were. */
  restore(instances: readonly object[], ageMs: number): void;
  /** All instances of a tenant, by name, from memory; undefined: it may have others. */
  ofTenant(tenantId: string): readonly Instance[] | undefined;
  /** Remembers how the last exchange with the instance's API went. */
  recordExchange(tenantId: string, instanceId: string, error: string | null): Promise<void>;
}

const byKey = (instance: Instance): readonly [string, Instance] => [instanceKey(instance), instance];

async function* allInstances(sql: Sql): AsyncGenerator<readonly (readonly [string, Instance])[]> {
  const pages = pagesOf<Instance>(
    (after, limit) => sql<Instance[]>`
      select ${instanceColumns(sql)} from instances
      where ${after === undefined ? sql`true` : sql`(tenant_id, instance_id) > (${after.tenantId}, ${after.instanceId})`}
      order by tenant_id, instance_id limit ${limit}`,
  );
  for await (const page of pages) yield page.map(byKey);
}

/** The instances of each tenant by id; complete once all were taken in. */
function createTenantIndex() {
  const ids = new Map<string, Set<string>>();
  let isComplete = false;
  return {
    add: ({ instanceId, tenantId }: InstanceRef): void => {
      const known = ids.get(tenantId);
      if (known) known.add(instanceId);
      else ids.set(tenantId, new Set([instanceId]));
    },
    remove: ({ instanceId, tenantId }: InstanceRef): void => {
      ids.get(tenantId)?.delete(instanceId);
    },
    complete: (): void => {
      isComplete = true;
    },
    of: (tenantId: string): readonly string[] | undefined =>
      isComplete ? [...(ids.get(tenantId) ?? [])] : undefined,
  };
}

/** A caller that gives `policy` must also tell the directory of what the change feed names. */
export function createInstanceDirectory(
  sql: Sql,
  now: () => number = monotonicMs,
  policy?: CachePolicy,
  read = (tenantId: string, instanceId: string): Promise<Instance | undefined> =>
    readInstance(sql, tenantId, instanceId),
  confirmations?: Confirmations,
): InstanceDirectory {
  /**
   * Keys are kept by instance, because putting a key together and hashing it for each call costs more than looking it
   * up.
   */
  const keys = new Map<string, { readonly tenantId: string; readonly key: string }>();
  const keyOf = (tenantId: string, instanceId: string): string => {
    const known = keys.get(instanceId);
    if (known?.tenantId === tenantId) return known.key;
    const key = instanceKey({ tenantId, instanceId });
    if (keys.size >= keptInstances) keys.clear();
    keys.set(instanceId, { tenantId, key });
    return key;
  };
  const index = createTenantIndex();
  const kept = createRowCache<Instance>({
    read: async (key) => {
      const [tenantId = '', instanceId = ''] = key.split('/');
      const found = await read(tenantId, instanceId);
      if (found) index.add(found);
      else index.remove({ tenantId, instanceId });
      return found;
    },
    maxRows: keptInstances,
    ...{ confirmations, now, policy },
  });
  async function* indexed(): AsyncGenerator<readonly (readonly [string, Instance])[]> {
    for await (const page of allInstances(sql)) {
      for (const [, instance] of page) index.add(instance);
      yield page;
    }
  }
  const recording = new Set<string>();
  const recorded = createBoundedCache<string, { at: number; error: string | null }>(60_000);
  return {
    peek: (tenantId, instanceId) => kept.peek(keyOf(tenantId, instanceId)),
    instance: (tenantId, instanceId) => kept.get(keyOf(tenantId, instanceId)),
    forget: (tenantId, instanceId) => kept.forget(keyOf(tenantId, instanceId)),
    forgetAll: kept.forgetAll,
    preload: async () => {
      await kept.preload(indexed());
      index.complete();
    },
    known: kept.known,
    get revision() {
      return kept.revision;
    },
    unreadForMs: kept.unreadForMs,
    restore: (found, ageMs) => {
      const rows = found.map((json) => byKey(rowOfJson(instanceShape, { ...json })));
      for (const [, instance] of rows) index.add(instance);
      kept.restore(rows, ageMs);
      index.complete();
    },
    ofTenant: (tenantId) => {
      const found = index.of(tenantId)?.map((instanceId) => kept.peek(keyOf(tenantId, instanceId)));
      return found?.every((instance) => instance !== undefined)
        ? found.toSorted((a, b) => a.name.localeCompare(b.name) || a.instanceId.localeCompare(b.instanceId))
        : undefined;
    },
    recordExchange: async (tenantId, instanceId, error) => {
      const key = keyOf(tenantId, instanceId);
      const last = recorded.get(key);
      if (last && now() - last.at < recordEveryMs && (last.error === null) === (error === null)) return;
      // The row may be locked, so only one call at a time waits for it: each waiting call holds a connection.
      if (recording.has(key)) return;
      recording.add(key);
      recorded.set(key, { at: now(), error });
      try {
        await recordContact(sql, { tenantId, instanceId }, error);
      } finally {
        recording.delete(key);
      }
    },
  };
}
