import { monotonicMs } from '../../clock.ts';
import { afterInProcess } from '../../joining.ts';
import { createAddressPolicy } from '../../outbound/addresses.ts';
import { createWorkersSend } from '../../outbound/workers.ts';
import type { TenantScope } from '../../store/tenant-scope.ts';
import type { Log } from '../../telemetry/log.ts';
import { createBudget, sliceLimits } from './budget.ts';
import { composeDeliverer, StillRecovering } from './compose-deliverer.ts';
import { loadWorkerConfig, type WorkerBindings, workerEnvironment } from './config.ts';
import { createSlices, idleMs, type Slices } from './deliverer-slice.ts';
import { exportSettings } from './export-settings.ts';
import { createWorkerLog } from './log.ts';
import { createWorkerTelemetry, type WorkerTelemetry } from './telemetry.ts';

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
/** A busy slice makes more spans than are kept until its end. */
const tellEveryMs = 5_000;
/** Starts that wait for one recovery, a third of a minute each, before its connections are taken for dead. */
const startsOfRecovery = 30;

interface Opened {
  readonly log: Log;
  /** undefined: the configuration has faults, or the shards were counted anew and this one is nobody's. */
  readonly slices: (Slices & { readonly telemetry: WorkerTelemetry }) | undefined;
  /** Ends the connections to the database, also those that do not answer. */
  close(): Promise<void>;
}

async function openSlices(bindings: WorkerBindings, scope: TenantScope): Promise<Opened> {
  const loaded = await loadWorkerConfig(bindings);
  const log = createWorkerLog(loaded.ok ? loaded.config : { logLevel: 'info' });
  const nothing: Opened = { log, slices: undefined, close: async () => undefined };
  if (!loaded.ok) {
    for (const { variable, problem } of loaded.faults) log.error('config.fault', { variable, problem });
    return nothing;
  }
  const { config } = loaded;
  if (config.shards !== scope.of) {
    log.info('deliverer.superseded', { ...scope, shards: config.shards });
    return nothing;
  }
  const budget = createBudget(sliceLimits, monotonicMs);
  const send = createWorkersSend(createAddressPolicy(config.upstreamAllow));
  const telemetry = createWorkerTelemetry({
    settings: exportSettings(workerEnvironment(bindings)),
    ...{ send: budget.aside(send), log, now: monotonicMs },
  });
  const { counters } = telemetry;
  const shard = await composeDeliverer({ config, bindings, scope, send, budget, log, counters });
  // The signal bounds the start alone, with the recovery of a gap; delivery that has begun goes on after it.
  const start = () => shard.start(AbortSignal.timeout(sliceLimits.sliceMs));
  return { log, slices: { ...createSlices(start, budget), telemetry }, close: shard.close };
}

export function createDeliverer({ storage }: ObjectContext, bindings: WorkerBindings): Deliverer {
  let opened: Opened | undefined;
  let slices = 0;
  let retryMs = minRetryMs;
  let startsInRecovery = 0;

  /** An earlier alarm stays: who woke the object while a slice ended is not put off by it. */
  const alarmWithin = async (inMs: number): Promise<void> => {
    const atMs = Date.now() + inMs;
    const known = await storage.getAlarm();
    if (known === null || known > atMs) await storage.setAlarm(atMs);
  };
  /** Milliseconds until the next slice; undefined: there is none. */
  const runSlice = async (scope: TenantScope): Promise<number | undefined> => {
    opened ??= await openSlices(bindings, scope);
    if (opened.slices === undefined) return undefined;
    const { run, telemetry } = opened.slices;
    slices += 1;
    // No slice waits for a collector.
    const tell = (): void => afterInProcess(telemetry.sendWhenDue());
    const telling = setInterval(tell, tellEveryMs);
    try {
      const { nextInMs } = await telemetry.within(run);
      retryMs = minRetryMs;
      startsInRecovery = 0;
      return nextInMs;
    } finally {
      clearInterval(telling);
      tell();
    }
  };
  /** After a failure everything is opened anew, for a connection that went silent would fail every slice. */
  const failed = async (error: unknown): Promise<number> => {
    if (error instanceof StillRecovering && startsInRecovery < startsOfRecovery) {
      startsInRecovery += 1;
      opened?.log.info('deliverer.waits-for-recovery', { nextInMs: minRetryMs });
      return minRetryMs;
    }
    startsInRecovery = 0;
    const nextInMs = retryMs;
    retryMs = Math.min(retryMs * 2, maxRetryMs);
    const old = opened;
    opened = undefined;
    const log = old?.log ?? createWorkerLog({ logLevel: 'info' });
    log.error('deliverer.slice-failed', { error, nextInMs });
    await old?.close().catch((reason: unknown) => log.warn('deliverer.close-failed', { error: reason }));
    return nextInMs;
  };

  return {
    wake: async (scope) => {
      const known = await storage.get<TenantScope>(scopeKey);
      if (known?.shard !== scope.shard || known.of !== scope.of) await storage.put(scopeKey, scope);
      const running = opened?.slices;
      if (running?.telemetry.within(running.wake)) return;
      await alarmWithin(0);
    },
    alarm: async () => {
      let nextInMs: number | undefined = idleMs;
      try {
        const scope = await storage.get<TenantScope>(scopeKey);
        nextInMs = scope && (await runSlice(scope));
      } catch (error) {
        nextInMs = await failed(error);
      } finally {
        if (nextInMs !== undefined) await alarmWithin(nextInMs);
      }
    },
    state: async () => ({
      scope: await storage.get<TenantScope>(scopeKey),
      delivering: opened?.slices?.delivering() ?? false,
      slices,
    }),
  };
}
