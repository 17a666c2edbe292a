import type { ConfirmOptions } from '../connection/confirm-step.ts';
import type { LifecycleOptions } from '../connection/lifecycle.ts';
import type { PartnerWatchOptions } from '../connection/partner-watch.ts';
import type { PermissionWatchOptions } from '../connection/permission-watch.ts';
import type { SubscriptionOptions } from '../connection/subscriptions/keep-subscriptions.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import type { TenantScope } from '../store/tenant-scope.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Config } from './config.ts';
import type { Gateway } from './gateway.ts';

/** Services of the connection, made once for the admin API and for the background. */
export interface ConnectionServices {
  readonly confirm: ConfirmOptions;
  readonly lifecycle: LifecycleOptions;
  readonly partners: PartnerWatchOptions;
  readonly permissions: PermissionWatchOptions;
  readonly subscriptions: SubscriptionOptions;
}

export function createConnectionServices(
  config: Config,
  parts: {
    readonly sql: Sql;
    readonly send: Send;
    readonly log: Log;
    readonly metrics: Metrics;
    readonly scope?: TenantScope | undefined;
  },
  gateway: Gateway,
): ConnectionServices {
  const { log, metrics, scope, send, sql } = parts;
  const shared = {
    scope,
    sql,
    send,
    log,
    metrics,
    tenants: gateway.tenants,
    access: gateway.access,
    clouds: config.clouds,
    apiVersions: config.partnerApiVersions,
    publicUrl: config.publicUrl,
    timeoutMs: config.microsoftTimeoutSeconds * 1_000,
    heartbeatSeconds: config.heartbeatSeconds,
    connectorClientId: (cloud: string) => config.connector(cloud)?.clientId,
    userAppClientId: config.userAppClientId,
    hasDiagnostic: (cloud: string) => config.diagnostic(cloud) !== undefined,
  };
  return {
    confirm: { ...shared, clientOf: gateway.clients.clientOf, now: Date.now },
    lifecycle: shared,
    partners: shared,
    subscriptions: {
      ...shared,
      notifications: {
        resources: config.notificationResources,
        lifetimeMinutes: config.notificationMinutes,
        groupPath: config.notificationGroupPath,
      },
    },
    permissions: { ...shared, expected: config.expectedPermissions },
  };
}
