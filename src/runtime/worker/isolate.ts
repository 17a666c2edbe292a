import { Hono } from 'hono';
import { monotonicMs } from '../../clock.ts';
import { createIssuedTokens } from '../../entra/issued-tokens.ts';
import { createWebCryptoSignatureCheck } from '../../entra/signature.ts';
import { createAnswerHeaders, withAnswerHeaders } from '../../gateway/answer-headers.ts';
import {
  beginListener,
  finishListener,
  type ListenerEnv,
  type ListenerOptions,
} from '../../gateway/listener.ts';
import { isolateVerifiedTokens } from '../../limits.ts';
import { createAddressPolicy } from '../../outbound/addresses.ts';
import { withCircuit } from '../../outbound/upstream-circuit.ts';
import { createWorkersSend } from '../../outbound/workers.ts';
import { createWorkersUpstream } from '../../outbound/workers-upstream.ts';
import { ProblemError, problem } from '../../problems.ts';
import { createSealer } from '../../secrets/seal.ts';
import type { Log } from '../../telemetry/log.ts';
import { createMetrics, type Metrics } from '../../telemetry/metrics.ts';
import type { Config, ConfigFault } from '../config.ts';
import { composeGateway, type GatewayParts } from '../gateway.ts';
import { nodeSha256 } from '../node-digest.ts';

import {
  databaseUrlOf,
  loadWorkerConfig,
  type WorkerBindings,
  workerEnvironment,
  workerSecretReader,
} from './config.ts';
import { exportSettings } from './export-settings.ts';

import { createHealthApp } from './health.ts';
import { respondOnWorkers, workerRequestFacts } from './http.ts';
import { createWorkerLog } from './log.ts';
import { createPlatformRate } from './rate.ts';
import { createScopes, type Scopes } from './scope.ts';
import { composeServed } from './served.ts';
import { keepAll } from './snapshot/keep-all.ts';
import { openLastKnown } from './snapshot/open-vault.ts';
import { createWorkerTelemetry } from './telemetry.ts';
import { createWaker, type Waker } from './waker.ts';

/** Espalier in one isolate of Workers: composed once, with a database client for each request. */

/** Part of the platform's context that is used beside a request. */
export interface WorkerContext {
  waitUntil(work: Promise<unknown>): void;
  passThroughOnException(): void;
  readonly props: unknown;
}

export interface Isolate {
  answer(request: Request, bindings: WorkerBindings, context: WorkerContext): Promise<Response>;
  /** Wakes every object that works by alarms. */
  wakeAll(): Promise<void>;
}

/** What the gateway is composed of in an isolate. */
export type IsolateParts = GatewayParts & Pick<Scopes, 'after' | 'openBulk'> & { readonly waker: Waker };

/** What a Worker serves beside its health. */
export interface WorkerListener {
  readonly name: ListenerOptions['name'];
  /** Faults of its own: what this listener cannot be without. */
  readonly faults: (config: Config) => readonly ConfigFault[];
  /** Its address as browsers see it. */
  readonly origin: (config: Config) => string | undefined;
  readonly createApp: (parts: IsolateParts, bindings: WorkerBindings) => Pick<Hono<ListenerEnv>, 'fetch'>;
}

/** The limits that isolates share, of those bindings that there are. */
function sharedRates(
  { RATE_INSTANCE, RATE_TENANT }: WorkerBindings,
  log: Log,
): NonNullable<GatewayParts['sharedRates']> {
  const common = { log, now: monotonicMs };
  return {
    ...(RATE_TENANT && {
      ofTenant: createPlatformRate({ ...common, name: 'RATE_TENANT', binding: RATE_TENANT }),
    }),
    ...(RATE_INSTANCE && {
      ofInstance: createPlatformRate({ ...common, name: 'RATE_INSTANCE', binding: RATE_INSTANCE }),
    }),
  };
}

