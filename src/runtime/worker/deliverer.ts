import { monotonicMs } from '../../clock.ts';
import { createAddressPolicy } from '../../outbound/addresses.ts';
import { createWorkersSend } from '../../outbound/workers.ts';
import type { TenantScope } from '../../store/tenant-scope.ts';
import type { Log } from '../../telemetry/log.ts';
import { createBudget, sliceLimits } from './budget.ts';
import { composeDeliverer } from './compose-deliverer.ts';
import { loadWorkerConfig, type WorkerBindings } from './config.ts';
import { createSlices, idleMs, type Slices } from './deliverer-slice.ts';
import { createWorkerLog } from './log.ts';

/**
 * The Durable Object that delivers for one shard of the tenants. Nothing of what is to be delivered is in it: leases, order
 * and single heartbeats rest on the database, so it may be lost, or be there beside Node processes, at any time.
 */

/** Part of a Durable Object's state that is used. */
export interface ObjectContext {
  readonly storage: {
    get<T>(key: string): Promise<T | undefined>;
    put(key: string, value: unknown): Promise<void>;
    getAlarm(): Promise<number | null>;
    setAlarm(atMs: number): Promise<void>;
  };
}

export interface DelivererState {
  readonly scope: TenantScope | undefined;
  readonly delivering: boolean;
  /** Slices since the object began. */
  readonly slices: number;
}

export interface Deliverer {
  /** Something may be due for a tenant of the shard; answers before it is looked for. */
  wake(scope: TenantScope): Promise<void>;
  /** Never rejects: the platform tries a rejected alarm a few times only. */
  alarm(): Promise<void>;
  state(): Promise<DelivererState>;
}

const scopeKey = 'scope';
const minRetryMs = 1_000;
const maxRetryMs = 30_000;

/** undefined: the configuration has faults, or the shards were counted anew and this one is nobody's. */
async function openSlices(
  bindings: WorkerBindings,
  scope: TenantScope,
): Promise<{ log: Log; slices: Slices | undefined }> {
  const loaded = await loadWorkerConfig(bindings);
  const log = createWorkerLog(loaded.ok ? loaded.config : { logLevel: 'info' });
  if (!loaded.ok) {
    for (const { variable, problem } of loaded.faults) log.error('config.fault', { variable, problem });
    return { log, slices: undefined };
  }
  const { config } = loaded;
  if (config.shards !== scope.of) {
    log.info('deliverer.superseded', { ...scope, shards: config.shards });
    return { log, slices: undefined };
  }
  const budget = createBudget(sliceLimits, monotonicMs);
  const send = createWorkersSend(createAddressPolicy(config.upstreamAllow));
  const shard = await composeDeliverer({ config, bindings, scope, send, budget, log });
  return {
    log,
    slices: createSlices(() => shard.start(AbortSignal.timeout(sliceLimits.sliceMs)), budget),
  };
}

export function createDeliverer({ storage }: ObjectContext, bindings: WorkerBindings): Deliverer {
  let opened: Awaited<ReturnType<typeof openSlices>> | undefined;
  let slices = 0;
  let retryMs = minRetryMs;

  /** Milliseconds until the next slice; undefined: there is none. */
  const runSlice = async (scope: TenantScope): Promise<number | undefined> => {
    opened ??= await openSlices(bindings, scope);
    if (opened.slices === undefined) return undefined;
    slices += 1;
    const { nextInMs } = await opened.slices.run();
    retryMs = minRetryMs;
    return nextInMs;
  };

  return {
    wake: async (scope) => {
      const known = await storage.get<TenantScope>(scopeKey);
      if (known?.shard !== scope.shard || known.of !== scope.of) await storage.put(scopeKey, scope);
      if (opened?.slices?.wake()) return;
      const at = await storage.getAlarm();
      if (at === null || at > Date.now()) await storage.setAlarm(Date.now());
    },
    alarm: async () => {
      let nextInMs: number | undefined = idleMs;
      try {
        const scope = await storage.get<TenantScope>(scopeKey);
        nextInMs = scope && (await runSlice(scope));
      } catch (error) {
        nextInMs = retryMs;
        retryMs = Math.min(retryMs * 2, maxRetryMs);
        const log = opened?.log ?? createWorkerLog({ logLevel: 'info' });
        log.error('deliverer.slice-failed', { error, nextInMs });
      } finally {
        if (nextInMs !== undefined) await storage.setAlarm(Date.now() + nextInMs);
      }
    },
    state: async () => ({
      scope: await storage.get<TenantScope>(scopeKey),
      delivering: opened?.slices?.delivering() ?? false,
      slices,
    }),
  };
}
