import { getTableColumns } from 'drizzle-orm';
import { LRUCache } from 'lru-cache';
import { monotonicMs } from '../../clock.ts';
import { columns, type Row } from '../columns.ts';
import type { Queries, Sql } from '../database.ts';
import { type CachePolicy, createRowCache } from '../row-cache.ts';
import { instances } from '../schema.ts';

const instanceShape = getTableColumns(instances);

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
  /** Remembers how the last exchange with the instance's API went. */
  recordExchange(tenantId: string, instanceId: string, error: string | null): Promise<void>;
}

/** A caller that gives `policy` must also tell the directory of what the change feed names. */
export function createInstanceDirectory(
  sql: Sql,
  now: () => number = monotonicMs,
  policy?: CachePolicy,
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
  const kept = createRowCache<Instance>({
    read: (key) => {
      const [tenantId = '', instanceId = ''] = key.split('/');
      return readInstance(sql, tenantId, instanceId);
    },
    maxRows: keptInstances,
    now,
    policy,
  });
  const recording = new Set<string>();
  const recorded = new LRUCache<string, { at: number; error: string | null }>({ max: 60_000 });
  return {
    peek: (tenantId, instanceId) => kept.peek(keyOf(tenantId, instanceId)),
    instance: (tenantId, instanceId) => kept.get(keyOf(tenantId, instanceId)),
    forget: (tenantId, instanceId) => kept.forget(keyOf(tenantId, instanceId)),
    forgetAll: kept.forgetAll,
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
