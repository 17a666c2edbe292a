import { sendDeprovisions } from '../connection/deprovision.ts';
import { sendHeartbeats } from '../connection/heartbeat.ts';
import { finishDisconnects, leaveEmptyTenants } from '../connection/lifecycle.ts';
import { notProvisioned, watchPartners } from '../connection/partner-watch.ts';
import { suspectPermissions, watchPermissions } from '../connection/permission-watch.ts';
import { createPolls } from '../delivery/computers/poll.ts';
import { computerStage } from '../delivery/computers/read-computer.ts';
import { createReaders, type Readers } from '../delivery/computers/readers.ts';
import { createReconciliations } from '../delivery/computers/reconcile.ts';
import type { FeedRunner } from '../delivery/computers/turns.ts';
import { noteWatch, recoverFromGap } from '../delivery/recovery.ts';
import { reportStage } from '../delivery/reports/report-stage.ts';
import { type Backoff, backoffSeconds } from '../delivery/stage/backoff.ts';
import { runStage } from '../delivery/stage/stage.ts';
import { newId } from '../ids.ts';
import { leaseRenewMs, watchEveryMs } from '../limits.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import { dueChannel } from '../store/notifications.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Config } from './config.ts';
import type { ConnectionServices } from './connection-services.ts';
import type { Gateway } from './gateway.ts';

/** Delivery's work in this process: both stages and the heartbeats. */

const rowsInWork = 48;
const heartbeatLookMs = 2_000;
const watchLookMs = 10_000;
const feedLookMs = 1_000;

export interface Delivery {
  stop(): Promise<void>;
}

/** Runs `work` again and again with a pause between; an error is logged and the next turn comes. */
function every(ms: number, name: string, log: Log, work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    // One turn at a time: a slow one is not followed by a queue of others.
    running ??= work()
      .catch((error: unknown) => log.warn(`${name}.failed`, { error }))
      .finally(() => {
        running = undefined;
      });
  }, ms);
  return async () => {
    clearInterval(timer);
    await running;
  };
}

/** Polls and reconciliations of the instances whose turn it is. */
function startFeeds(options: {
  config: Config;
  sql: Sql;
  log: Log;
  gateway: Gateway;
  backoff: Backoff;
  readers: Readers;
  owner: string;
}): { stop: () => Promise<void> } {
  const { config, gateway, log, ...rest } = options;
  const { pollSeconds, reconcileSeconds } = config;
  const feed = { ...rest, log, instances: gateway.instances, clientOf: gateway.clients.clientOf };
  const runners: readonly FeedRunner[] = [
    createPolls({ ...feed, pollSeconds }),
    createReconciliations({ ...feed, reconcileSeconds }),
  ];
  const stopLooking = every(feedLookMs, 'feeds', log, async () => {
    for (const runner of runners) await runner.look();
  });
  return {
    stop: async () => {
      await stopLooking();
      await Promise.all(runners.map((runner) => runner.stop()));
    },
  };
}

export async function startDelivery(parts: {
  config: Config;
  sql: Sql;
  send: Send;
  log: Log;
  metrics: Metrics;
  gateway: Gateway;
  connection: ConnectionServices;
}): Promise<Delivery> {
  const { config, connection, gateway, log, metrics, send, sql } = parts;
  const backoff = { baseSeconds: config.retryBaseSeconds, maxSeconds: config.retryMaxSeconds };
  const microsoftTimeoutMs = config.microsoftTimeoutSeconds * 1_000;
  await recoverFromGap(sql, log);
  const owner = newId();
  const readers = createReaders(sql, owner, () => performance.now());
  const stage = { sql, log, concurrency: rowsInWork };
  const computers = runStage(
    computerStage({
      sql,
      log,
      tenants: gateway.tenants,
      instances: gateway.instances,
      clientOf: gateway.clients.clientOf,
      backoff,
      vocabulary: config.intuneVocabulary,
      holdRecheckSeconds: config.holdRecheckSeconds,
    }),
    stage,
  );
  const reports = runStage(
    reportStage({
      sql,
      log,
      metrics,
      send,
      tenants: gateway.tenants,
      clouds: config.clouds,
      microsoft: gateway.access,
      apiVersions: config.partnerApiVersions,
      vocabulary: config.intuneVocabulary,
      ...(config.intuneContent === 'auto' ? {} : { contentForm: config.intuneContent }),
      timeoutMs: microsoftTimeoutMs,
      uploadStatusSeconds: config.uploadStatusSeconds,
      verifySample: config.verifySample,
      holdRecheckSeconds: config.holdRecheckSeconds,
      notProvisioned: (tenantId) => notProvisioned(tenantId, connection.partners),
      permissionRefused: (tenantId) => suspectPermissions(sql, tenantId),
      wait: (attempts) => backoffSeconds(attempts, backoff),
      now: Date.now,
    }),
    stage,
  );
  const listening = await sql.listen(dueChannel, (name) =>
    name === 'computers' ? computers.wake() : reports.wake(),
  );
  // A tenth of a short period, so that tests and demos with one are exact too.
  const lookMs = Math.min(heartbeatLookMs, config.heartbeatSeconds * 100);
  const feeds = startFeeds({ config, sql, log, gateway, backoff, readers, owner });
  const stopRenewing = every(leaseRenewMs, 'readers', log, () => readers.renew());
  const stops = [
    every(watchEveryMs, 'watching', log, () => noteWatch(sql)),
    every(lookMs, 'heartbeat', log, () =>
      sendHeartbeats({
        sql,
        send,
        log,
        metrics,
        access: gateway.access,
        tenants: gateway.tenants,
        apiVersions: config.partnerApiVersions,
        periodSeconds: config.heartbeatSeconds,
        timeoutMs: microsoftTimeoutMs,
        notProvisioned: (tenantId) => notProvisioned(tenantId, connection.partners),
      }),
    ),
    every(heartbeatLookMs, 'lifecycle', log, async () => {
      await finishDisconnects(connection.lifecycle);
      await leaveEmptyTenants(connection.lifecycle);
      await sendDeprovisions(connection.lifecycle);
    }),
    every(watchLookMs, 'watch', log, async () => {
      await watchPartners(connection.partners);
      await watchPermissions(connection.permissions);
    }),
  ];
  return {
    stop: async () => {
      await Promise.all([computers.stop(), reports.stop(), feeds.stop(), ...stops.map((stop) => stop())]);
      await stopRenewing();
      await readers.release().catch((error: unknown) => log.warn('readers.release-failed', { error }));
      await listening.unlisten().catch((error: unknown) => log.debug('delivery.unlisten', { error }));
    },
  };
}
