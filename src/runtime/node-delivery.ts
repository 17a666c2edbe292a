import { sendHeartbeats } from '../connection/heartbeat.ts';
import { backoffSeconds } from '../delivery/backoff.ts';
import { computerStage } from '../delivery/read-computer.ts';
import { reportStage } from '../delivery/report-stage.ts';
import { runStage } from '../delivery/stage.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import { dueChannel } from '../store/notifications.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Config } from './config.ts';
import type { Gateway } from './gateway.ts';

/** Delivery's work in this process: both stages and the heartbeats. */

const rowsInWork = 48;
const heartbeatLookMs = 2_000;

export interface Delivery {
  stop(): Promise<void>;
}

/** Runs `work` again and again with a pause between; an error is logged and the next turn comes. */
function every(ms: number, name: string, log: Log, work: () => Promise<void>): () => Promise<void> {
  let running = Promise.resolve();
  let stopped = false;
  const timer = setInterval(() => {
    running = running.then(async () => {
      if (stopped) return;
      await work().catch((error: unknown) => log.warn(`${name}.failed`, { error }));
    });
  }, ms);
  return async () => {
    stopped = true;
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
}): Promise<Delivery> {
  const { config, gateway, log, metrics, send, sql } = parts;
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
      timeoutMs: microsoftTimeoutMs,
      uploadStatusSeconds: config.uploadStatusSeconds,
      verifySample: config.verifySample,
      holdRecheckSeconds: config.holdRecheckSeconds,
      wait: (attempts) => backoffSeconds(attempts, backoff),
      now: Date.now,
    }),
    stage,
  );
  const listening = await sql.listen(dueChannel, (name) =>
    name === 'computers' ? computers.wake() : reports.wake(),
  );
  const stopHeartbeats = every(heartbeatLookMs, 'heartbeat', log, () =>
    sendHeartbeats({
      sql,
      send,
      log,
      metrics,
      access: gateway.access,
      apiVersions: config.partnerApiVersions,
      periodSeconds: config.heartbeatSeconds,
      timeoutMs: microsoftTimeoutMs,
    }),
  );
  return {
    stop: async () => {
      await Promise.all([computers.stop(), reports.stop(), stopHeartbeats()]);
      await listening.unlisten().catch((error: unknown) => log.debug('delivery.unlisten', { error }));
    },
  };
}
