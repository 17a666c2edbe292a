import { bucketTurnMs, bucketWritesAtOnce, sheetRoutes } from '../../../limits.ts';
import { readFirstRoutes } from '../../../routing/route-pages.ts';
import { createChangeFeed, type Snapshot } from '../../../store/change-feed.ts';
import { createChangeSource } from '../../../store/change-source.ts';
import type { Sql } from '../../../store/database.ts';
import { listInstancesOf } from '../../../store/instances/instance.ts';
import type { TenantScope } from '../../../store/tenant-scope.ts';
import { listTenantIds, readTenants } from '../../../store/tenants/tenant.ts';
import type { Log } from '../../../telemetry/log.ts';
import { type FetchKeys, type KeptSets, renewKeySets } from './key-sets.ts';
import { createPending, type TenantTask } from './pending.ts';
import { decodeSheet } from './sheet.ts';
import { ObjectBroken, type SheetEntry, type Vault } from './vault.ts';
import { type TenantRows, writeTenant } from './write-tenant.ts';

/**
 * Writes the snapshot of one shard: after a look at the change feed the tenants that changed, then the index in place of the old
 * one, then the objects go that nothing names any more. Whatever ends it at any point leaves the old snapshot or the new one.
 * One such writer runs at a time for a shard: it is part of a Durable Object.
 */
export interface ShardWriter {
  /**
   * Writes for some seconds; undefined: there is more to write, and the snapshot stays the old one until then. `sql` is used
   * until it ends. With the signal it writes no index any more.
   */
  turn(sql: Sql, signal?: AbortSignal): Promise<WrittenSnapshot | undefined>;
}

export interface WrittenSnapshot {
  readonly tenants: number;
  /** Tenants that were looked at since the last one, and bytes that were written. */
  readonly looked: number;
  readonly newBytes: number;
}

export interface ShardWriterOptions {
  readonly vault: Vault;
  readonly scope: TenantScope;
  readonly log: Log;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** A date, in milliseconds. */
  readonly date: () => number;
  readonly fetchKeys: FetchKeys;
}

interface Kept extends KeptSets {
  /** Objects that the index names until it is replaced. */
  dropped: string[];
  looked: number;
  newBytes: number;
}

/** Reads what some tenants need. */
async function readRows(
  sql: Sql,
  tasks: ReadonlyMap<string, TenantTask>,
  { sheets }: Kept,
): Promise<(tenantId: string) => TenantRows | undefined> {
  const ids = [...tasks.keys()];
  // A large tenant is read in parts, unless all of it is to be written.
  const whole = ids.filter((id) => tasks.get(id)?.all || !sheets.get(id)?.isLarge);
  const [tenants, instances, routes] = await Promise.all([
    readTenants(sql, ids),
    listInstancesOf(sql, ids),
    readFirstRoutes(sql, whole, sheetRoutes + 1),
  ]);
  const byTenant = Map.groupBy(instances, ({ tenantId }) => tenantId);
  const found = new Map(tenants.map((tenant) => [tenant.tenantId, tenant]));
  return (tenantId) => {
    const tenant = found.get(tenantId);
    return tenant && { tenant, instances: byTenant.get(tenantId) ?? [], first: routes.get(tenantId) ?? [] };
  };
}

/** Names of the objects that belong to these sheets. */
async function namesOf(vault: Vault, sheets: Iterable<SheetEntry>): Promise<Set<string>> {
  const names = new Set<string>();
  for (const { isLarge, name } of sheets) {
    names.add(name);
    if (!isLarge) continue;
    for (const part of decodeSheet(await vault.read(name)).parts ?? []) if (part !== null) names.add(part);
  }
  return names;
}

/**
 * Removes what an object that ended before its index left behind, and what shards of another number did. False: something that
 * is named is not there, or does not open.
 */
async function removeStray(
  vault: Vault,
  scope: TenantScope,
  { keySets, sheets }: KeptSets,
): Promise<boolean> {
  let missing: Set<string>;
  try {
    missing = new Set([...(await namesOf(vault, sheets.values())), ...keySets.values()]);
  } catch (error) {
    if (error instanceof ObjectBroken) return false;
    throw error;
  }
  const named = new Set(missing);
  const removeOf = async (list: (cursor?: string) => ReturnType<Vault['list']>): Promise<void> => {
    let cursor: string | undefined;
    do {
      const { names, next } = await list(cursor);
      for (const name of names) missing.delete(name);
      await vault.remove(names.filter((name) => !named.has(name)));
      cursor = next;
    } while (cursor !== undefined);
  };
  await removeOf((cursor) => vault.list(scope, cursor));
  if (scope.shard === 0) await removeOf((cursor) => vault.listOthers(scope.of, cursor));
  return missing.size === 0;
}

