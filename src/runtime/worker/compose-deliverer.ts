import { monotonicMs } from '../../clock.ts';
import { createIssuedTokens } from '../../entra/issued-tokens.ts';
import { createWebCryptoSignatureCheck } from '../../entra/signature.ts';
import { afterInProcess } from '../../joining.ts';
import { createAddressPolicy, isReachedByWorkers } from '../../outbound/addresses.ts';
import type { Send } from '../../outbound/port.ts';
import { withCircuit } from '../../outbound/upstream-circuit.ts';
import { createWorkersUpstream } from '../../outbound/workers-upstream.ts';
import { createSealer } from '../../secrets/seal.ts';
import { webSha256 } from '../../secrets/sha256.ts';
import { openDatabase } from '../../store/database.ts';
import type { StageName } from '../../store/due-rows.ts';
import { createReach } from '../../store/instances/reach.ts';
import type { DueNotifications } from '../../store/notifications.ts';
import type { TenantScope } from '../../store/tenant-scope.ts';
import type { Counters } from '../../telemetry/counters.ts';
import type { Log } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import type { Config } from '../config.ts';
import { createConnectionServices } from '../connection-services.ts';
import { createDeliveryMemory, type Delivery, type DeliveryLimits, startDelivery } from '../delivery.ts';
import { composeGateway } from '../gateway.ts';
import { observeGauges } from '../gauges.ts';
import { createMoveWork } from '../moves.ts';
import type { Budget } from './budget.ts';
import { databaseUrlOf, type WorkerBindings, workerSecretReader } from './config.ts';
import { credentialExpiry } from './credential-expiry.ts';
import { respondOnWorkers, workerRequestFacts } from './http.ts';

/** Delivery for the tenants of one shard, composed once in a Durable Object, whose work may be shared as in a process. */

/** An event may have six connections open; the other three are for requests (budget.ts). */
const databaseConnections = 3;

/** A shard sends little at a time, and shares 128 MB with others. */
const shardLimits: DeliveryLimits = {
  computers: { rows: 128, scheduleRows: 32 },
  reports: { rows: 256, scheduleRows: 64 },
};

/** Within the object: a session of its own, on which the database would notify it, it does not have. */
function notifyWithin(): DueNotifications {
  const wakes = new Map<StageName, Parameters<DueNotifications['listen']>[1]>();
  return {
    due: (stage, schedule) => wakes.get(stage)?.([schedule]),
    listen: (stage, wake) => {
      wakes.set(stage, wake);
    },
    start: async () => undefined,
    stop: async () => wakes.clear(),
  };
}

export interface DelivererParts {
  readonly config: Config;
  readonly bindings: WorkerBindings;
  readonly scope: TenantScope;
  /** The way out, before it is counted. */
  readonly send: Send;
  readonly budget: Budget;
  readonly log: Log;
  readonly counters: Counters;
}

/** A gap in watching takes longer to recover from than a start may last. The recovery goes on, and another start waits for it. */
export class StillRecovering extends Error {
  override readonly name = 'StillRecovering';
}

export interface ShardDelivery {
  /** `signal` breaks it off: where the database does not answer, and with `StillRecovering`. */
  start(signal: AbortSignal): Promise<Delivery>;
  /** Ends its connections. */
  close(): Promise<void>;
}

export async function composeDeliverer(given: DelivererParts): Promise<ShardDelivery> {
  const { bindings, budget, config, counters, log } = given;
  const metrics = createMetrics(counters);
  const sql = openDatabase(databaseUrlOf(bindings), {
    connections: databaseConnections,
    applicationName: 'espalier-deliverer',
    pooled: true,
  });
  const policy = createAddressPolicy(config.upstreamAllow);
  const issued = createIssuedTokens({ sharing: 'process' });
  const send = issued.withSecondTry(budget.counted(given.send));
  const sealer = await createSealer(config.secretsKey);
  const certificateExpiry = credentialExpiry(bindings, config);
  // They are of all tenants, so one shard tells them.
  if (given.scope.shard === 0)
    observeGauges({
      ...{ metrics, sql, log, sealer, freshForMs: 0 },
      credentialExpiry: certificateExpiry,
      named: config.metricsNames === 'on',
    });
  const notifications = notifyWithin();
  const reach = createReach(sql, given.scope, (hostname) => isReachedByWorkers(policy, hostname));
  const scope: TenantScope = { ...given.scope, leftOut: reach.unreachedTenants };
  const parts = { config, sql, send, sealer, log, metrics, scope };
  const gateway = composeGateway({
    ...parts,
    ...{ issued, sharing: 'process' },
    upstream: withCircuit(createWorkersUpstream(policy, config.forwardTimeoutSeconds * 1_000), monotonicMs),
    readReference: workerSecretReader(bindings),
    intake: { onDue: (due) => notifications.due('computers', due) },
    signature: createWebCryptoSignatureCheck(),
    facts: workerRequestFacts,
    respond: respondOnWorkers,
  });
  const connection = createConnectionServices(config, parts, gateway);
  const routesChanged = () => undefined;
  const moves = createMoveWork({ sql, relaxed: sql, log, scope, routesChanged, after: afterInProcess });
  const delivery = { ...parts, gateway, connection, moves, certificateExpiry };
  // What was found out lives as long as these connections; a slice takes up where the one before ended.
  const memory = createDeliveryMemory(delivery, { dueAtMs: new Map(), firstAtOnce: true });
  const start = async (signal: AbortSignal): Promise<Delivery> => {
    let recovering = false;
    const onRecovering = (): void => {
      recovering = true;
    };
    try {
      return await startDelivery({
        ...delivery,
        ...{ memory, notifications, onRecovering, reach, routesChanged, signal },
        relaxed: sql,
        limits: shardLimits,
        sha256: webSha256,
      });
    } catch (error) {
      if (signal.aborted && recovering) throw new StillRecovering('a gap is still recovered from');
      throw error;
    }
  };
  return { start, close: () => sql.end({ timeout: 5 }) };
}
