import { sendDeprovisions } from '../connection/deprovision.ts';
import { sendHeartbeats } from '../connection/heartbeat.ts';
import { finishDisconnects, leaveEmptyTenants } from '../connection/lifecycle.ts';
import { notProvisioned, watchPartners } from '../connection/partner-watch.ts';
import { suspectPermissions, watchPermissions } from '../connection/permission-watch.ts';
import { computerStage } from '../delivery/computers/read-computer.ts';
import { reportStage } from '../delivery/reports/report-stage.ts';
import { backoffSeconds } from '../delivery/stage/backoff.ts';
import { runStage } from '../delivery/stage/stage.ts';
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
  const stops = [
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
      await Promise.all([computers.stop(), reports.stop(), ...stops.map((stop) => stop())]);
      await listening.unlisten().catch((error: unknown) => log.debug('delivery.unlisten', { error }));
    },
  };
}