export function createShardWriter({
  date,
  fetchKeys,
  log,
  now,
  scope,
  vault,
}: ShardWriterOptions): ShardWriter {
  const pending = createPending(scope);
  let sql: Sql;
  const source = {
    poll: (since: Snapshot | undefined, max: number) => createChangeSource(sql).poll(since, max),
    prune: (seenBy: Snapshot | undefined) => createChangeSource(sql).prune(seenBy),
  };
  const feed = createChangeFeed({ source, log, now });
  feed.subscribe(pending);
  let kept: Kept | undefined;
  let isTidy = false;
  /** Date of the index that was read or written last. */
  let writtenAt: number | undefined;
  /** Date at which the look began whose changes are pending. */
  let lookedAt: number | undefined;

  const nothing = (cause: string): Kept => {
    log.info('snapshot.begun-anew', { ...scope, cause });
    pending.forget();
    return { sheets: new Map(), keySets: new Map(), dropped: [], looked: 0, newBytes: 0 };
  };
  /** Goes on from the snapshot that is there; the one that was written last, where this is not the first turn. */
  const open = async (known: Kept | undefined): Promise<Kept> => {
    const found = await vault.readIndex(scope);
    if ('refused' in found) return nothing(found.refused);
    const { keySets, knownAt, position, sheets } = found.index;
    if (known !== undefined) return knownAt === writtenAt ? known : nothing('damaged');
    // One that another key sealed is written anew.
    if (!found.isKeyCurrent) return nothing('another-key');
    feed.resume(position, Math.max(0, date() - knownAt));
    writtenAt = knownAt;
    const maps = { sheets: new Map(Object.entries(sheets)), keySets: new Map(Object.entries(keySets)) };
    return { ...maps, dropped: [], looked: 0, newBytes: 0 };
  };
  const listAll = async (into: Kept): Promise<void> => {
    const ids = new Set(await listTenantIds(sql, scope));
    // Those that are no more are looked at, too, and found to be gone.
    pending.addAll(new Set([...ids, ...into.sheets.keys()]));
  };
  const writeOne = async (
    into: Kept,
    [tenantId, task]: readonly [string, TenantTask],
    rows: TenantRows | undefined,
  ): Promise<void> => {
    const old = into.sheets.get(tenantId);
    into.looked += 1;
    if (rows === undefined) {
      if (old) into.dropped.push(...(await namesOf(vault, [old]).catch(() => [old.name])));
      into.sheets.delete(tenantId);
    } else {
      const { bytes, dropped, entry } = await writeTenant({ sql, vault, scope }, rows, task, old);
      into.sheets.set(tenantId, entry);
      into.dropped.push(...dropped);
      into.newBytes += bytes;
    }
    pending.done(tenantId, task);
  };
  const writeSome = async (into: Kept): Promise<void> => {
    if (pending.everything) await listAll(into);
    const tasks = pending.some();
    const rowsOf = await readRows(sql, tasks, into);
    const all = [...tasks];
    for (let at = 0; at < all.length; at += bucketWritesAtOnce)
      await Promise.all(
        all.slice(at, at + bucketWritesAtOnce).map((one) => writeOne(into, one, rowsOf(one[0]))),
      );
  };
  /** Replaces the index; what it named before and does not any more is of no use then. */
  const finish = async (into: Kept, knownAt: number): Promise<WrittenSnapshot> => {
    const { position } = feed;
    if (position === undefined) throw new Error('the change feed was not read');
    into.dropped.push(...(await renewKeySets(into, { vault, scope, fetchKeys, now, date })));
    await vault.writeIndex(scope, {
      ...{ knownAt, position },
      sheets: Object.fromEntries(into.sheets),
      keySets: Object.fromEntries(into.keySets),
    });
    writtenAt = knownAt;
    lookedAt = undefined;
    const { looked, newBytes } = into;
    Object.assign(into, { looked: 0, newBytes: 0 });
    await vault.remove(into.dropped);
    into.dropped = [];
    if (!isTidy) isTidy = await removeStray(vault, scope, into);
    if (!isTidy) {
      log.warn('snapshot.begun-anew', { ...scope, cause: 'damaged' });
      into.sheets.clear();
      into.keySets.clear();
      pending.forget();
    }
    return { tenants: into.sheets.size, looked, newBytes };
  };

  return {
    turn: async (given, signal) => {
      sql = given;
      const untilMs = now() + bucketTurnMs;
      if (lookedAt === undefined) {
        // Somebody may have emptied the bucket meanwhile.
        kept = await open(kept);
        const began = date();
        await feed.poll();
        lookedAt = began;
      }
      if (kept === undefined) throw new Error('there was no look');
      while (!pending.isEmpty) {
        signal?.throwIfAborted();
        if (now() >= untilMs) return undefined;
        await writeSome(kept);
      }
      signal?.throwIfAborted();
      const written = await finish(kept, lookedAt);
      // Where no Node process lives nobody else removes what every process has heard of.
      await feed.prune();
      return written;
    },
  };
}
