import { monotonicMs } from '../../../clock.ts';
import { within } from '../../../deadline.ts';
import { fetchKeySet } from '../../../entra/keys.ts';
import { bucketTurnHangsMs, snapshotEveryMs } from '../../../limits.ts';
import { createAddressPolicy } from '../../../outbound/addresses.ts';
import { createWorkersSend } from '../../../outbound/workers.ts';
import { openDatabase, type Sql } from '../../../store/database.ts';
import type { TenantScope } from '../../../store/tenant-scope.ts';
import type { Log } from '../../../telemetry/log.ts';
import { databaseUrlOf, loadWorkerConfig, type WorkerBindings } from '../config.ts';
import type { ObjectContext } from '../deliverer.ts';
import { createWorkerLog } from '../log.ts';
import { openVault } from './open-vault.ts';
import { createShardWriter, type ShardWriter, type WrittenSnapshot } from './writer.ts';

/** Keeps the snapshot of one shard, in the alarms of a Durable Object. Nothing of it is in the object itself. */
export interface SnapshotKeeper {
  /** Begins to write for this shard where that has not begun; answers before anything is written. */
  keep(scope: TenantScope): Promise<void>;
  /** Never rejects: the platform tries a rejected alarm a few times only. */
  alarm(): Promise<void>;
}

const scopeKey = 'scope';
/** There is more to write. */
const soonMs = 100;
const retryMs = 10_000;
/** One for each of the reads that a batch of tenants needs. */
const connections = 3;

interface Opened {
  readonly log: Log;
  readonly writer: ShardWriter;
}

async function openWriter(bindings: WorkerBindings, scope: TenantScope): Promise<Opened | undefined> {
  const loaded = await loadWorkerConfig(bindings);
  // The faults are told with every request.
  if (!loaded.ok || loaded.config.shards !== scope.of) return undefined;
  const vault = await openVault(loaded.config, bindings);
  if (vault === undefined) return undefined;
  const { clouds, logLevel, upstreamAllow } = loaded.config;
  const log = createWorkerLog({ logLevel });
  const send = createWorkersSend(createAddressPolicy(upstreamAllow));
  const writer = createShardWriter({
    ...{ vault, scope, log, now: monotonicMs, date: Date.now },
    fetchKeys: async (name, tenantId) => {
      const cloud = clouds.get(name);
      return cloud && fetchKeySet(send, cloud, tenantId);
    },
  });
  return { log, writer };
}

/** Says what happens to the snapshot, and a cause that stays the same only once. */
function createReport() {
  let failing = '';
  let isFirst = true;
  return {
    written: (log: Log, written: TenantScope & WrittenSnapshot): void => {
      log[isFirst || failing !== '' ? 'info' : 'debug']('snapshot.written', { ...written });
      isFirst = false;
      failing = '';
    },
    failed: (log: Log, error: unknown): void => {
      const cause = error instanceof Error ? error.message : String(error);
      if (cause !== failing) log.warn('snapshot.not-written', { cause });
      failing = cause;
    },
  };
}

export function createSnapshotKeeper({ storage }: ObjectContext, bindings: WorkerBindings): SnapshotKeeper {
  let opened: Opened | undefined;
  const report = createReport();

  /** A client for each turn: between two of them there is nothing to keep a connection for. */
  const turn = async ({ writer }: Opened): Promise<WrittenSnapshot | undefined> => {
    const sql: Sql = openDatabase(databaseUrlOf(bindings), {
      connections,
      applicationName: 'espalier-snapshot',
      pooled: true,
    });
    const hanging = new AbortController();
    try {
      return await within(writer.turn(sql, hanging.signal), bucketTurnHangsMs, () => {
        // Another writer begins from the bucket, and this one must not write an index any more.
        hanging.abort();
        opened = undefined;
        throw new Error('the snapshot was not written in time');
      });
    } finally {
      await sql.end({ timeout: 0 }).catch(() => undefined);
    }
  };
  /** Milliseconds until the next turn; undefined: there is none. */
  const run = async (scope: TenantScope): Promise<number | undefined> => {
    opened ??= await openWriter(bindings, scope);
    if (opened === undefined) return undefined;
    const { log } = opened;
    const written = await turn(opened);
    if (written === undefined) return soonMs;
    report.written(log, { ...scope, ...written });
    return snapshotEveryMs;
  };

  return {
    keep: async (scope) => {
      const known = await storage.get<TenantScope>(scopeKey);
      if (known?.shard !== scope.shard || known.of !== scope.of) await storage.put(scopeKey, scope);
      // One that began anew does not wait for the alarm of the one before it.
      if (opened === undefined || (await storage.getAlarm()) === null) await storage.setAlarm(Date.now());
    },
    alarm: async () => {
      let nextInMs: number | undefined = retryMs;
      try {
        const scope = await storage.get<TenantScope>(scopeKey);
        nextInMs = scope && (await run(scope));
      } catch (error) {
        report.failed(opened?.log ?? createWorkerLog({ logLevel: 'info' }), error);
      } finally {
        if (nextInMs !== undefined) await storage.setAlarm(Date.now() + nextInMs);
      }
    },
  };
}