async function composeParts(
  config: Config,
  bindings: WorkerBindings,
  shared: Scopes & { readonly log: Log; readonly metrics: Metrics; readonly waker: Waker },
): Promise<IsolateParts> {
  const policy = createAddressPolicy(config.upstreamAllow);
  const issued = createIssuedTokens({ sharing: 'request' });
  const send = issued.withSecondTry(createWorkersSend(policy));
  const upstream = createWorkersUpstream(policy, config.forwardTimeoutSeconds * 1_000);
  return {
    ...shared,
    config,
    send,
    issued,
    upstream: withCircuit(upstream, monotonicMs),
    sealer: await createSealer(config.secretsKey),
    readReference: workerSecretReader(bindings),
    sharing: 'request',
    sharedRates: sharedRates(bindings, shared.log),
    // A Node process that delivers looks by itself four times a second.
    intake: { onDue: ({ tenantId }) => shared.waker.wake(tenantId) },
    onNotification: shared.waker.wake,
    signature: createWebCryptoSignatureCheck(),
    facts: workerRequestFacts,
    respond: respondOnWorkers,
    verifiedTokens: { hash: nodeSha256, max: isolateVerifiedTokens },
  };
}

/** A Worker has no start that could fail: every request is told, and the log says what is wrong. */
function createFaultyIsolate(faults: readonly ConfigFault[], name: WorkerListener['name']): Isolate {
  const log = createWorkerLog({ logLevel: 'info' });
  for (const { variable, problem: what, example } of faults) {
    log.error('config.fault', { variable, problem: what, example });
  }
  const options = { log, metrics: createMetrics() };
  const health = createHealthApp(undefined, options);
  const app = new Hono<ListenerEnv>();
  beginListener(app, { ...options, name });
  app.all('/*', () => {
    throw new ProblemError(
      problem('internal-error', 'The configuration has faults; the log names them.', {
        owner: 'configuration',
      }),
    );
  });
  finishListener(app);
  return {
    answer: async (request, bindings) => {
      const answer = await (isHealth(request) ? health : app).fetch(request, bindings);
      return withAnswerHeaders(answer, createAnswerHeaders());
    },
    wakeAll: async () => undefined,
  };
}

const isHealth = (request: Request): boolean => new URL(request.url).pathname.startsWith('/health/');

/** Reads the configuration and composes what the listener is made of; faults make an isolate that only says so. */
export async function openIsolate(bindings: WorkerBindings, listener: WorkerListener): Promise<Isolate> {
  const loaded = await loadWorkerConfig(bindings);
  const faults = loaded.ok ? listener.faults(loaded.config) : loaded.faults;
  if (!loaded.ok || faults.length > 0) return createFaultyIsolate(faults, listener.name);
  const { config } = loaded;
  const log = createWorkerLog(config);
  const scopes = createScopes(log);
  const waker = createWaker({
    ...{ shards: config.shards, after: scopes.after, now: monotonicMs, log },
    namespace: bindings.DELIVERER,
  });
  const telemetry = createWorkerTelemetry({
    settings: exportSettings(workerEnvironment(bindings)),
    send: createWorkersSend(createAddressPolicy(config.upstreamAllow)),
    ...{ log, now: monotonicMs },
  });
  const shared = { ...scopes, log, metrics: createMetrics(telemetry.counters), waker };
  const lastKnown = listener.name === 'data' ? await openLastKnown(config, bindings, log) : undefined;
  const health = createHealthApp(scopes.sql, { ...shared, snapshotAgeMs: lastKnown?.ageMs });
  const parts = await composeParts(config, bindings, shared);
  const served =
    listener.name === 'data' ? await composeServed({ config, bindings, scopes, log, lastKnown }) : {};
  const app = listener.createApp({ ...parts, ...served }, bindings);
  const answerHeaders = createAnswerHeaders(listener.origin(config));
  return {
    answer: (request, requestBindings, context) => {
      const { fetch } = isHealth(request) ? health : app;
      const waitUntil = context.waitUntil.bind(context);
      const answer = scopes.within({ databaseUrl: databaseUrlOf(requestBindings), waitUntil }, () =>
        telemetry.within(async () =>
          withAnswerHeaders(await fetch(request, requestBindings, context), answerHeaders),
        ),
      );
      telemetry.sendBehind(answer, waitUntil);
      return answer;
    },
    wakeAll: async () => {
      await Promise.all([waker.wakeAll(), keepAll(bindings, config.shards, log)]);
    },
  };
}

export const dataListener: WorkerListener = {
  name: 'data',
  faults: () => [],
  origin: ({ publicUrl }) => publicUrl,
  createApp: (parts) => composeGateway(parts).createDataApp(),
};
